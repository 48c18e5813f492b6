package cf

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// maxName is the longest name of a service key, and of a service instance that
// SAP calls friendly to the command line (wire/sap.md 1.5).
const maxName = 32

var friendlyName = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// NameError is why a name cannot or should not be given.
type NameError struct {
	// Kind is what was to be named; Name is the name.
	Kind Resource
	Name string
	// Problem says what is wrong with it and what is wanted.
	Problem string
	// Advice says that the API itself takes the name, and only SAP's advice
	// is against it.
	Advice bool
}

// Error gives kind, name and problem.
func (e *NameError) Error() string { return fmt.Sprintf("%s %q %s", e.Kind, e.Name, e.Problem) }

// CheckInstanceName says what is wrong with the name of a service instance to
// be created, as a [*NameError] (wire/sap.md 1.5): at most 32 characters, each
// a letter, a digit, ".", "_" or "-". All but the empty name is advice.
func CheckInstanceName(name string) error {
	problem := ""
	switch {
	case name == "":
		return &NameError{Kind: ServiceInstance, Name: name, Problem: "has no name"}
	case utf8.RuneCountInString(name) > maxName:
		problem = tooLong(name)
	case !friendlyName.MatchString(name):
		problem = "may only hold A-Z a-z 0-9 . _ -"
	default:
		return nil
	}
	return &NameError{Kind: ServiceInstance, Name: name, Problem: problem, Advice: true}
}

// CheckKeyName says what is wrong with the name of a service key to be
// created, as a [*NameError] (wire/sap.md 1.5): it has 1 to 32 characters.
func CheckKeyName(name string) error {
	switch {
	case name == "":
		return &NameError{Kind: ServiceKey, Name: name, Problem: "has no name"}
	case utf8.RuneCountInString(name) > maxName:
		return &NameError{Kind: ServiceKey, Name: name, Problem: tooLong(name)}
	}
	return nil
}

func tooLong(name string) string {
	return fmt.Sprintf("has %d characters; at most %d are allowed", utf8.RuneCountInString(name), maxName)
}
