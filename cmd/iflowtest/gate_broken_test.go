package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/secret"
	"iflowtest/runner"
)

// gated runs the gate, with what stands on standard input.
func gated(ctx context.Context, in io.Reader, args ...string) (status int, stdout, stderr string) {
	var out, log bytes.Buffer
	p := &program{in: in, out: &out, err: &log, redactor: secret.NewRedactor(), environ: os.Environ()}
	status = p.run(ctx, append([]string{"gate"}, args...))
	return status, out.String(), log.String()
}

// inUTF16 writes text as PowerShell does.
func inUTF16(text string, order binary.AppendByteOrder) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		b = order.AppendUint16(b, unit)
	}
	return string(b)
}

// TestGateOddKeys: a key in whatever way an editor or a shell has written it is
// read, and what is none is told in words, with status 3 and without a request.
func TestGateOddKeys(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	good := string(tenant.Keys()[0].JSON)
	for name, c := range map[string]struct {
		text string
		want int
		says string
	}{
		"BOM":                    {"\ufeff" + good, 0, " fine\n"},
		"CRLF":                   {strings.ReplaceAll(good, "\n", "\r\n"), 0, " fine\n"},
		"UTF-16, little endian":  {inUTF16(good, binary.LittleEndian), 0, " fine\n"},
		"UTF-16, big endian":     {inUTF16(good, binary.BigEndian), 0, " fine\n"},
		"UTF-16, cut off":        {inUTF16(good[:len(good)/2], binary.LittleEndian), 3, "ends in the middle of its JSON"},
		"empty":                  {"", 3, "is empty"},
		"blank":                  {" \r\n\t\n", 3, "is empty"},
		"a BOM alone":            {"\ufeff", 3, "is empty"},
		"binary":                 {"\x00\x01\x02\xff", 3, "is neither UTF-8 nor UTF-16"},
		"a list":                 {"[]", 3, "is a list, not a JSON object"},
		"null":                   {"null", 3, "is null, not a JSON object"},
		"a page":                 {"<html><title>Sign in</title></html>", 3, "is not JSON"},
		"the whole of a cockpit": {"Name\tsender\nCredentials\n", 3, "is not JSON"},
	} {
		write(t, "keys/odd.json", c.text)
		status, out, log := gated(t.Context(), strings.NewReader(""), "keys/odd.json")
		if status != c.want || !strings.Contains(out, c.says) {
			t.Errorf("%s: exit status %d, want %d, and %q\n%s%s", name, status, c.want, c.says, out, log)
		}
		if status, piped, log := gated(t.Context(), strings.NewReader(c.text), "-"); status != c.want || !strings.Contains(piped, c.says) {
			t.Errorf("%s on standard input: exit status %d, want %d, and %q\n%s%s", name, status, c.want, c.says, piped, log)
		}
		if c.want == runner.ExitInvalid && !strings.Contains(out, " = copy all of it anew") {
			t.Errorf("%s: no cure\n%s", name, out)
		}
	}
	for _, args := range [][]string{{"keys/nowhere.json"}, {"nowhere"}, {""}, {"env:"}, {"env:NOBODY_SET_THIS"}, {"cf:x"}, {"keys/odd.json", ""}} {
		status, out, log := gated(t.Context(), strings.NewReader(""), args...)
		if status != runner.ExitUsage || out != "" || !strings.Contains(log, "KEY") || strings.Contains(log, "KEY :") {
			t.Errorf("%q: exit status %d, want 2 and words\n%s%s", args, status, out, log)
		}
	}
}

