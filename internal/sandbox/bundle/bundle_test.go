package bundle

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// zipOf makes a zip of pairs of names and contents.
func zipOf(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	archive := zip.NewWriter(&b)
	for pair := range slices.Chunk(members, 2) {
		w, err := archive.Create(pair[0])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(pair[1])); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const someManifest = "Manifest-Version: 1.0\r\nBundle-SymbolicName: Some_Flow; singl\r\n eton:=true\r\nBundle-Name: Some\r\n  Flow\r\nbundle-version: 2.0.17\r\n\r\nName: x\r\nBundle-Version: 9\r\n"

const someModel = `<?xml version="1.0" encoding="UTF-8"?>
<bpmn2:definitions xmlns:bpmn2="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:ifl="http:///com.sap.ifl.model/Ifl.xsd">
  <bpmn2:collaboration>
    <bpmn2:extensionElements><ifl:property><key>direction</key><value>Sender</value></ifl:property></bpmn2:extensionElements>
    <bpmn2:messageFlow id="1"><bpmn2:extensionElements>
      <ifl:property><key>ComponentType</key><value>HTTPS</value></ifl:property>
      <ifl:property><key>urlPath</key><value> {{ Path }}/{{v}}&amp; </value></ifl:property>
      <ifl:property><key>cmdVariantUri</key><value>ctype::AdapterVariant/cname::sap:HTTPS/direction::Sender/version::1.5.0</value></ifl:property>
      <ifl:property><key>userRole</key><value>{{role}}</value></ifl:property>
      <ifl:property><key>xsrfProtection</key><value>1</value></ifl:property>
      <ifl:property><key>Description</key><value/></ifl:property>
    </bpmn2:extensionElements></bpmn2:messageFlow>
    <bpmn2:messageFlow id="2"><bpmn2:extensionElements>
      <ifl:property><key>ComponentType</key><value>SOAP</value></ifl:property>
      <ifl:property><key>address</key><value>https://backend.example.com</value></ifl:property>
      <ifl:property><key>direction</key><value>Receiver</value></ifl:property>
    </bpmn2:extensionElements></bpmn2:messageFlow>
    <bpmn2:messageFlow id="3"><bpmn2:extensionElements>
      <ifl:property><key>ComponentType</key><value>SOAP</value></ifl:property>
      <ifl:property><key>address</key><value>/soap/in</value></ifl:property>
      <ifl:property><key>direction</key><value>Sender</value></ifl:property>
    </bpmn2:extensionElements></bpmn2:messageFlow>
    <bpmn2:messageFlow id="4"><bpmn2:extensionElements>
      <ifl:property><key>ComponentType</key><value>SFTP</value></ifl:property>
      <ifl:property><key>direction</key><value>Sender</value></ifl:property>
    </bpmn2:extensionElements></bpmn2:messageFlow>
  </bpmn2:collaboration>
</bpmn2:definitions>`

func someBundle(t testing.TB) []byte {
	return zipOf(t,
		manifestPath, someManifest,
		metaInfoPath, "#stored\ndescription=a\\: b\n",
		parametersPath, "# values\nA\\:b = one \\\n   two\nempty=\nuni=\\u00e4\\uD83D\\uDE00\n! not this\nA\\:b=last\nbare\n",
		definitionsPath, `<?xml version="1.0" encoding="UTF-8" standalone="no"?><parameters><parameter><key/><name>empty</name><type>xsd:integer</type></parameter><parameter><key>uni</key><type>custom:schedule</type></parameter><param_references/></parameters>`,
		modelPath+"Some_Flow.iflw", someModel,
		resourcesPath+"script/b.groovy", "x",
		resourcesPath+"mapping/deep/a.mmap", "yy",
	)
}

func TestReadUnderstandsABundle(t *testing.T) {
	got, err := Read(someBundle(t))
	if err != nil {
		t.Fatal(err)
	}
	want := &Bundle{
		SymbolicName: "Some_Flow", Name: "Some Flow", Version: "2.0.17", Description: "a: b",
		Parameters: []Parameter{
			{"A:b", "last", "xsd:string"}, {"bare", "", "xsd:string"}, {"empty", "", "xsd:integer"}, {"uni", "ä😀", "custom:schedule"},
		},
		Senders: []Sender{
			{Protocol: HTTPS, Address: "{{ Path }}/{{v}}&", Role: "{{role}}", CSRF: "1"},
			{Protocol: SOAP, Address: "/soap/in"},
		},
		Resources: []Resource{{"a.mmap", "mmap", 2}, {"b.groovy", "groovy", 1}},
	}
	if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Bundle{})); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if problem := got.Problem(Flow); problem != "" {
		t.Errorf("cannot be built: %s", problem)
	}
}

