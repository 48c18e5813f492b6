package sandbox_test

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"iflowtest/internal/sandbox"
	"iflowtest/internal/sandbox/iflow"
)

// A conversation of testdata/clients is what one command of a public client
// says, byte for byte, and what the client makes of each answer:
//
//	; a remark
//	# the command
//	@ a line of the sandbox's configuration
//	! a fault
//	== a step
//	> POST /oauth/token HTTP/1.1
//	> Host: {{host.token}}
//	>
//	> body of the request
//	< 200
//	< Name: value
//	? reader = what the client reads
//	? reader -> name, under which later requests of the file find it
//	? until reader = value after value value
//
// A header and a reading may hold <*>, any text. "until" asks again as a client
// that polls does; the values before the last are those after "after".
//
// In a request, {{host.PART}} is where a part listens; {{length}} is the length
// of the body; {{sender.basic}} and what else [tenant.fill] knows belongs to a
// key; {{wrong.basic}} is a secret nobody has; {{zip.NAME}} is the base64 text
// of the archive of testdata/clients/artifacts/NAME, and {{NAME.path}} the path
// of a URL that was read as NAME. Requests to one host share a connection, as
// they do in the clients.
type conversation struct {
	name   string
	config []string
	faults []string
	steps  []step
}

type step struct {
	name    string
	request []string
	status  int
	header  []string
	reads   []reading
}

// reading is one line of what a client makes of an answer.
type reading struct {
	until  bool
	reader string
	want   string   // with =
	name   string   // with ->
	before []string // with until
}

func readConversations(t *testing.T, text string) []conversation {
	t.Helper()
	var all []conversation
	for n, line := range strings.Split(text, "\n") {
		mark, rest, _ := strings.Cut(line, " ")
		if len(all) == 0 && mark != "#" && mark != ";" && line != "" {
			t.Fatalf("line %d: %q stands before the first conversation", n+1, line)
		}
		if mark == "#" {
			all = append(all, conversation{name: rest})
		}
		if len(all) == 0 {
			continue
		}
		if err := all[len(all)-1].add(mark, rest); err != nil {
			t.Fatalf("line %d: %v", n+1, err)
		}
	}
	return all
}

func (c *conversation) add(mark, rest string) error {
	switch mark {
	case "", ";", "#":
		return nil
	case "@":
		c.config = append(c.config, rest)
		return nil
	case "!":
		c.faults = append(c.faults, rest)
		return nil
	case "==":
		c.steps = append(c.steps, step{name: rest})
		return nil
	}
	if len(c.steps) == 0 {
		return fmt.Errorf("%q stands before the first step", mark+" "+rest)
	}
	return c.steps[len(c.steps)-1].add(mark, rest)
}

func (s *step) add(mark, rest string) (err error) {
	switch mark {
	case ">":
		s.request = append(s.request, rest)
	case "<":
		if s.status == 0 {
			s.status, err = strconv.Atoi(rest)
			return err
		}
		s.header = append(s.header, rest)
	case "?":
		r := reading{}
		rest, r.until = strings.CutPrefix(rest, "until ")
		what, before, _ := strings.Cut(rest, " after ")
		r.before = strings.Fields(before)
		var reads, keeps bool
		if r.reader, r.name, keeps = strings.Cut(what, " -> "); !keeps {
			r.reader, r.want, reads = strings.Cut(what, " = ")
		}
		if !reads && !keeps {
			return fmt.Errorf("%q: want READER = VALUE or READER -> NAME", rest)
		}
		s.reads = append(s.reads, r)
	default:
		return fmt.Errorf("%q: want one of > < ? @ ! == # ;", mark)
	}
	return nil
}

// speaker holds a conversation with a tenant that listens on sockets.
type speaker struct {
	*tenant
	known map[string]string
	conns map[string]*connection
}

type connection struct {
	net.Conn
	answers *bufio.Reader
}

// placeholder is what a recording leaves open.
var placeholder = regexp.MustCompile(`\{\{[A-Za-z0-9.-]+\}\}`)

