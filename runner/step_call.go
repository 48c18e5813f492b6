package runner

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"iflowtest/assertions"
	"iflowtest/internal/diag"
	"iflowtest/internal/expression"
	"iflowtest/internal/httpx"
	"iflowtest/internal/oauth"
	"iflowtest/scenarios"
)

// methods are the request methods of a call, each a key of its own.
func methods() []string {
	return []string{"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
}

// bodyKeys are the kinds of body of a call.
func bodyKeys() []string { return []string{"json", "xml", "body", "form", "multipart", "file"} }

func callKind() Kind {
	shape := scenarios.Shape{Type: scenarios.ObjectType}
	for _, m := range methods() {
		shape.Keys = append(shape.Keys, scenarios.Key{Name: m, Shape: text(), Doc: "a path, or an absolute URL"})
	}
	credentials := scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
		{Name: "username", Shape: text(), Required: true, Doc: "the user"},
		{Name: "password", Shape: text(), Required: true, Doc: "the password; a secret"},
	}}
	part := scenarios.Shape{Type: scenarios.ObjectType, Keys: []scenarios.Key{
		{Name: "file", Shape: text(), Required: true, Doc: "the file that is sent"},
		{Name: "type", Shape: text(), Doc: "its media type; else from its extension"},
		{Name: "filename", Shape: text(), Doc: "the name that is sent; else the file's own"},
	}}
	scalar := scenarios.Shape{Type: scenarios.OneOfType, Alternatives: []scenarios.Shape{text(), boolean()}}
	values := scenarios.Shape{Type: scenarios.OneOfType, Alternatives: []scenarios.Shape{text(), boolean(), listOf(scalar)}}
	shape.Keys = append(shape.Keys,
		scenarios.Key{Name: "credential", Shape: text(), Doc: "whose token is sent"},
		scenarios.Key{Name: "auth", Shape: scenarios.Shape{Type: scenarios.OneOfType, Alternatives: []scenarios.Shape{enum("bearer", "basic", "certificate"), credentials}}, Default: "bearer", Doc: "how the credential is shown: its token, its client ID and secret, or its certificate; or a user and a password"},
		scenarios.Key{Name: "base", Shape: text(), Doc: "what a path is joined to: runtime, api, or an absolute URL; else the credential's URL, else the target's runtime"},
		scenarios.Key{Name: "query", Shape: mapOf(values), Doc: "query parameters, encoded whole; a list repeats the parameter"},
		scenarios.Key{Name: "headers", Shape: mapOf(text()), Doc: "request headers"},
		scenarios.Key{Name: "json", Shape: scenarios.Shape{Type: scenarios.Any, Written: true}, Doc: "a JSON body; a scalar that is one ${…} keeps the type of its value"},
		scenarios.Key{Name: "xml", Shape: text(), Doc: "an XML body, as text"},
		scenarios.Key{Name: "body", Shape: text(), Doc: "a text body"},
		scenarios.Key{Name: "form", Shape: mapOf(values), Doc: "a form body, encoded whole"},
		scenarios.Key{Name: "multipart", Shape: mapOf(scenarios.Shape{Type: scenarios.OneOfType, Alternatives: []scenarios.Shape{text(), part}}), Doc: "a multipart/form-data body of texts and files"},
		scenarios.Key{Name: "file", Shape: text(), Doc: "a body from a file, streamed, typed by its extension"},
		scenarios.Key{Name: "csrf", Shape: boolean(), Default: "false", Doc: "fetch a CSRF token first, and send it with its cookies"},
		scenarios.Key{Name: "follow-redirects", Shape: boolean(), Default: "false", Doc: "follow redirects within the origin"},
	)
	return Kind{
		Name:    "call",
		Summary: "send a request",
		Doc: "Exactly one method names a path or an absolute URL. A path is joined to the base with one slash. Without an asserted\n" +
			"`status` the answer must be 2xx. A token is sent only to the origins of its credential and of the target. The body of\n" +
			"an answer is always read to its end; one that does not arrive whole is an error.",
		Shape: shape,
		Example: `- name: an order is accepted
  call:
    POST: /http/orders
    credential: sender
    query: {channel: web}
    headers: {X-Correlation: "${uuid()}"}
    json: {sku: A-100, qty: 2}
  expect:
    status: 2xx
    headers: {content-type: {contains: json}}
    json:
      lines.0.sku: A-100
    duration: {lt: 10s}
  capture:
    order: {json: id}
`,
		Subjects: []string{"status", "headers", "json", "xml", "body", "schema", "matches-file", "duration", "size", "cookies", "tls"},
		Timeout:  defaultTimeout,
		answers:  true,
		title: func(body *scenarios.Node) string {
			for _, m := range methods() {
				if n := body.Get(m); n != nil {
					return m + " " + n.Text
				}
			}
			return ""
		},
		compile: compileCall,
	}
}

