package subaccount

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Parameters is what the service broker of it-rt was asked for, decoded. What
// was not written stays nil or zero, and an update leaves it as it is.
type Parameters struct {
	Roles, GrantTypes, RedirectURIs []string
	Validity                        time.Duration
}

// ParseParameters reads the parameters of an instance of the plan
// (wire/sap.md 1.5); nil or null are none. The error names every mistake, in
// the words of the service broker.
func ParseParameters(plan string, raw json.RawMessage) (Parameters, error) {
	var p Parameters
	fields, err := object(raw)
	if err != nil {
		return p, err
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		switch value := fields[name]; name {
		case "roles":
			p.Roles, err = texts(name, value, func(r string) error { return checkRole(plan, r) })
		case "grant-types":
			p.GrantTypes, err = texts(name, value, checkGrantType)
		case "redirect-uris":
			p.RedirectURIs, err = texts(name, value, checkRedirect)
		case "token-validity":
			var seconds int
			seconds, err = whole(name, value, 3600, 86400)
			p.Validity = time.Duration(seconds) * time.Second
		default:
			err = fmt.Errorf("parameter %q is not known: the plan %s takes grant-types, redirect-uris, roles, token-validity", name, plan)
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return Parameters{}, invalid(err)
	}
	return p, nil
}

// invalid puts the mistakes on one line.
func invalid(err error) error {
	return errors.New("invalid input parameters: " + strings.ReplaceAll(err.Error(), "\n", "; "))
}

func object(raw json.RawMessage) (map[string]json.RawMessage, error) {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		return nil, errors.New("invalid input parameters: want a JSON object")
	}
	return fields, nil
}