// complete fills the placeholders of a text, all but {{length}}.
func (s *speaker) complete(text string) string {
	return placeholder.ReplaceAllStringFunc(text, func(m string) string {
		name := m[2 : len(m)-2]
		if value, ok := s.known[name]; ok {
			return value
		}
		kind, what, _ := strings.Cut(name, ".")
		switch kind {
		case "length":
			return m
		case "host":
			return strings.TrimPrefix(s.URL(what), "http://")
		case "zip":
			return base64.StdEncoding.EncodeToString(archive(s.t, what))
		}
		return s.fill(m)
	})
}

// bytes gives the request as it goes over the wire.
func (s *speaker) bytes(lines []string) (host string, request []byte) {
	s.t.Helper()
	end := slices.Index(lines, "")
	if end < 0 {
		s.t.Fatalf("the request %q has no end of its headers", lines[0])
	}
	body := s.complete(strings.Join(lines[end+1:], "\n"))
	var b bytes.Buffer
	for _, line := range lines[:end] {
		line = strings.ReplaceAll(s.complete(line), "{{length}}", strconv.Itoa(len(body)))
		if h, ok := strings.CutPrefix(line, "Host: "); ok {
			host = h
		}
		b.WriteString(line + "\r\n")
	}
	b.WriteString("\r\n" + body)
	return host, b.Bytes()
}

// say sends the bytes of a request and reads the answer to its end.
func (s *speaker) say(lines []string) answer {
	s.t.Helper()
	host, request := s.bytes(lines)
	c, ok := s.conns[host]
	if !ok {
		conn, err := net.Dial("tcp", host)
		if err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { conn.Close() })
		c = &connection{conn, bufio.NewReader(conn)}
		s.conns[host] = c
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		s.t.Fatal(err)
	}
	if _, err := c.Write(request); err != nil {
		s.t.Fatalf("%s: %v", lines[0], err)
	}
	method, _, _ := strings.Cut(lines[0], " ")
	res, err := http.ReadResponse(c.answers, &http.Request{Method: method})
	if err != nil {
		s.t.Fatalf("%s: %v", lines[0], err)
	}
	defer res.Body.Close()
	if res.Close {
		delete(s.conns, host)
	}
	return answer{res, unpacked(s.t, res)}
}

// unpacked reads a body as Go's client does, which asks for gzip by itself.
func unpacked(t testing.TB, res *http.Response) string {
	t.Helper()
	body := io.Reader(res.Body)
	if res.Header.Get("Content-Encoding") == "gzip" {
		packed, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = packed
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// archive packs an artifact as the clients do: every file and every folder,
// paths from the artifact on.
func archive(t testing.TB, name string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	if err := w.AddFS(os.DirFS(filepath.Join("testdata", "clients", "artifacts", name))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestClientsOfThePlatform replays what flashpipe and SAP's Jenkins library
// send, and reads the answers as they do.
func TestClientsOfThePlatform(t *testing.T) {
	paths, err := filepath.Glob("testdata/clients/*.txt")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range readConversations(t, string(text)) {
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txt")+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				c.hold(t)
			})
		}
	}
}

// hold holds the conversation with a tenant of its own, up to the first step
// that is answered otherwise than the client wants.
func (c conversation) hold(t *testing.T) {
	config, problems := sandbox.ParseConfig(c.name, []byte(strings.Join(c.config, "\n")))
	if len(c.config) == 0 {
		config, problems = nil, nil
	}
	if problems.HasErrors() {
		t.Fatalf("configuration: %v", problems)
	}
	s := &speaker{listen(t, sandbox.Options{Config: config}), map[string]string{}, map[string]*connection{}}
	k := s.key("api")
	wrong := url.QueryEscape(k.ClientID) + ":nobodys"
	s.known["wrong.basic"] = base64.StdEncoding.EncodeToString([]byte(wrong))
	s.known["wrong.form"] = "client_id=" + url.QueryEscape(k.ClientID) + "&client_secret=nobodys"
	for _, f := range c.faults {
		s.fault(f)
	}
	for _, st := range c.steps {
		if !s.take(st) {
			t.Fatalf("the client ends at the step %q", st.name)
		}
	}
}

// take does one step; false when the answer is not the one wanted.
func (s *speaker) take(st step) bool {
	s.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		a := s.say(st.request)
		again, err := s.judge(st, a)
		if again && time.Now().Before(deadline) {
			continue
		}
		if err != nil {
			s.t.Errorf("%s: %s: %v\n%s", st.name, st.request[0], err, a.body)
		}
		return err == nil
	}
}

