package sandbox_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"

	"iflowtest/internal/sandbox"
)

// odata asks the OData API as the key, for JSON.
func (tn *tenant) odata(method, path, body, key string) answer {
	tn.t.Helper()
	return tn.send(method, tn.URL("api")+"/api/v1/"+path, body, tn.bearer(key), "Accept: application/json")
}

type credentialRow struct {
	Name, Kind, Description, User string
	Password, CompanyID           *string
	SecurityArtifactDescriptor    struct{ Type, DeployedBy, DeployedOn, Status string }
}

func TestUserCredentials(t *testing.T) {
	tn := start(t, sandbox.Options{})
	const secret = "s3cr3t-of-erp"
	one := func(path string) credentialRow {
		t.Helper()
		a := tn.odata("GET", path, "", "api")
		if a.StatusCode != 200 {
			t.Fatalf("%s: %d %s", path, a.StatusCode, a.body)
		}
		return decode[struct{ D credentialRow }](t, a.body).D
	}
	created := tn.odata("POST", "UserCredentials", `{"Name":"ERP_user","Kind":"default","Description":"of the ERP","User":"INT","Password":"`+secret+`"}`, "api")
	if created.StatusCode != 201 || created.Header.Get("Location") != tn.URL("api")+"/api/v1/UserCredentials('ERP_user')" || strings.Contains(created.body, secret) {
		t.Fatalf("create: %d %v %s", created.StatusCode, created.Header, created.body)
	}
	got := one("UserCredentials('ERP_user')")
	if got.Name != "ERP_user" || got.Kind != "default" || got.User != "INT" || got.Description != "of the ERP" || got.Password != nil || got.CompanyID != nil ||
		got.SecurityArtifactDescriptor.Type != "CREDENTIALS" || got.SecurityArtifactDescriptor.Status != "DEPLOYED" || got.SecurityArtifactDescriptor.DeployedBy != tn.key("api").ClientID {
		t.Errorf("got %+v", got)
	}
	if a := tn.odata("PUT", "UserCredentials('ERP_user')", `{"d":{"Name":"ERP_user","Kind":"successfactors","User":"SF","Password":"`+secret+`","CompanyId":"ACME"}}`, "api"); a.StatusCode != 204 {
		t.Errorf("change: %d %s", a.StatusCode, a.body)
	}
	if got = one("UserCredentials('ERP_user')"); got.Kind != "successfactors" || got.User != "SF" || *got.CompanyID != "ACME" || got.Description != "" {
		t.Errorf("changed to %+v", got)
	}
	tn.odata("POST", "UserCredentials", `{"Name":"A","User":"a","Password":"x"}`, "api")
	for path, want := range map[string]string{
		"UserCredentials":                      "AERP_user",
		"UserCredentials?$filter=User+eq+'SF'": "ERP_user",
		"UserCredentials?$skip=1":              "ERP_user",
		"UserCredentials?$filter=SecurityArtifactDescriptor/Type+eq+'CREDENTIALS'+and+Name+ne+'A'": "ERP_user",
	} {
		var names strings.Builder
		for _, row := range decode[struct {
			D struct{ Results []credentialRow }
		}](t, tn.odata("GET", path, "", "api").body).D.Results {
			names.WriteString(row.Name)
		}
		if names.String() != want {
			t.Errorf("%s: %q, want %q", path, names.String(), want)
		}
	}
	if a := tn.odata("GET", "UserCredentials/$count", "", "api"); a.body != "2" {
		t.Errorf("$count %q", a.body)
	}
	for _, name := range []string{"A", "ERP_user"} {
		if a := tn.odata("DELETE", "UserCredentials('"+name+"')", "", "api"); a.StatusCode != 204 {
			t.Errorf("delete %s: %d %s", name, a.StatusCode, a.body)
		}
	}
	if text := tn.send("GET", tn.URL("control")+"/_sandbox/requests", "").body; strings.Contains(text, secret) {
		t.Errorf("the list of requests shows the password")
	}
}