// TestGateSparesKeys: no report is written over a key or a private key, and none
// lies where the next run would take it for a key.
func TestGateSparesKeys(t *testing.T) {
	tenant := served(t)
	environmentOf(t, tenant)
	good := string(tenant.Keys()[0].JSON)
	files := map[string]string{
		"keys/good.json": good, "keys/cut.json": good[:40], "elsewhere/good.key": good, "elsewhere/key.pem": "\n-----BEGIN PRIVATE KEY-----\n",
		"keys/sub/old.xml": "<testsuites/>", "keys/notes.md": "ours",
	}
	for name, text := range files {
		write(t, name, text)
	}
	if err := os.Symlink("../keys/good.json", "elsewhere/link.xml"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		report string
		keys   string
		says   string // empty: it may be written
	}{
		{"keys/good.json", "keys", "a key is there"},
		{"./keys/../keys/good.json", "keys/good.json", "would be written over what PATH names"},
		{"elsewhere/link.xml", "keys", "a key is there"},
		{"elsewhere/good.key", "keys/good.json", "a key is there"},
		{"elsewhere/key.pem", "keys/good.json", "a key is there"},
		{"keys/cut.json", "keys", "lies in a folder of keys"},
		{"keys/new.json", "keys/", "lies in a folder of keys"},
		{"keys/NEW.TXT", "./keys", "lies in a folder of keys"},
		{"keys/new.json", "keys/good.json", ""},
		{"keys/sub/old.xml", "keys/good.json", ""},
		{"out/deep/new.json", "keys/good.json", ""},
	} {
		for _, flag := range []string{"--junit", "--json"} {
			status, out, log := gated(t.Context(), strings.NewReader(""), c.keys, flag, c.report)
			switch {
			case c.says == "" && status != runner.ExitOK:
				t.Errorf("%s %s: exit status %d, want 0\n%s%s", flag, c.report, status, out, log)
			case c.says != "" && (status != runner.ExitUsage || !strings.Contains(log, c.says)):
				t.Errorf("%s %s: exit status %d, want 2 and %q\n%s%s", flag, c.report, status, c.says, out, log)
			}
		}
		if c.says == "" {
			if err := os.Remove(c.report); err != nil {
				t.Error(err)
			}
			delete(files, c.report)
		}
	}
	for name, text := range files {
		if data, err := os.ReadFile(name); err != nil || string(data) != text {
			t.Errorf("%s is %q now: %v", name, data, err)
		}
	}
}

// TestGateStopsReading: a signal ends the gate while it waits for a key that
// does not come.
func TestGateStopsReading(t *testing.T) {
	t.Chdir(t.TempDir())
	from, to := io.Pipe()
	defer to.Close()
	waiting := make(chan struct{})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-waiting
		cancel(runner.Interrupted())
	}()
	status, out, log := gated(ctx, tellingReader{from, sync.OnceFunc(func() { close(waiting) })}, "-", "--junit", "TEST.xml")
	if status != runner.ExitInterrupted || out != "" || !strings.Contains(log, "interrupted while the keys were read; nothing was sent") {
		t.Errorf("exit status %d, want 130\n%s%s", status, out, log)
	}
}

// tellingReader tells that somebody reads.
type tellingReader struct {
	io.Reader
	reads func()
}

func (r tellingReader) Read(p []byte) (int, error) {
	r.reads()
	return r.Reader.Read(p)
}

// TestGateManyKeys: a thousand keys are looked at, one after the other or side by
// side, each told once and in the order of the folder; when a signal comes in the
// middle, the reports are whole all the same.
func TestGateManyKeys(t *testing.T) {
	const many, checks = 1000, 6
	tenant := served(t)
	environmentOf(t, tenant)
	key := string(tenant.Keys()[0].JSON)
	for i := range many {
		write(t, fmt.Sprintf("keys/key-%04d.json", i), key)
	}
	for _, parallel := range []string{"1", "100000"} {
		status, out, log := gated(t.Context(), strings.NewReader(""), "keys", "--parallel", parallel, "--junit", "TEST.xml")
		if status != 0 || log != "" {
			t.Fatalf("--parallel %s: exit status %d\n%.2000s%s", parallel, status, out, log)
		}
		rows := 0
		for line := range strings.Lines(out) {
			if strings.HasSuffix(line, " fine\n") {
				if !strings.HasPrefix(line, fmt.Sprintf("key-%04d ", rows)) {
					t.Fatalf("--parallel %s: row %d is %q", parallel, rows, line)
				}
				rows++
			}
		}
		if suites := counted(t, "TEST.xml"); rows != many || len(suites.Suites) != many || suites.Tests != many*checks {
			t.Errorf("--parallel %s: %d rows, %d suites, %d cases", parallel, rows, len(suites.Suites), suites.Tests)
		}
	}
	interruptedInTheMiddle(t, tenant, many, checks)
}