// callAction sends a request.
type callAction struct {
	method     string
	path       *expression.Template
	base       *expression.Template // nil: the credential's, else the target's
	baseName   string               // runtime or api, instead of base
	credential *credential
	auth       string
	user       *expression.Template
	password   *expression.Template
	query      []field
	headers    []field
	body       *requestBody
	csrf       bool
	follow     bool
	// fixed is the URL when it can be known before the run, and header what
	// is sent then; both are shared and never changed.
	fixed  string
	header http.Header
	target *target
}

// field is a name with one or several values, as in a query or a form.
type field struct {
	name   string
	values []*expression.Template
}

func compileCall(c *stepCompiler, body *scenarios.Node) action {
	a := &callAction{auth: "bearer", target: &c.plan.target}
	place := c.method(a, body)
	a.credential = c.use(body.Get("credential"))
	c.auth(a, body)
	c.base(a, body)
	a.query = c.fields(body.Get("query"))
	a.headers = c.headers(body.Get("headers"), a)
	a.body = c.requestBody(body)
	a.csrf = isTrue(body.Get("csrf"))
	a.follow = isTrue(body.Get("follow-redirects"))
	if place != nil {
		c.checkURL(a, place)
	}
	a.fixHeader()
	return a
}

func isTrue(n *scenarios.Node) bool { return n != nil && n.Text == "true" }

// method finds the one method key.
func (c *stepCompiler) method(a *callAction, body *scenarios.Node) *scenarios.Node {
	var found *scenarios.Node
	for _, e := range body.Entries() {
		if !slices.Contains(methods(), e.Key.Text) {
			continue
		}
		if found != nil {
			c.diags = append(c.diags, diag.Errorf(e.Key.Pos(), diag.SeveralMethods, "the call is a %s already; %s must be a step of its own", a.method, e.Key.Text))
			continue
		}
		a.method, found = e.Key.Text, e.Value
		a.path = c.template(e.Value, c.scope)
	}
	if found == nil {
		c.diags = append(c.diags, diag.Errorf(body.Pos(), diag.SeveralMethods, "the call has no method").
			WithHint("one of %s is wanted, with a path or a URL", strings.Join(methods(), ", ")))
	} else if strings.TrimSpace(found.Text) == "" {
		c.diags = append(c.diags, diag.Errorf(found.Pos(), diag.InvalidValue, "%s has no path", a.method).WithHint("a path such as /http/orders, or an absolute URL, is wanted; / is the base itself"))
	}
	return found
}