// judge says what is wrong with an answer, and whether the client asks again.
func (s *speaker) judge(st step, a answer) (again bool, err error) {
	if a.StatusCode != st.status && !st.polls() {
		return false, fmt.Errorf("status %d, the client wants %d", a.StatusCode, st.status)
	}
	for _, r := range st.reads {
		got, err := read(r.reader, a)
		if err != nil {
			return false, fmt.Errorf("%s: %w", r.reader, err)
		}
		if r.until && slices.Contains(r.before, got) {
			return true, fmt.Errorf("%s still reads %q", r.reader, got)
		}
		if r.name != "" {
			s.keep(r.name, got)
			continue
		}
		want := s.complete(r.want)
		if like(want, got) {
			continue
		}
		return false, fmt.Errorf("%s reads %q, want %q", r.reader, got, want)
	}
	if a.StatusCode != st.status {
		return false, fmt.Errorf("status %d, the client wants %d", a.StatusCode, st.status)
	}
	for _, h := range st.header {
		name, want, _ := strings.Cut(h, ": ")
		if got := a.Header.Get(name); !like(s.complete(want), got) || a.Header.Values(name) == nil {
			return false, fmt.Errorf("header %s: %q, want %q", name, got, want)
		}
	}
	return false, nil
}

// polls reports whether the step asks until something is there.
func (s step) polls() bool {
	return slices.ContainsFunc(s.reads, func(r reading) bool { return r.until })
}

func (s *speaker) keep(name, value string) {
	s.known[name] = value
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		s.known[name+".path"], s.known[name+".host"] = u.RequestURI(), u.Host
	}
}

// none is what a client reads where there is nothing.
const none = "-"

// read gives what a reader makes of an answer; "piper.endpoint ID" is that of
// one flow.
func read(reader string, a answer) (string, error) {
	name, flow, _ := strings.Cut(reader, " ")
	if name == "piper.endpoint" {
		return readEndpoint(a, flow)
	}
	read, ok := readers()[name]
	if !ok {
		return "", fmt.Errorf("there is no such reader")
	}
	return read(a)
}

// readers gives what the clients do with the answers; the name before a dot is
// that of the one client which reads so.
func readers() map[string]func(answer) (string, error) {
	return map[string]func(answer) (string, error){
		"token":               readToken,
		"csrf":                func(a answer) (string, error) { return a.Header.Get("x-csrf-token"), nil },
		"cookies":             readCookies,
		"body":                func(a answer) (string, error) { return a.body, nil },
		"error":               readError,
		"flashpipe.version":   readVersion,
		"flashpipe.runtime":   readRuntime,
		"flashpipe.cause":     readCause,
		"flashpipe.package":   readPackage,
		"flashpipe.artifacts": readArtifacts,
		"flashpipe.values":    readValues,
		"flashpipe.files":     readFiles,
		"piper.token":         func(a answer) (string, error) { return at(a, "access_token") },
		"task":                readTask,
		"piper.build":         func(a answer) (string, error) { return at(a, "d", "Status") },
		"piper.file":          readDownload,
		"piper.files":         readFiles,
		"piper.log":           func(a answer) (string, error) { return orNone(a, "d", "results", "0", "Status") },
		"piper.guid":          func(a answer) (string, error) { return at(a, "d", "results", "0", "MessageGuid") },
	}
}

// at gives the text at a path of a JSON document, as a client that wants a text
// there, and nothing else.
func at(a answer, path ...string) (string, error) {
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		return "", err
	}
	for i, name := range path {
		switch here := v.(type) {
		case map[string]any:
			v = here[name]
		case []any:
			n, err := strconv.Atoi(name)
			if err != nil || n >= len(here) {
				return "", fmt.Errorf("there is nothing at %s", strings.Join(path[:i+1], "."))
			}
			v = here[n]
		default:
			return "", fmt.Errorf("there is nothing at %s", strings.Join(path[:i+1], "."))
		}
	}
	text, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%s is %v, want a text", strings.Join(path, "."), v)
	}
	return text, nil
}