func TestUserCredentialsThatAreWrong(t *testing.T) {
	tn := start(t, sandbox.Options{})
	tn.odata("POST", "UserCredentials", `{"Name":"There","User":"u"}`, "api")
	for _, test := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "UserCredentials", `{"Name":"There","User":"u"}`, 500, "User Credentials with Name 'There' already exists."},
		{"POST", "UserCredentials", `{"Name":"a b","Kind":"odd"}`, 400, "Kind 'odd' is not valid"},
		{"POST", "UserCredentials", `{}`, 400, "Name '' is not valid"},
		{"POST", "UserCredentials", `Name=x`, 400, "the body is no JSON object"},
		{"POST", "UserCredentials", `{"Name":1}`, 400, "its properties are texts"},
		{"PUT", "UserCredentials('There')", `{"Name":"Other"}`, 400, "cannot be changed to 'Other'"},
		{"PUT", "UserCredentials('Nope')", `{"User":"x"}`, 404, "Requested entity could not be found"},
		{"DELETE", "UserCredentials('Nope')", "", 404, "Requested entity could not be found"},
		{"GET", "UserCredentials('Nope')", "", 404, "Requested entity could not be found"},
		{"GET", "UserCredentials?$top=1", "", 501, "Not implemented"},
		{"GET", "UserCredentials('There')?$expand=Nope", "", 400, "has no navigation property"},
		{"GET", "UserCredentials('There')?$select=Nope", "", 400, "has no property"},
		{"GET", "UserCredentials('There')/User", "", 501, "single properties, such as User"},
		{"GET", "UserCredentials('There')/Nope", "", 404, "Could not find the resource"},
		{"GET", "UserCredentials('Nope')/User", "", 404, "Requested entity could not be found"},
		{"GET", "UserCredentials/Nope", "", 404, "Could not find the resource"},
		{"DELETE", "UserCredentials", "", 405, "not allowed"},
		{"POST", "UserCredentials/$count", "", 405, "not allowed"},
		{"GET", "OAuth2ClientCredentials", "", 501, "Not implemented"},
	} {
		a := tn.odata(test.method, test.path, test.body, "api")
		if a.StatusCode != test.status || !strings.Contains(a.body, test.want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", test.method, test.path, test.body, a.StatusCode, a.body, test.status, test.want)
		}
	}
}

func TestSecurityContentWantsItsRoles(t *testing.T) {
	config, list := sandbox.ParseConfig("x.yaml", []byte(`
instances:
  - {name: monitor, plan: api, roles: [MonitoringDataRead], keys: [monitor]}
  - {name: reader, plan: api, roles: [CredentialsRead], keys: [reader]}
  - {name: editor, plan: api, roles: [CredentialsEdit], keys: [editor]}
  - {name: material, plan: api, roles: [SecurityMaterialEdit], keys: [material]}
`))
	if len(list) > 0 {
		t.Fatal(list)
	}
	tn := start(t, sandbox.Options{Config: config})
	for _, test := range []struct {
		method, path, key string
		want              int
	}{
		{"GET", "KeystoreEntries", "monitor", 200}, {"GET", "KeystoreEntries", "reader", 403},
		{"POST", "KeystoreEntries", "monitor", 403}, {"POST", "KeystoreEntries", "material", 405},
		{"GET", "UserCredentials", "reader", 200}, {"GET", "UserCredentials", "monitor", 403}, {"GET", "UserCredentials", "editor", 403},
		{"POST", "UserCredentials", "reader", 403}, {"POST", "UserCredentials", "editor", 201},
		{"PUT", "UserCredentials('New')", "reader", 403}, {"DELETE", "UserCredentials('New')", "reader", 403},
		{"DELETE", "UserCredentials('New')", "editor", 204},
		{"GET", "MessageProcessingLogAttachments('x')", "monitor", 403}, {"GET", "MessageProcessingLogs?$expand=Attachments", "monitor", 403},
		{"GET", "MessageProcessingLogs?$expand=Runs", "monitor", 200},
	} {
		if a := tn.odata(test.method, test.path, `{"Name":"New"}`, test.key); a.StatusCode != test.want {
			t.Errorf("%s %s as %s: %d %s, want %d", test.method, test.path, test.key, a.StatusCode, a.body, test.want)
		}
	}
	basic := "Authorization: Basic " + tn.fill("{{api.basic}}")
	if a := tn.send("POST", tn.URL("api")+"/api/v1/UserCredentials", `{"Name":"B"}`, basic); a.StatusCode != 403 || !strings.EqualFold(a.Header.Get("X-CSRF-Token"), "required") {
		t.Errorf("without a CSRF token: %d %v", a.StatusCode, a.Header)
	}
}