// interruptedInTheMiddle cancels the run with the thirtieth token request.
func interruptedInTheMiddle(t *testing.T, tenant *sandbox.Tenant, many, checks int) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	var mu sync.Mutex
	asked := 0
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		asked++
		last := asked == 30
		mu.Unlock()
		if last {
			cancel(runner.Interrupted())
			<-r.Context().Done()
			return
		}
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(front.Close)
	var document struct {
		OAuth map[string]any `json:"oauth"`
	}
	decode(t, tenant.Keys()[0].JSON, &document)
	document.OAuth["tokenurl"] = front.URL + "/oauth/token"
	text, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	for i := range many {
		write(t, fmt.Sprintf("keys/key-%04d.json", i), string(text))
	}
	status, out, log := gated(ctx, strings.NewReader(""), "keys", "--parallel", "1", "--negative", "--junit", "TEST.xml", "--json", "run.jsonl")
	if status != runner.ExitInterrupted {
		t.Fatalf("exit status %d, want 130\n%.2000s%s", status, out, log)
	}
	suites := counted(t, "TEST.xml")
	if len(suites.Suites) != many || suites.Tests != many*(checks+1) || suites.Failures != 29 {
		t.Errorf("%d suites, %d cases, %d failures; want %d, %d and 29", len(suites.Suites), suites.Tests, suites.Failures, many, many*(checks+1))
	}
	lines, err := os.ReadFile("run.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(lines, []byte(`"event":"step-end"`)); n != many*(checks+1) || !bytes.Contains(lines, []byte(`"exitStatus":130`)) {
		t.Errorf("%d steps have ended in the JSON lines, want %d, and the status 130", n, many*(checks+1))
	}
	if n := strings.Count(out, " interrupted\n"); n != many-29 {
		t.Errorf("%d rows of the table say interrupted, want %d", n, many-29)
	}
}

// TestGateFullDisk: a report or a table that cannot be written is told, and is 9
// unless the keys have worse to say.
func TestGateFullDisk(t *testing.T) {
	const full = "/dev/full"
	if _, err := os.Stat(full); err != nil {
		t.Skip("this system has no device that is full: ", err)
	}
	tenant := served(t)
	environmentOf(t, tenant)
	write(t, "good.json", string(tenant.Keys()[0].JSON))
	control(t, tenant, http.MethodPost, "/_sandbox/keys", `{"instance":"sandbox-rt","name":"dead"}`, nil)
	keys := tenant.Keys()
	write(t, "dead.json", string(keys[len(keys)-1].JSON))
	control(t, tenant, http.MethodPost, "/_sandbox/faults", "secret-revoked:key=dead", nil)
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{"good.json", "--junit", full}, runner.ExitReport},
		{[]string{"good.json", "--json", full}, runner.ExitReport},
		{[]string{"good.json", "-q", "--junit", full}, runner.ExitReport},
		{[]string{"good.json", "dead.json", "--junit", full}, runner.ExitCredential},
		{[]string{"good.json", "--junit", filepath.Join(full, "x.xml")}, runner.ExitReport},
	} {
		status, out, log := gated(t.Context(), strings.NewReader(""), c.args...)
		if status != c.want || !strings.Contains(log, "cannot be") || !strings.Contains(log, full) {
			t.Errorf("%q: exit status %d, want %d and what could not be written\n%s%s", c.args, status, c.want, out, log)
		}
	}
	out, err := os.OpenFile(full, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	for _, quiet := range []string{"--quiet=false", "--quiet"} {
		var log bytes.Buffer
		p := &program{in: strings.NewReader(""), out: out, err: &log, redactor: secret.NewRedactor()}
		if status := p.run(t.Context(), []string{"gate", "good.json", quiet}); status != runner.ExitReport || !strings.Contains(log.String(), "no space left") {
			t.Errorf("a full standard output, %s: exit status %d, want 9\n%s", quiet, status, log.String())
		}
	}
}