// orNone is at, for what may be missing in a document that is one.
func orNone(a answer, path ...string) (string, error) {
	if !json.Valid([]byte(a.body)) {
		return "", fmt.Errorf("%q is not JSON", a.body)
	}
	text, err := at(a, path...)
	if err != nil {
		return none, nil
	}
	return text, nil
}

// readToken reads a token as x/oauth2 does, which looks at the content type.
func readToken(a answer) (string, error) {
	if content := a.Header.Get("Content-Type"); !strings.HasPrefix(content, "application/json") {
		return "", fmt.Errorf("a token of type %q", content)
	}
	var token struct {
		AccessToken string      `json:"access_token"`
		TokenType   string      `json:"token_type"`
		ExpiresIn   json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal([]byte(a.body), &token); err != nil {
		return "", err
	}
	if life, err := token.ExpiresIn.Int64(); err != nil || life < 60 || !strings.EqualFold(token.TokenType, "bearer") {
		return "", fmt.Errorf("a token %q for %q seconds", token.TokenType, token.ExpiresIn)
	}
	return token.AccessToken, nil
}

// readCookies gives the header that a client sends which keeps every cookie.
func readCookies(a answer) (string, error) {
	var pairs []string
	for _, c := range a.Cookies() {
		pairs = append(pairs, c.Name+"="+c.Value)
	}
	if len(pairs) == 0 {
		return "", fmt.Errorf("there are no cookies")
	}
	return strings.Join(pairs, "; "), nil
}

// readError reads the error of the API, which must be JSON for a caller that
// accepts it.
func readError(a answer) (string, error) { return at(a, "error", "message", "value") }

// results reads a list, of which the client knows some fields.
func results[T any](a answer) ([]T, error) {
	var list struct {
		D *struct {
			Results *[]T `json:"results"`
		} `json:"d"`
	}
	if err := json.Unmarshal([]byte(a.body), &list); err != nil {
		return nil, err
	}
	if list.D == nil || list.D.Results == nil {
		return nil, fmt.Errorf("there is no d.results")
	}
	return *list.D.Results, nil
}

// readVersion gives the version of a design-time artifact, or that there is
// none, which flashpipe tells by 404 alone.
func readVersion(a answer) (string, error) {
	if a.StatusCode == http.StatusNotFound {
		return none, nil
	}
	return at(a, "d", "Version")
}

// readRuntime gives version and status of a runtime artifact as flashpipe does:
// the version counts when it is started.
func readRuntime(a answer) (string, error) {
	if a.StatusCode == http.StatusNotFound {
		return "NOT_DEPLOYED", nil
	}
	if a.StatusCode != http.StatusOK {
		return "", fmt.Errorf("status %d", a.StatusCode)
	}
	status, err := at(a, "d", "Status")
	if err != nil || status != "STARTED" {
		return status, err
	}
	version, err := at(a, "d", "Version")
	return status + "/" + version, err
}

// readCause gives the first parameter of the error information.
func readCause(a answer) (string, error) {
	var d struct {
		Parameter []string `json:"parameter"`
	}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		return "", err
	}
	if len(d.Parameter) == 0 {
		return "", fmt.Errorf("there is no parameter: the client would break")
	}
	return d.Parameter[0], nil
}