// texts reads a list of texts, each of them checked.
func texts(name string, raw json.RawMessage, check func(string) error) ([]string, error) {
	list := []string{}
	if err := json.Unmarshal(raw, &list); err != nil || list == nil {
		return nil, fmt.Errorf("%s: want a list of texts", name)
	}
	var errs []error
	for _, text := range list {
		if err := check(text); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return list, errors.Join(errs...)
}

func whole(name string, raw json.RawMessage, low, high int) (int, error) {
	var n int
	if err := json.Unmarshal(raw, &n); err != nil || n < low || n > high || bytes.Equal(raw, []byte("null")) {
		return 0, fmt.Errorf("%s: want a whole number from %d to %d, got %s", name, low, high, raw)
	}
	return n, nil
}

func checkRole(plan, r string) error {
	switch {
	case plan == PlanAPI && !slices.Contains(RoleTemplates(), r):
		return fmt.Errorf("%q is no role of the plan %s", r, plan)
	case !role.MatchString(r):
		return fmt.Errorf("%q: want A-Z a-z 0-9 _ and . only", r)
	}
	return nil
}

func checkGrantType(g string) error {
	if known := GrantTypes(); !slices.Contains(known, g) {
		return fmt.Errorf("%q is none of %s", g, strings.Join(known, ", "))
	}
	return nil
}

func checkRedirect(text string) error {
	if u, err := url.Parse(text); err != nil || u.Scheme == "" || u.Host == "" || u.Fragment != "" {
		return fmt.Errorf("%q: want an absolute URL without a fragment", text)
	}
	return nil
}

// GrantTypes gives the grant types an instance may ask for. (Of their
// spellings only client_credentials is documented.)
func GrantTypes() []string {
	return []string{
		"authorization_code", "client_credentials", "password", "refresh_token", "saml2-bearer", "jwt-bearer",
		"urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:jwt-bearer",
	}
}

// RoleTemplates gives the roles an instance of the plan api may ask for
// (wire/sap.md 1.5).
func RoleTemplates() []string {
	return strings.Fields(`AccessAllAccessPoliciesArtifacts AccessPoliciesEdit AccessPoliciesRead
		AuthGroup_Administrator AuthGroup_BusinessExpert AuthGroup_ContentPublisher AuthGroup_IntegrationDeveloper
		AuthGroup_ReadOnly AuthGroup_TenantPartnerDirectoryConfigurator CatalogPackageArtifactsRead CatalogPackagesCopy
		CatalogPackagesRead CredentialsEdit CredentialsRead DataArchivingActivate DataArchivingRead DataStorePayloadsRead
		DataStoresAndQueuesConfig DataStoresAndQueuesDelete DataStoresAndQueuesRead ExternalLoggingActivate
		ExternalLoggingActivationRead HealthCheckMonitoringDataRead IntegrationCellOperationCockpitRead
		IntegrationCellOperationCockpitWrite MessagePayloadsRead MessageProcessingLocksDelete MessageProcessingLocksRead
		MonitoringArtifactsDeploy MonitoringDataRead QueuesActivate QueuesRetry SecurityMaterialDownload
		SecurityMaterialEdit TraceConfigurationEdit TraceConfigurationRead UserRolesEdit WorkspaceArtifactLocksDelete
		WorkspaceArtifactLocksRead WorkspaceArtifactsDeploy WorkspaceDesignGuidelinesConfigure WorkspacePackagesConfigure
		WorkspacePackagesEdit WorkspacePackagesRead WorkspacePackagesTransport`)
}

// KeyParameters is what a key was asked for. The zero KeyParameters is a key
// with a client secret.
type KeyParameters struct {
	// Certificate is a key with an X.509 certificate instead of a secret.
	Certificate bool
	// External is the certificate (PEM) the caller brought; empty: one is
	// generated.
	External string
	// Unpinned lets a later certificate of the same subject and issuer take the
	// place of External. (The JSON name is not documented; it is that of XSUAA.)
	Unpinned bool
	// Days is how long a generated certificate is valid, Bits the length of
	// its RSA key.
	Days, Bits int
}

// The key types of wire/sap.md 1.5.
const (
	typeCertificate = "certificate"
	typeExternal    = "certificate_external"
)

// KeyTypes gives the values of key-type.
func KeyTypes() []string { return []string{typeCertificate, typeExternal} }

// ParseKeyParameters reads the parameters of a key (wire/sap.md 1.5); nil or
// null are none. The error names every mistake, in the words of the service
// broker.
func ParseKeyParameters(raw json.RawMessage) (KeyParameters, error) {
	fields, err := object(raw)
	if err != nil || len(fields) == 0 {
		return KeyParameters{}, err
	}
	p := KeyParameters{Days: 365, Bits: 2048}
	kind := ""
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch value := fields[name]; name {
		case "key-type":
			if json.Unmarshal(value, &kind) != nil || kind != typeCertificate && kind != typeExternal {
				err = fmt.Errorf("key-type: want %s or %s, got %s; without parameters a key has a client secret", typeCertificate, typeExternal, value)
			}
		case "validity":
			p.Days, err = whole(name, value, 1, 365)
		case "key-length":
			if p.Bits, err = whole(name, value, 2048, 4096); err == nil && p.Bits%1024 != 0 {
				err = fmt.Errorf("key-length: want 2048, 3072 or 4096, got %d", p.Bits)
			}
		case "X.509":
			if json.Unmarshal(value, &p.External) != nil || strings.TrimSpace(p.External) == "" {
				err = errors.New("X.509: want a certificate in PEM")
			}
		case "certificate-pinning":
			pinned := true
			if json.Unmarshal(value, &pinned) != nil || bytes.Equal(value, []byte("null")) {
				err = errors.New("certificate-pinning: want true or false")
			}
			p.Unpinned = !pinned
		default:
			err = fmt.Errorf("parameter %q is not known: a key takes key-type, validity, key-length, X.509, certificate-pinning", name)
		}
		errs = append(errs, err)
	}
	if _, ok := fields["key-type"]; !ok {
		errs = append(errs, errors.New("key-type is missing"))
	}
	p.Certificate = true
	_, brought := fields["X.509"]
	switch {
	case kind == typeCertificate && brought:
		errs = append(errs, fmt.Errorf("X.509: only with the key-type %s", typeExternal))
	case kind == typeExternal && !brought:
		errs = append(errs, errors.New("X.509 is missing"))
	}
	if _, there := fields["certificate-pinning"]; there && kind == typeCertificate {
		errs = append(errs, fmt.Errorf("certificate-pinning: only with the key-type %s", typeExternal))
	}
	if err := errors.Join(errs...); err != nil {
		return KeyParameters{}, invalid(err)
	}
	return p, nil
}