func TestKeystoreHoldsRealCertificates(t *testing.T) {
	tn := start(t, sandbox.Options{})
	type entry struct {
		Hexalias, Alias, KeyType, SubjectDN, IssuerDN, Type, Owner, Validity, FingerprintSha256 string
		EllipticCurve                                                                           string
		KeySize                                                                                 int
	}
	a := tn.odata("GET", "KeystoreEntries?$orderby=Alias", "", "api")
	rows := decode[struct{ D struct{ Results []entry } }](t, a.body).D.Results
	if len(rows) != 3 || rows[0].Alias != "sandbox_ca" || rows[2].Alias != "sap_cloudintegrationcertificate" {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	ca, err := tn.CA()
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(ca)
	sum := sha256.Sum256(block.Bytes)
	if got := strings.ReplaceAll(rows[0].FingerprintSha256, ":", ""); !strings.EqualFold(got, hex.EncodeToString(sum[:])) {
		t.Errorf("fingerprint %s, want that of the authority", got)
	}
	own := rows[2]
	if own.Type != "Key Pair" || own.Owner != "SAP" || own.IssuerDN != rows[0].SubjectDN || own.Validity != "VALID" || own.KeyType != "EC" || own.KeySize != 256 || own.EllipticCurve != "P-256" || rows[0].Type != "Certificate" {
		t.Errorf("got %+v", own)
	}
	for _, alias := range []string{own.Hexalias, strings.ToLower(own.Hexalias), strings.ToUpper(hex.EncodeToString([]byte(own.Alias)))} {
		a := tn.odata("GET", "KeystoreEntries('"+alias+"')", "", "api")
		if got := decode[struct{ D entry }](t, a.body).D; got != own {
			t.Errorf("%s: %d %s", alias, a.StatusCode, a.body)
		}
	}
	for path, want := range map[string]int{
		"KeystoreEntries('6D79')": 404, "KeystoreEntries('sandbox_ca')": 404, "KeystoreEntries(Hexalias='x',Alias='y')": 400, "KeystoreEntries/Nope": 404,
		"KeystoreEntries?$format=json": 400, "KeystoreEntries?$filter=KeySize+ge+256+and+ValidNotAfter+gt+datetime'2020-01-01T00:00:00'": 200,
	} {
		if a := tn.odata("GET", path, "", "api"); a.StatusCode != want {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
	if a := tn.odata("GET", "KeystoreEntries/$count?$filter=Type+eq+'Key+Pair'", "", "api"); a.body != "2" {
		t.Errorf("$count %q", a.body)
	}
	atom := tn.send("GET", tn.URL("api")+"/api/v1/KeystoreEntries('"+own.Hexalias+"')", "", tn.bearer("api")).body
	if !strings.Contains(atom, `<d:ValidNotAfter m:type="Edm.DateTimeOffset">2`) || !strings.Contains(atom, `Z</d:ValidNotAfter>`) || !strings.Contains(atom, `<d:KeySize m:type="Edm.Int32">256</d:KeySize>`) {
		t.Errorf("Atom: %s", atom)
	}
}
