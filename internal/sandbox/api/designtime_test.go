package api

import (
	"testing"

	"iflowtest/internal/sandbox/bundle"
	"iflowtest/internal/sandbox/odata"
)

// uploaded gives an artifact whose upload takes so many bytes.
func uploaded(id string, size int) *artifact {
	held := newContent(make([]byte, size), &bundle.Bundle{})
	return &artifact{kind: integrationFlows(), id: id, packageID: "P", load: func() content { return *held }}
}

func TestUploadsAreBoundedTogether(t *testing.T) {
	as := artifacts{limit: 100}
	put := func(x *artifact) bool {
		_, room := as.add(x)
		return room
	}
	replace := func(x *artifact) *odata.Error {
		return as.change(x.id, func(artifact) (*artifact, *odata.Error) { return x, nil })
	}
	if !put(uploaded("A", 60)) || put(uploaded("B", 41)) || !put(uploaded("B", 40)) {
		t.Errorf("%d bytes are held", as.held)
	}
	if generated := (&artifact{id: "G", generated: true}); !put(generated) {
		t.Error("there is no room for what the sandbox makes")
	}
	if err := replace(uploaded("B", 41)); err == nil || err.Status != 500 || err.Message != noRoom {
		t.Errorf("replaced by a larger one: %v", err)
	}
	if kept, _ := as.get(integrationFlows(), "B"); kept.size() != 40 {
		t.Errorf("B has %d bytes", kept.size())
	}
	if err := replace(uploaded("A", 10)); err != nil || !put(uploaded("C", 50)) {
		t.Errorf("%v: %d bytes are held", err, as.held)
	}
	as.remove("C")
	if as.held != 50 {
		t.Errorf("%d bytes are held", as.held)
	}
	as.removeOf("P")
	if as.held != 0 || len(as.byID) != 1 {
		t.Errorf("%d bytes are held by %d artifacts", as.held, len(as.byID))
	}
}

func TestTheSizeOfAnUploadIsWhatItUnpacksTo(t *testing.T) {
	x := uploaded("A", 10)
	b := x.load().bundle
	b.Parameters = []bundle.Parameter{{Key: "k", Value: "value", Type: "t"}}
	b.Senders = []bundle.Sender{{Address: "/a", Role: "r"}}
	if got := x.size(); got != 10+7+3 {
		t.Errorf("%d bytes", got)
	}
}