func TestWhatCannotBeBuilt(t *testing.T) {
	const manifest = "Bundle-SymbolicName: F\n"
	model := func(text string) []string { return []string{modelPath + "F.iflw", text} }
	for name, test := range map[string]struct {
		kind, manifest string
		members        []string
		want           string // empty: it can
	}{
		"a model":                  {Flow, manifest, model(someModel), ""},
		"latin 1":                  {Flow, manifest, model("<?xml version='1.0' encoding='ISO-8859-1'?><definitions a='\xe4'/>"), ""},
		"the type of a flow":       {Flow, manifest + "SAP-BundleType: IntegrationFlow\n", model(someModel), ""},
		"no model":                 {Flow, manifest, nil, "It has no model"},
		"a model elsewhere":        {Flow, manifest, []string{"F.iflw", someModel}, "It has no model"},
		"an empty model":           {Flow, manifest, model(" \n"), "F.iflw is empty."},
		"a text":                   {Flow, manifest, model("hello world"), "F.iflw is not well-formed XML."},
		"JSON":                     {Flow, manifest, model(`{"a":1}`), "F.iflw is not well-formed XML."},
		"HTML":                     {Flow, manifest, model("<html><body>login</body></html>"), "its root is <html>, and <definitions> is wanted."},
		"cut off":                  {Flow, manifest, model(someModel[:len(someModel)/2]), "F.iflw is not well-formed XML."},
		"wrong end":                {Flow, manifest, model("<a><b></a>"), "F.iflw is not well-formed XML."},
		"two roots":                {Flow, manifest, model("<definitions/><definitions/>"), "F.iflw is not well-formed XML."},
		"more behind it":           {Flow, manifest, model("<definitions/>x"), "F.iflw is not well-formed XML."},
		"a mapping":                {Mapping, manifest, []string{resourcesPath + "mapping/a.mmap", "<map/>"}, ""},
		"a flow as a mapping":      {Mapping, manifest, model(someModel), "It has no message mapping"},
		"an empty mapping":         {Mapping, manifest, []string{resourcesPath + "mapping/a.mmap", ""}, "It has no message mapping"},
		"the type of another kind": {Mapping, manifest + "SAP-BundleType: IntegrationFlow\n", []string{resourcesPath + "mapping/a.mmap", "<map/>"}, "SAP-BundleType is IntegrationFlow, and MessageMapping is wanted."},
		"scripts":                  {Scripts, manifest, []string{resourcesPath + "script/a.js", "x"}, ""},
		"no scripts":               {Scripts, manifest, []string{resourcesPath + "script/a.txt", "x"}, "It has no script"},
		"values":                   {ValueMapping, manifest, []string{"value_mapping.xml", "<vm/>"}, ""},
		"no values":                {ValueMapping, manifest, nil, "It has no value_mapping.xml."},
		"values that are none":     {ValueMapping, manifest, []string{"value_mapping.xml", "<vm>"}, "Its value_mapping.xml is not well-formed XML."},
		"values of text":           {ValueMapping, manifest, []string{"value_mapping.xml", "x"}, "Its value_mapping.xml is not well-formed XML."},
		"no value":                 {ValueMapping, manifest, []string{"value_mapping.xml", ""}, "Its value_mapping.xml is empty."},
	} {
		b, err := Read(zipOf(t, append([]string{manifestPath, test.manifest}, test.members...)...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := b.Problem(test.kind)
		if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if test.want != "" && test.kind == Flow && len(b.Senders) > 0 {
			t.Errorf("%s: senders %v of what cannot be built", name, b.Senders)
		}
	}
}

func TestWhatIsWrittenCanBeBuilt(t *testing.T) {
	for _, kind := range []string{Flow, Mapping, Scripts, ValueMapping} {
		b, err := Read(Write(Spec{ID: "F", Type: kind}))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range []string{Flow, Mapping, Scripts, ValueMapping} {
			if problem := b.Problem(other); (problem == "") != (other == kind) {
				t.Errorf("%s as %s: %q", kind, other, problem)
			}
		}
	}
}

func TestResolve(t *testing.T) {
	s := Sender{Protocol: SOAP, Address: "{{a}}/{{b}}", Role: "{{r}}"}
	got, missing := s.Resolve(map[string]string{"a": "in", "b": "1", "r": "R.x"})
	if want := (Sender{Protocol: SOAP, Address: "in/1", Role: "R.x"}); got != want || missing != nil {
		t.Errorf("got %+v without %q", got, missing)
	}
	if got.Endpoint() != "/cxf/in/1" {
		t.Errorf("endpoint %q", got.Endpoint())
	}
	if _, missing := s.Resolve(map[string]string{"a": ""}); !slices.Equal(missing, []string{"b", "r"}) {
		t.Errorf("missing %q", missing)
	}
}

// lines gives numbered lines.
func lines(prefix string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%s%d=x\n", prefix, i)
	}
	return b.String()
}

const someSender = `<messageFlow><property><key>ComponentType</key><value>HTTPS</value></property><property><key>urlPath</key><value>/a</value></property><property><key>direction</key><value>Sender</value></property></messageFlow>`

func TestReadSaysWhatIsWrong(t *testing.T) {
	good := []string{manifestPath, "Bundle-SymbolicName: F\n"}
	many := slices.Clone(good)
	for i := range MaxMembers {
		many = append(many, fmt.Sprint(i), "")
	}
	half := "<a>" + strings.Repeat(" ", maxText/2) + "</a>"
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, "not a zip archive"},
		"a text":          {[]byte("PK no zip"), "not a zip archive"},
		"no manifest":     {zipOf(t, "a", "b"), "has no META-INF/MANIFEST.MF"},
		"no name":         {zipOf(t, manifestPath, "Bundle-Name: F\n\nBundle-SymbolicName: F\n"), "has no Bundle-SymbolicName"},
		"version":         {zipOf(t, manifestPath, "Bundle-SymbolicName: F\nBundle-Version: one\n"), `Bundle-Version "one"`},
		"twice":           {zipOf(t, append(good, good...)...), `"META-INF/MANIFEST.MF" is there twice`},
		"out":             {zipOf(t, append(good, "../../etc/x", "")...), "leads out of the archive"},
		"absolute":        {zipOf(t, append(good, "/etc/x", "")...), "leads out of the archive"},
		"members":         {zipOf(t, many...), "at most 5000 are taken"},
		"empty manifest":  {zipOf(t, manifestPath, " \n"), "META-INF/MANIFEST.MF is empty"},
		"entities":        {zipOf(t, append(good, modelPath+"F.iflw", `<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>`)...), "has a DOCTYPE"},
		"nested":          {zipOf(t, append(good, modelPath+"F.iflw", strings.Repeat("<a>", 300))...), "nested deeper than 200"},
		"definitions":     {zipOf(t, append(good, definitionsPath, "<parameters>")...), "parameters.propdef is not well-formed XML"},
		"many parameters": {zipOf(t, append(good, parametersPath, lines("p", maxParameters+1))...), "more than 2000 parameters"},
		"many senders":    {zipOf(t, append(good, modelPath+"F.iflw", "<definitions>"+strings.Repeat(someSender, maxSenders+1)+"</definitions>")...), "more than 100 senders"},
		"large model":     {zipOf(t, append(good, modelPath+"A.iflw", half, modelPath+"B.iflw", half)...), "the model is larger than 16 MB"},
		"large manifest":  {zipOf(t, manifestPath, strings.Repeat("x", maxText+1)), "larger than 16 MB"},
	} {
		if _, err := Read(test.data); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
}