// readPackage gives what flashpipe keeps of a package, the empty left away.
func readPackage(a answer) (string, error) {
	if a.StatusCode == http.StatusNotFound {
		return none, nil
	}
	var d struct {
		D *struct {
			ID string `json:"Id"`

			Name, Description, ShortText, Version, Vendor, Mode       string
			Products, Keywords, Countries, Industries, LineOfBusiness string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &d); err != nil {
		return "", err
	}
	if d.D == nil {
		return "", fmt.Errorf("there is no d")
	}
	p := d.D
	fields := []string{p.ID, p.Name, p.Description, p.ShortText, p.Version, p.Vendor, p.Mode, p.Products, p.Keywords, p.Countries, p.Industries, p.LineOfBusiness}
	return strings.Join(slices.DeleteFunc(fields, func(f string) bool { return f == "" }), "/"), nil
}

// readArtifacts gives the artifacts of a package that are no drafts.
func readArtifacts(a answer) (string, error) {
	list, err := results[struct {
		ID            string `json:"Id"`
		Name, Version string
	}](a)
	if err != nil {
		return "", err
	}
	text := []string{}
	for _, e := range list {
		if e.Version == "Active" {
			return "", fmt.Errorf("%s is a draft: the client refuses it", e.ID)
		}
		text = append(text, e.ID+"/"+e.Name+"/"+e.Version)
	}
	if len(text) == 0 {
		return none, nil
	}
	return strings.Join(text, " "), nil
}

// readValues gives the externalized parameters that are not schedules.
func readValues(a answer) (string, error) {
	list, err := results[struct{ ParameterKey, ParameterValue, DataType string }](a)
	if err != nil {
		return "", err
	}
	values := map[string]string{}
	for _, p := range list {
		if p.DataType != "custom:schedule" {
			values[p.ParameterKey] = p.ParameterValue
		}
	}
	var text []string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text = append(text, key+"="+values[key])
	}
	return strings.Join(text, " "), nil
}

// readFiles unpacks an artifact and gives the files that the clients compare
// and copy; each must stay below the folder it is unpacked to.
func readFiles(a answer) (string, error) {
	r, err := zip.NewReader(strings.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		return "", err
	}
	var names []string
	for _, f := range r.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if !fs.ValidPath(f.Name) {
			return "", fmt.Errorf("the path %q", f.Name)
		}
		if !strings.HasPrefix(f.Name, "META-INF/") && !strings.HasPrefix(f.Name, "src/main/resources/") {
			continue
		}
		content, err := f.Open()
		if err != nil {
			return "", err
		}
		if _, err := io.Copy(io.Discard, content); err != nil {
			return "", fmt.Errorf("%s: %w", f.Name, err)
		}
		names = append(names, f.Name)
	}
	slices.Sort(names)
	return strings.Join(names, " "), nil
}

// readTask gives the ID of a build, which Piper takes as it is into a URL.
func readTask(a answer) (string, error) {
	if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(a.body) {
		return "", fmt.Errorf("a task %q", a.body)
	}
	return a.body, nil
}

// readDownload gives the name of the file that Piper writes.
func readDownload(a answer) (string, error) {
	_, parameters, err := mime.ParseMediaType(a.Header.Get("Content-Disposition"))
	if err != nil {
		return "", err
	}
	if parameters["filename"] == "" {
		return "", fmt.Errorf("the download has no file name")
	}
	return parameters["filename"], nil
}

// readEndpoint gives the first entry point of a flow: Piper looks through the
// whole list for its name.
func readEndpoint(a answer, flow string) (string, error) {
	list, err := results[struct {
		Name        string
		EntryPoints struct {
			Results []struct {
				URL string `json:"Url"`
			} `json:"results"`
		}
	}](a)
	if err != nil {
		return "", err
	}
	for _, e := range list {
		if e.Name != flow {
			continue
		}
		if len(e.EntryPoints.Results) == 0 {
			return "", fmt.Errorf("%s has no entry point: the client would break", flow)
		}
		return e.EntryPoints.Results[0].URL, nil
	}
	return none, nil
}

// TestUndeployWhileStopping: an update of content and configuration makes
// flashpipe undeploy twice, one right after the other; what is stopping is
// deployed to it, and anything but 202 ends it.
func TestUndeployWhileStopping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tn := start(t, sandbox.Options{})
		defer tn.Close()
		bearer := tn.bearer("api")
		echo := tn.URL("api") + "/api/v1/IntegrationRuntimeArtifacts('Echo')"
		runtime := func() string {
			got, err := readRuntime(tn.send("GET", echo, "", bearer, "Accept: application/json"))
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		for range 2 {
			if a := tn.send("DELETE", echo, "", bearer, "Accept: application/json"); a.StatusCode != http.StatusAccepted {
				t.Errorf("undeploy: %d %s", a.StatusCode, a.body)
			}
			if got := runtime(); got != "STOPPING" {
				t.Errorf("while it stops: %s", got)
			}
			<-time.After(iflow.StopTime / 2) // counted from the first
		}
		if got := runtime(); got != "NOT_DEPLOYED" {
			t.Errorf("afterwards: %s", got)
		}
	})
}
