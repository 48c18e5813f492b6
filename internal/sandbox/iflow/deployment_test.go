package iflow

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// rig is a runtime with the built-in flows in a bubble.
func rig(t *testing.T, flows ...Flow) *Runtime {
	t.Helper()
	rt, err := New(Options{Flows: flows})
	if err != nil {
		t.Fatal(err)
	}
	return rt
}

// after gives a deployment that is there after d and starts in a second.
func after(id string, d time.Duration, endpoints ...string) Deployment {
	on := time.Now().Add(d)
	n := Deployment{ID: id, Type: TypeFlow, On: on, Ready: on.Add(time.Second), Listed: on.Add(time.Second)}
	for _, e := range endpoints {
		f := PassThrough(id)
		f.Endpoint = e
		n.Flows = append(n.Flows, f)
	}
	return n
}

func TestConflictsNameTheOtherFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := rig(t)
		rt.Deploy(after("Pending", time.Hour, "/http/pending"))
		rt.Deploy(after("Below", 0, "/http/below/*"))
		rt.Undeploy("Slow")
		for _, test := range []struct {
			d    Deployment
			want string
		}{
			{after("A", 0, "/HTTP/echo"), "want /http/"}, // a prefix is in lower case
			{after("B", 0, "/http/ECHO"), "'Echo'"},
			{after("C", 0, "/http/c", "/http/pending"), "'Pending'"},
			{after("D", 0, "/http/d", "/http/D"), "two sender channels"},
			{after("E", 0, "/http/Below/*"), "'Below'"},
			{after("F", 0, "/http/below"), ""},
			{after("G", StopTime/2, "/http/slow"), "'Slow'"},
			{after("H", StopTime, "/http/slow"), ""},
			{after("I", 0, "/http/a b"), "want /http/"},
			{after("Echo", 0, "/http/echo"), ""},
		} {
			rt.Deploy(test.d)
			all := rt.Lasting()
			at := slices.IndexFunc(all, func(d Deployment) bool { return d.ID == test.d.ID })
			if at < 0 {
				t.Errorf("%s is not deployed", test.d.ID)
				continue
			}
			got := all[at]
			if (got.Error == "") != (test.want == "") || !strings.Contains(got.Error, test.want) {
				t.Errorf("%s: error %q, want %q", test.d.ID, got.Error, test.want)
			}
			if got.Error != "" && got.Flows != nil {
				t.Errorf("%s: is in error and has endpoints", test.d.ID)
			}
		}
	})
}

func TestTheLatestDeploymentCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := rig(t)
		slow := after("Echo", time.Minute, "/http/slowly")
		slow.Version = "1.0.1"
		rt.Deploy(slow)
		quick := after("Echo", time.Second, "/http/quickly")
		quick.Version = "1.0.2"
		rt.Deploy(quick)
		for _, test := range []struct {
			wait            time.Duration
			version, status string
			reached         string
		}{
			{0, "1.0.0", Started, "/http/echo"},
			{time.Second, "1.0.2", Starting, ""},
			{time.Second, "1.0.2", Started, "/http/quickly"},
			{time.Hour, "1.0.2", Started, "/http/quickly"},
		} {
			<-time.After(test.wait)
			d, ok := rt.Deployment("Echo")
			if !ok || d.Version != test.version || d.Status(time.Now()) != test.status {
				t.Errorf("got %v %s %s, want %+v", ok, d.Version, d.Status(time.Now()), test)
			}
			for _, path := range []string{"/http/echo", "/http/quickly", "/http/slowly"} {
				if f, status := rt.reach(path); (f != nil) != (path == test.reached) {
					t.Errorf("%+v: %s is reached: %v, %d", test, path, f != nil, status)
				}
			}
		}
	})
}

func TestUndeployLeavesWhatIsBeingBuilt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := rig(t)
		rt.Deploy(after("Echo", StopTime/2, "/http/echo"))
		for i, id := range []string{"Echo", "Echo", "Nope"} {
			if got := rt.Undeploy(id); got != (id == "Echo") {
				t.Errorf("undeploy %d of %s: %v", i+1, id, got)
			}
		}
		if d, ok := rt.Deployment("Echo"); !ok || d.Status(time.Now()) != Stopping || d.Lists(time.Now()) {
			t.Errorf("got %v %+v", ok, d)
		}
		<-time.After(StopTime / 2)
		if d, ok := rt.Deployment("Echo"); !ok || d.Status(time.Now()) != Starting {
			t.Errorf("got %v %+v", ok, d)
		}
		if n := len(rt.Lasting()); n != len(rt.Flows()) {
			t.Errorf("%d of %d flows last", n, len(rt.Flows()))
		}
	})
}

func BenchmarkReach(b *testing.B) {
	rt, err := New(Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if f, _ := rt.reach("/http/orders"); f == nil {
			b.Fatal("not reached")
		}
	}
}