func (c *stepCompiler) auth(a *callAction, body *scenarios.Node) {
	n := body.Get("auth")
	if n == nil {
		return
	}
	if n.Kind == scenarios.Map {
		a.auth = "user"
		a.user, a.password = c.template(n.Get("username"), c.scope), c.template(n.Get("password"), c.scope)
		if a.credential != nil {
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "the call has a credential and a user; one of them is wanted"))
		}
		return
	}
	a.auth = n.Text
	if a.credential == nil {
		c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.MissingKey, "auth: %s needs a credential", a.auth))
	}
	if cr := a.credential; cr != nil && !cr.made && cr.TokenURL != "" {
		switch {
		case a.auth == "certificate" && !cr.UsesCertificate():
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "auth: certificate, and the credential %q has none", cr.Name).
				WithHint("give the credential a certificate and its key, or leave auth out to send its token"))
		case a.auth == "basic" && cr.UsesCertificate():
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidCredential, "auth: basic, and the credential %q has a certificate instead of a client secret", cr.Name).
				WithHint("leave auth out to send its token, or write auth: certificate"))
		}
	}
}

func (c *stepCompiler) base(a *callAction, body *scenarios.Node) {
	n := body.Get("base")
	if n == nil {
		return
	}
	if n.Text == "runtime" || n.Text == "api" {
		a.baseName = n.Text
		if c.targetBase(n.Text) == "" && !c.o.Check {
			c.diags = append(c.diags, diag.Errorf(n.Pos(), diag.InvalidURL, "the environment has no target.%s", n.Text).
				WithHint("choose an environment with -e, or use --sandbox"))
		}
		return
	}
	a.base = c.template(n, c.scope)
	if fixed, ok := a.base.Constant(); ok && !isAbsolute(textOf(fixed)) {
		d := diag.Errorf(n.Pos(), diag.InvalidURL, "base is neither runtime nor api nor an absolute URL: %q", n.Text)
		if s := diag.Suggest(n.Text, []string{"runtime", "api"}); s != "" {
			d.Message += fmt.Sprintf("; did you mean %q?", s)
		}
		c.diags = append(c.diags, d)
	}
}

func (c *compiler) targetBase(name string) string {
	if name == "api" {
		return c.plan.target.api
	}
	return c.plan.target.runtime
}

func (c *stepCompiler) fields(n *scenarios.Node) []field {
	if n == nil {
		return nil
	}
	var fields []field
	for _, e := range n.Entries() {
		c.noExpression(e.Key)
		f := field{name: e.Key.Text}
		if e.Value.Kind == scenarios.List {
			for _, item := range e.Value.Items() {
				f.values = append(f.values, c.template(item, c.scope))
			}
		} else {
			f.values = append(f.values, c.template(e.Value, c.scope))
		}
		fields = append(fields, f)
	}
	return fields
}

func (c *stepCompiler) headers(n *scenarios.Node, a *callAction) []field {
	fields := c.fields(n)
	seen := map[string]bool{}
	for i, f := range fields {
		key := n.Entries()[i].Key
		canonical := http.CanonicalHeaderKey(f.name)
		switch {
		case !httpguts.ValidHeaderFieldName(f.name):
			c.diags = append(c.diags, diag.Errorf(key.Pos(), diag.InvalidValue, "%q cannot be the name of a header", f.name))
		case seen[canonical]:
			c.diags = append(c.diags, diag.Errorf(key.Pos(), diag.DuplicateKey, "the header %s is given twice", canonical))
		case canonical == "Authorization" && a.credential != nil:
			c.diags = append(c.diags, diag.Errorf(key.Pos(), diag.InvalidCredential, "the call has a credential and an Authorization header; one of them is wanted"))
		}
		seen[canonical] = true
		if fixed, ok := f.values[0].Constant(); ok {
			if v := textOf(fixed); !httpguts.ValidHeaderFieldValue(v) {
				c.diags = append(c.diags, diag.Errorf(n.Entries()[i].Value.Pos(), diag.InvalidValue, "the value of the header %s holds a line break or a control character", canonical))
			}
		}
		fields[i].name = canonical
	}
	return fields
}

