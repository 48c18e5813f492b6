package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
)

// Package is an integration package as the state of the sandbox shows it.
type Package struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	// Details is a digest of everything else that is said of it.
	Details   string     `json:"details"`
	Artifacts []Artifact `json:"artifacts"`
}

// Artifact is a design-time artifact as the state of the sandbox shows it.
type Artifact struct {
	ID          string `json:"id"`
	Type        string `json:"type"`
	Version     string `json:"version"`
	Name        string `json:"name"`
	Description string `json:"description,omitzero"`
	Sender      string `json:"sender,omitzero"`
	Receiver    string `json:"receiver,omitzero"`
	// Content is the digest of its zip.
	Content string `json:"content"`
	// Configured are digests of the values of parameters that differ from those
	// of the content, which differ from tenant to tenant.
	Configured map[string]string `json:"configured,omitzero"`
}

// Packages gives the integration packages and what is in them, sorted by ID.
func (a *API) Packages() []Package {
	list := []Package{}
	for _, id := range a.packages.ids() {
		p, ok := a.packages.get(id)
		if !ok {
			continue
		}
		shown := Package{id, p.Name, p.Description, p.details(), []Artifact{}}
		for _, x := range a.artifacts.of(id) {
			shown.Artifacts = append(shown.Artifacts, a.artifactState(x))
		}
		list = append(list, shown)
	}
	return list
}

func (a *API) artifactState(x *artifact) Artifact {
	shown := Artifact{x.id, x.kind.runtime, x.version, x.name, x.description, x.sender, x.receiver, x.load().digest, nil}
	for key, value := range x.changes() {
		if shown.Configured == nil {
			shown.Configured = map[string]string{}
		}
		shown.Configured[key] = a.digest(value)
	}
	return shown
}

// details gives a digest of what a caller may say of a package.
func (p *integrationPackage) details() string {
	text, err := json.Marshal(p.packageSpec)
	if err != nil {
		return ""
	}
	return sum(text)
}

// deployed gives what tells the content and the parameters of an artifact that
// is deployed from others; empty: they are those the sandbox has for the ID.
func (a *API) deployed(x *artifact) string {
	content, changes := x.load().digest, x.changes()
	if own, ok := a.own[x.id]; ok && own().digest == content && len(changes) == 0 {
		return ""
	}
	text := content
	for _, key := range slices.Sorted(maps.Keys(changes)) {
		text += "\n" + strconv.Quote(key) + strconv.Quote(changes[key])
	}
	return a.digest(text)
}

// sum gives the digest of something that is no secret.
func sum(data []byte) string {
	h := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(h[:])
}

// digest gives the digest of a text that may be secret: with a key of the
// tenant's own, so that nobody finds the text by trying.
func (a *API) digest(text string) string {
	h := hmac.New(sha256.New, a.key[:])
	h.Write([]byte(text))
	return "hmac-sha256:" + hex.EncodeToString(h.Sum(nil))
}