// TestReadRefusesBombs changes the sizes in the directory of a good archive:
// what is said to be too large is refused by its word, and what is larger than
// it says is not unpacked further.
func TestReadRefusesBombs(t *testing.T) {
	for size, want := range map[uint32]string{1 << 31: "larger than 256 MB when it is unpacked", 3: "cannot be unpacked"} {
		data := zipOf(t, manifestPath, "Bundle-SymbolicName: F\n")
		at := bytes.Index(data, []byte("PK\x01\x02")) // the directory
		binary.LittleEndian.PutUint32(data[at+24:], size)
		if _, err := Read(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a size of %d: got %v, want %q", size, err, want)
		}
	}
}

func TestWriteIsRead(t *testing.T) {
	for _, spec := range []Spec{
		{ID: "Order_Intake", Name: "Order <Intake>", Version: "1.0.4", Description: "a=b: ä\nc", Type: Flow, Sender: &Sender{HTTPS, "/orders/*", "ESBMessaging.send", "1"}},
		{ID: "Soap In", Type: Flow, Sender: &Sender{SOAP, "/in", "R", ""}},
		{ID: "Timer", Type: Flow},
		{ID: strings.Repeat("long.", 29), Name: strings.Repeat("ü", 200), Version: "2.0.0", Type: "ValueMapping"},
	} {
		data := Write(spec)
		if !bytes.Equal(data, Write(spec)) {
			t.Errorf("%s: two of them differ", spec.ID)
		}
		got, err := Read(data)
		if err != nil {
			t.Errorf("%s: %v", spec.ID, err)
			continue
		}
		want := &Bundle{SymbolicName: spec.ID, Name: spec.Name, Version: spec.Version, Description: spec.Description, Type: spec.Type}
		if spec.Type != Flow {
			got.Resources = nil
		}
		if want.Name == "" {
			want.Name = spec.ID
		}
		if want.Version == "" {
			want.Version = DefaultVersion
		}
		if s := spec.Sender; s != nil {
			want.Parameters = []Parameter{{AddressParameter, s.Address, "xsd:string"}, {RoleParameter, s.Role, "xsd:string"}}
			resolved, missing := got.Senders[0].Resolve(map[string]string{AddressParameter: s.Address, RoleParameter: s.Role})
			if s.CSRF == "" && s.Protocol == HTTPS {
				resolved.CSRF = ""
			}
			if resolved != *s || missing != nil {
				t.Errorf("%s: sender %+v, want %+v", spec.ID, resolved, *s)
			}
			got.Senders = nil
		}
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Bundle{})); d != "" {
			t.Errorf("%s: -want +got:\n%s", spec.ID, d)
		}
		for line := range strings.Lines(manifest(spec)) {
			if len(line) > maxLine+1 {
				t.Errorf("%s: a line of %d bytes in the manifest", spec.ID, len(line))
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add(someBundle(f))
	f.Add(Write(Spec{ID: "F", Type: Flow, Sender: &Sender{HTTPS, "/f", "R", "0"}}))
	f.Add(Write(Spec{ID: "V", Type: "ValueMapping"}))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := Read(data)
		if (b == nil) == (err == nil) {
			t.Fatalf("got %v and %v", b, err)
		}
		if err == nil && (b.SymbolicName == "" || !version.MatchString(b.Version)) {
			t.Errorf("read as %+v", b)
		}
	})
}

func FuzzModel(f *testing.F) {
	f.Add(someModel, "A=b\n")
	f.Add(modelOf(Spec{ID: "F", Sender: &Sender{SOAP, "/f", "R", ""}}), "a\\\n b:c\\u00e")
	f.Add("<a><messageFlow><property><key>direction</key></messageFlow>", "\\")
	f.Fuzz(func(t *testing.T, model, values string) {
		list, problem, err := senders(model)
		for _, s := range list {
			if s.Address == "" || s.Protocol != HTTPS && s.Protocol != SOAP {
				t.Errorf("sender %+v", s)
			}
		}
		if (err != nil || problem != "") && list != nil {
			t.Errorf("senders beside %q and %v", problem, err)
		}
		for _, p := range properties(values) {
			// What is written is read again.
			again := properties(escapeProperty(p.Key) + "=" + escapeProperty(p.Value) + "\n")
			if p.Key != "" && (len(again) != 1 || again[0] != p) && !strings.ContainsAny(p.Key+p.Value, " \f") {
				t.Errorf("%+v is read again as %+v", p, again)
			}
		}
	})
}