// checkURL resolves the URL as far as it can be known before the run, and
// checks that a credential may be shown there.
func (c *stepCompiler) checkURL(a *callAction, place *scenarios.Node) {
	fixed, ok := a.path.Constant()
	if !ok || a.base != nil && !isConstant(a.base) || a.credential != nil && a.credential.made {
		return
	}
	path := textOf(fixed)
	if path == "" {
		return
	}
	if !isAbsolute(path) && a.baseURL("") == "" && a.base == nil {
		if !c.o.Check && (a.credential == nil || a.credential.TokenURL != "") && a.baseName == "" {
			c.diags = append(c.diags, diag.Errorf(place.Pos(), diag.InvalidURL, "nothing to join the path %q to", path).
				WithHint("give an absolute URL, a credential with a URL, base, or an environment with target.runtime (-e or --sandbox)"))
		}
		return
	}
	base := ""
	if a.base != nil {
		v, _ := a.base.Constant()
		base = textOf(v)
	}
	u, t := a.join(path, base)
	if t != nil {
		c.diags = append(c.diags, diag.Errorf(place.Pos(), diag.InvalidURL, "%s", t.problem.Message))
		return
	}
	if a.credential != nil && a.credential.TokenURL != "" {
		if t := a.allowed(u); t != nil {
			c.diags = append(c.diags, diag.Errorf(place.Pos(), diag.InvalidURL, "%s", t.problem.Message).WithHint("%s", t.problem.Cure))
			return
		}
	}
	if !slices.ContainsFunc(a.query, func(f field) bool {
		return slices.ContainsFunc(f.values, func(t *expression.Template) bool { return !isConstant(t) })
	}) {
		a.fixed, _ = a.withQuery(u, &expression.Values{})
	}
}

func isConstant(t *expression.Template) bool {
	_, ok := t.Constant()
	return ok
}

