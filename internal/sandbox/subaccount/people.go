package subaccount

import (
	"crypto/subtle"
	"fmt"
	"regexp"
	"slices"
	"time"
)

// The organisation of Cloud Foundry and its spaces.
const (
	// Organization is the name of the organisation.
	Organization = "sandbox"
	// DefaultSpace is the space of the instances that are there at the start.
	DefaultSpace = "dev"
	// ClientName is the client that signs in to the platform with Password.
	ClientName = "automation"
)

// Spaces gives the names of the spaces, sorted.
func Spaces() []string { return []string{DefaultSpace, "test"} }

// The roles of a user in every space of the organisation.
const (
	// Developer reads, writes and sees the credentials of keys.
	Developer = "space_developer"
	// Manager reads.
	Manager = "space_manager"
	// Auditor reads.
	Auditor = "space_auditor"
	// Member is in the organisation and in no space.
	Member = "organization_user"
)

// UserRoles gives the roles a user may have.
func UserRoles() []string { return []string{Developer, Manager, Auditor, Member} }

// UserSpec is a user as a configuration names it.
type UserSpec struct {
	Name string
	// Password empty: [Password].
	Password string
	// Role is one of UserRoles; empty: Developer.
	Role string
	// Expired tells that the password has to be changed before the next
	// sign-in.
	Expired bool
}

// userName is what a user may be called.
var userName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.@_+-]{0,127}$`)

// CheckUserName tells what is wrong with the name of a user; nil when nothing
// is.
func CheckUserName(user string) error {
	if !userName.MatchString(user) {
		return fmt.Errorf("name of a user %q: want 1 to 128 of A-Z a-z 0-9 . @ _ + -, a letter or digit first", user)
	}
	return nil
}

// User is somebody who may sign in to the platform: a person, or a client.
type User struct {
	Name, GUID, Role string
	Expired          bool
	password         string
}

// Place is the organisation, or a space of it.
type Place struct {
	Name, GUID string
	Created    time.Time
}

// Org gives the organisation.
func (s *Subaccount) Org() Place { return s.org }

// Spaces gives the spaces of the organisation, sorted by name.
func (s *Subaccount) Spaces() []Place { return slices.Clone(s.spaces) }

// SignIn finds the user whose name and password these are.
func (s *Subaccount) SignIn(name, password string) (*User, bool) {
	return match(s.users, name, password)
}

// SignInClient finds the client of the platform whose ID and secret these are.
func (s *Subaccount) SignInClient(id, secret string) (*User, bool) {
	return match(s.robots, id, secret)
}

func match(users []*User, name, password string) (*User, bool) {
	for _, u := range users {
		if u.Name == name && subtle.ConstantTimeCompare([]byte(u.password), []byte(password)) == 1 {
			return u, true
		}
	}
	return nil, false
}

// Person finds the user of that GUID.
func (s *Subaccount) Person(guid string) (*User, bool) {
	for _, u := range s.users {
		if u.GUID == guid {
			return u, true
		}
	}
	return nil, false
}

// Client finds the client of the platform of that ID.
func (s *Subaccount) Client(id string) (*User, bool) {
	for _, u := range s.robots {
		if u.Name == id {
			return u, true
		}
	}
	return nil, false
}