func isAbsolute(u string) bool {
	return hasPrefixFold(u, "http://") || hasPrefixFold(u, "https://")
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// baseURL gives what a path is joined to; computed is the evaluated base.
func (a *callAction) baseURL(computed string) string {
	switch {
	case a.baseName == "runtime":
		return a.target.runtime
	case a.baseName == "api":
		return a.target.api
	case a.base != nil:
		return computed
	case a.credential != nil && a.credential.base != "":
		return a.credential.base
	}
	return a.target.runtime
}

// join makes the URL of a path, as it is written but for characters that a
// URL cannot hold.
func (a *callAction) join(path, computed string) (string, *trouble) {
	full := path
	if !isAbsolute(path) {
		base := a.baseURL(computed)
		if !isAbsolute(base) {
			return "", badURL(fmt.Sprintf("nothing to join the path %q to: the base is %q", path, base))
		}
		full = strings.TrimRight(base, "/") + "/" + strings.TrimLeft(path, "/")
	}
	if i := strings.IndexByte(full, '#'); i >= 0 {
		full = full[:i]
	}
	full = escapeURL(full)
	u, err := url.Parse(full)
	if err != nil || u.Hostname() == "" {
		return "", badURL(fmt.Sprintf("%q is not a URL with a host", full))
	}
	if u.User != nil {
		return "", badURL("the URL holds a user; use auth: {username, password}")
	}
	return full, nil
}

func badURL(message string) *trouble {
	return &trouble{problem: Problem{Type: TypeExpression, Message: message}, class: classStep}
}

// escapeURL percent-encodes space, control and non-ASCII characters and leaves
// the rest as it is.
func escapeURL(s string) string {
	clean := true
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			clean = false
			break
		}
	}
	if clean {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] <= ' ' || s[i] >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", s[i])
		} else {
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

// withQuery puts the query parameters behind the URL, in the order written.
func (a *callAction) withQuery(u string, vs *expression.Values) (string, error) {
	if len(a.query) == 0 {
		return u, nil
	}
	var b strings.Builder
	b.WriteString(u)
	sep := "?"
	if strings.Contains(u, "?") {
		sep = "&"
		if strings.HasSuffix(u, "?") || strings.HasSuffix(u, "&") {
			sep = ""
		}
	}
	for _, f := range a.query {
		for _, t := range f.values {
			v, err := t.Text(vs)
			if err != nil {
				return "", err
			}
			b.WriteString(sep + encodeQuery(f.name) + "=" + encodeQuery(v))
			sep = "&"
		}
	}
	return b.String(), nil
}

// encodeQuery encodes a value whole, with %20 for a blank.
func encodeQuery(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") }

// allowed checks that the credential may be shown to the origin of a URL.
func (a *callAction) allowed(u string) *trouble {
	origin, err := httpx.Origin(u)
	if err == nil && a.credential.allows(origin, a.target) {
		return nil
	}
	return &trouble{class: classUnknown, problem: Problem{
		Type:    TypeCredential,
		Message: fmt.Sprintf("the credential %q is not sent to %s, which is not one of its origins", a.credential.Name, origin),
		Cure:    fmt.Sprintf("if it belongs there, add hosts: [%s] to the credential", origin),
	}}
}

// fixHeader prepares what is sent when nothing in it is computed.
func (a *callAction) fixHeader() {
	h := http.Header{}
	for _, f := range a.headers {
		fixed, ok := f.values[0].Constant()
		if !ok {
			return
		}
		h[f.name] = []string{textOf(fixed)}
	}
	a.header = h
}

func (a *callAction) do(ctx context.Context, x *execution) (*result, *trouble) {
	if a.credential != nil && a.credential.made {
		real, t := x.credential(a.credential)
		if t != nil {
			// A cleanup step that has nothing to remove is skipped for that.
			if _, missing := a.request(x); missing != nil && missing.notSet != "" {
				return nil, missing
			}
			return nil, t
		}
		with := *a
		with.credential = real
		a = &with
	}
	request, t := a.request(x)
	if t != nil {
		return nil, t
	}
	client, t := a.client(ctx, x, request)
	if t != nil {
		return nil, t
	}
	var token oauth.Token
	if token, t = a.authorize(ctx, x, request); t != nil {
		return nil, t // the request itself was never sent
	}
	if a.csrf {
		if r, t := a.fetchCSRF(ctx, x, client, request, &token); t != nil {
			return r, t
		}
	}
	response, err := client.Do(ctx, request)
	if err == nil && a.renewable(x, response) {
		if t = a.renew(ctx, x, request, token); t != nil {
			return &result{exchange: a.exchange(x, request, response)}, t
		}
		response, err = client.Do(ctx, request)
	}
	if response == nil {
		r := &result{exchange: notSent(request)}
		r.exchange.curl = a.curl(x, request)
		return r, a.noAnswer(ctx, err)
	}
	x.learnAnswer(response.Header)
	r := &result{exchange: a.exchange(x, request, response)}
	if err != nil {
		return r, fromHTTP(ctx, err)
	}
	r.checked = &assertions.Result{
		Status: response.Status, Header: response.Header, Body: response.Body,
		Duration: response.Duration, Cookies: cookies(response.Header), Hide: x.session.redactor.String,
		TLS: serverCertificate(response.TLS, time.Now()),
	}
	r.refused = response.Status == http.StatusUnauthorized && !x.asksFor(response.Status)
	return r, nil
}

// request builds the request but for its credential.
func (a *callAction) request(x *execution) (*httpx.Request, *trouble) {
	u := a.fixed
	if u == "" {
		var t *trouble
		if u, t = a.resolve(x); t != nil {
			return nil, t
		}
	}
	header := a.header
	if header == nil {
		header = make(http.Header, len(a.headers)+2)
		for _, f := range a.headers {
			v, err := f.values[0].Text(x.values)
			if err != nil {
				return nil, fromExpression(err)
			}
			if !httpguts.ValidHeaderFieldValue(v) {
				return nil, fromExpression(fmt.Errorf("the value of the header %s holds a line break or a control character", f.name))
			}
			header[f.name] = []string{v}
		}
	} else {
		header = make(http.Header, len(a.header)+3)
		maps.Copy(header, a.header)
	}
	r := &httpx.Request{Method: a.method, URL: u, Header: header, Jar: x.jar, FollowRedirects: a.follow}
	if a.body != nil {
		body, t := a.body.open(x)
		if t != nil {
			return nil, t
		}
		r.Body = body
	}
	return r, nil
}

func (a *callAction) resolve(x *execution) (string, *trouble) {
	path, err := a.path.Text(x.values)
	if err != nil {
		return "", fromExpression(err)
	}
	base := ""
	if a.base != nil {
		if base, err = a.base.Text(x.values); err != nil {
			return "", fromExpression(err)
		}
	}
	u, t := a.join(path, base)
	if t != nil {
		return "", t
	}
	if u, err = a.withQuery(u, x.values); err != nil {
		return "", fromExpression(err)
	}
	return u, nil
}

// client gives the client that sends the request: with auth: certificate the
// one that presents it, which takes TLS. Where it may be shown, authorize
// checks.
func (a *callAction) client(ctx context.Context, x *execution, r *httpx.Request) (*httpx.Client, *trouble) {
	if a.auth != "certificate" || a.credential == nil {
		return x.session.client, nil
	}
	if a.credential.external {
		return nil, noPrivateKey(a.credential.Name)
	}
	if !hasPrefixFold(r.URL, "https://") {
		return nil, badURL(fmt.Sprintf("%q is plain http, where no certificate can be shown", r.URL))
	}
	if !a.credential.UsesCertificate() {
		return nil, &trouble{class: classStep, problem: Problem{
			Type: TypeCredential, Message: fmt.Sprintf("auth: certificate, and the credential %q has none", a.credential.Name),
			Cure: "leave auth out to send its token",
		}}
	}
	client, err := x.session.tokens.Client(a.credential.Credential)
	if err != nil {
		return nil, fromOAuth(ctx, err)
	}
	return client, nil
}

// noAnswer turns the error of a call into trouble: a server that does not
// accept the certificate refuses the credential.
func (a *callAction) noAnswer(ctx context.Context, err error) *trouble {
	t := fromHTTP(ctx, err)
	if a.auth == "certificate" && t.class == classUnknown && httpx.CertificateRefused(err) {
		t.class, t.problem.Type = classCredential, TypeCredential
		t.problem.Cure = "upload the certificate to the runtime (Keystore, or the user mapping of the flow), with the certificates that signed it"
	}
	return t
}

// authorize puts the credential into the request.
func (a *callAction) authorize(ctx context.Context, x *execution, r *httpx.Request) (oauth.Token, *trouble) {
	switch {
	case a.auth == "user":
		user, err := a.user.Text(x.values)
		if err != nil {
			return oauth.Token{}, fromExpression(err)
		}
		password, err := a.password.Text(x.values)
		if err != nil {
			return oauth.Token{}, fromExpression(err)
		}
		x.session.redactor.Add("password", password)
		r.Header["Authorization"] = []string{basic(user, password)}
	case a.credential == nil:
	default:
		// A URL that was known before the run has been checked then.
		if a.fixed == "" {
			if t := a.allowed(r.URL); t != nil {
				return oauth.Token{}, t
			}
		}
		if a.auth == "certificate" {
			break // the client presents it
		}
		if a.auth == "basic" {
			r.Header["Authorization"] = []string{basic(a.credential.ClientID, a.credential.ClientSecret.Reveal())}
			break
		}
		if a.credential.external {
			return oauth.Token{}, noPrivateKey(a.credential.Name)
		}
		token, err := x.token(ctx, a.credential)
		if err != nil {
			return token, fromOAuth(ctx, err)
		}
		r.Header["Authorization"] = []string{token.Header().Reveal()}
		return token, nil
	}
	return oauth.Token{}, nil
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// renewable reports whether the answer says that the token is no longer
// valid, and the call may be repeated with a new one.
func (a *callAction) renewable(x *execution, r *httpx.Response) bool {
	return a.credential != nil && a.auth == "bearer" && bearerRefused(r) && !x.asksFor(r.Status)
}

func (a *callAction) renew(ctx context.Context, x *execution, r *httpx.Request, old oauth.Token) *trouble {
	x.log().Debug("the token was refused; asking for a new one", "credential", a.credential.Name)
	token, err := x.session.tokens.Renew(ctx, a.credential.Credential, old)
	if err != nil {
		return fromOAuth(ctx, x.explained(a.credential, err))
	}
	r.Header["Authorization"] = []string{token.Header().Reveal()}
	return nil
}

// fetchCSRF asks for a CSRF token and puts it into the request; its cookies
// stay in the jar.
func (a *callAction) fetchCSRF(ctx context.Context, x *execution, client *httpx.Client, r *httpx.Request, token *oauth.Token) (*result, *trouble) {
	fetch := &httpx.Request{Method: http.MethodGet, URL: r.URL, Header: http.Header{"X-Csrf-Token": {"Fetch"}}, Jar: r.Jar}
	if v, ok := r.Header["Authorization"]; ok {
		fetch.Header["Authorization"] = v
	}
	response, err := client.Do(ctx, fetch)
	if err == nil && a.renewable(x, response) {
		if t := a.renew(ctx, x, r, *token); t != nil {
			return &result{exchange: a.exchange(x, fetch, response)}, t
		}
		fetch.Header["Authorization"] = r.Header["Authorization"]
		response, err = client.Do(ctx, fetch)
	}
	if response == nil {
		return &result{exchange: notSent(fetch)}, a.noAnswer(ctx, err)
	}
	x.learnAnswer(response.Header)
	failed := &result{exchange: a.exchange(x, fetch, response)}
	if err != nil {
		return failed, fromHTTP(ctx, err)
	}
	csrf := response.Header.Get("X-Csrf-Token")
	if csrf == "" || strings.EqualFold(csrf, "required") {
		failed.refused = response.Status == http.StatusUnauthorized && !x.asksFor(response.Status)
		t := &trouble{class: classStep, problem: Problem{
			Type:    TypeCSRF,
			Message: fmt.Sprintf("no CSRF token came for %s %s: the answer is %d without X-CSRF-Token", fetch.Method, fetch.URL, response.Status),
			Cure:    "if the flow is not CSRF protected, leave csrf out",
		}}
		if failed.refused {
			t.class = classCredential
			t.problem.Type = TypeCredential
			t.problem.Cure = "the runtime does not accept the credential: is it of plan integration-flow, and does its role fit the flow?"
		}
		return failed, t
	}
	r.Header["X-Csrf-Token"] = []string{csrf}
	return nil, nil
}

// exchange keeps what a report may show of the request and its answer.
func (a *callAction) exchange(x *execution, request *httpx.Request, response *httpx.Response) *exchange {
	e := fromResponse(response)
	e.requestBody = func() string { return a.body.shown(x) }
	e.curl = a.curl(x, request)
	return e
}

func (a *callAction) curl(x *execution, request *httpx.Request) func() string {
	return func() string {
		// Quoting for the shell would hide a secret from the redactor.
		shown := *request
		shown.URL = x.session.redactor.String(request.URL)
		line := httpx.Curl(&shown, x.session.redactor.String(a.body.shown(x)), x.session.redactor.Header)
		if a.auth == "certificate" && a.credential != nil {
			name := strings.ReplaceAll(a.credential.Name, "'", "")
			line += fmt.Sprintf(" --cert '***(%s.certificate)' --key '***(%s.key)'", name, name)
		}
		return line
	}
}

// notSent describes a request that got no answer.
func notSent(r *httpx.Request) *exchange {
	return &exchange{method: r.Method, url: r.URL, requestHeader: r.Header}
}
