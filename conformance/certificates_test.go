package conformance

import (
	"crypto/x509"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// named gives a certificate the name of a client.
func named(c *x509.Certificate) { c.DNSNames = []string{"build.example.com"} }

// presenting is a request over a connection whose client presents certificates, the
// first of which the TLS server has verified by a CA unless it is nil.
func presenting(r *http.Request, ca *certtest.CA, certificates ...*x509.Certificate) *http.Request {
	r = secure(r)
	r.TLS.PeerCertificates = certificates
	if ca != nil {
		r.TLS.VerifiedChains = [][]*x509.Certificate{{certificates[0], ca.Certificate}}
	}
	return r
}

// askFrom sends a request to a site, from a trusted proxy or not.
func askFrom(h caddyhttp.MiddlewareHandler, r *http.Request, trusted bool, next caddyhttp.Handler) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
	caddyhttp.SetVar(r.Context(), caddyhttp.ClientIPVarKey, "203.0.113.9")
	caddyhttp.SetVar(r.Context(), caddyhttp.TrustedProxyVarKey, trusted)
	if err := h.ServeHTTP(recorder, r, next); err != nil {
		recorder.Code = statusOf(recorder, err)
	}
	return recorder
}

// certificateSite is a site with roots of its own and a header of trusted proxies.
const certificateSite = "client_certificate {\n roots DIR/roots.pem\n from header Client-Cert\n }\n identity_headers {\n X-Auth-User id\n X-Auth-Issuer issuer\n }\n"

// TestT64ClientCertificate: T-64, R-MT-4, R-403-5. A verified certificate is an identity;
// without one, a site with no other method answers 403.
func TestT64ClientCertificate(t *testing.T) {
	w, ca, other := newEnv(t), certtest.New(t, "root"), certtest.New(t, "other")
	w.Write("roots.pem", string(ca.PEM()))
	good, bad := ca.Issue(t, named).Leaf, other.Issue(t, named).Leaf
	own, _ := w.site(certificateSite)
	byServer, _ := w.site("client_certificate\n identity_headers {\n X-Auth-User id\n X-Auth-Issuer issuer\n }\n")
	for name, test := range map[string]struct {
		h       caddyhttp.MiddlewareHandler
		r       *http.Request
		allowed bool
	}{
		"verified here":             {own, presenting(get("/"), nil, good), true},
		"of another authority":      {own, presenting(get("/"), nil, bad), false},
		"verified by the server":    {own, presenting(get("/"), other, bad), false}, // by another CA than the site's
		"for servers":               {own, presenting(get("/"), nil, ca.Server(t, "build.example.com").Leaf), false},
		"none":                      {own, secure(get("/")), false},
		"over plain HTTP":           {own, get("/"), false},
		"by the server":             {byServer, presenting(get("/"), ca, good), true},
		"not verified":              {byServer, presenting(get("/"), nil, good), false},
		"verify_if_given, and none": {byServer, secure(get("/")), false},
	} {
		next := new(reached)
		recorder := askFrom(test.h, test.r, false, next)
		if allowed := recorder.Code == 200; allowed != test.allowed || !allowed && recorder.Code != 403 || (next.Request != nil) != test.allowed {
			t.Errorf("%s: %d", name, recorder.Code)
			continue
		}
		if test.allowed && (next.Request.Header.Get("X-Auth-User") != "build.example.com" || next.Request.Header.Get("X-Auth-Issuer") != "CN=root,O=Example") {
			t.Errorf("%s: the upstream learns %v", name, next.Request.Header)
		}
	}
}

// TestCertificateRequired: the log and the page say that a certificate is needed, and the
// log what is wrong with one.
func TestCertificateRequired(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	h, logs := w.site(certificateSite)
	server := ca.Server(t, "build.example.com").Leaf
	recorder := askFrom(h, presenting(get("/", "Accept", "text/html"), nil, server), false, new(reached))
	if body := recorder.Body.String(); recorder.Code != 403 || !strings.Contains(body, "A certificate is needed") || recorder.Header().Get("WWW-Authenticate") != "" {
		t.Errorf("%d %v\n%s", recorder.Code, recorder.Header(), body)
	}
	found := false
	for _, entry := range logs.All() {
		context := entry.ContextMap()
		if context["reason"] == "certificate_required" {
			found = true
			if text := fmt.Sprint(context); !strings.Contains(text, "clientAuth") {
				t.Errorf("the log does not say what is wrong: %v", context)
			}
		}
	}
	if !found {
		t.Error("the log does not say certificate_required")
	}
	both, _ := w.site(certificateSite + basicSite)
	if recorder := askFrom(both, presenting(get("/"), nil, server), false, new(reached)); recorder.Code != 401 || recorder.Header().Get("WWW-Authenticate") == "" {
		t.Errorf("beside basic: %d", recorder.Code)
	}
}

// TestS20Forwarded: S-20, R-MT-3. From a trusted proxy only the header counts and never
// the connection's certificate; from any other peer the header is removed, also where
// policy_auth judges nothing.
func TestS20Forwarded(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	h, _ := w.site(certificateSite)
	without, _ := w.site("client_certificate {\n roots DIR/roots.pem\n }\n")
	proxy, client := ca.Issue(t, func(c *x509.Certificate) { c.DNSNames = []string{"proxy.example.com"} }).Leaf, ca.Issue(t, named).Leaf
	line := certtest.Header(client)
	for name, test := range map[string]struct {
		h       caddyhttp.MiddlewareHandler
		r       *http.Request
		trusted bool
		who     string
	}{
		"forwarded":                          {h, presenting(get("/", "Client-Cert", line), nil, proxy), true, "build.example.com"},
		"over plain HTTP":                    {h, get("/", "Client-Cert", line), true, "build.example.com"},
		"the proxy's own":                    {h, presenting(get("/"), nil, proxy), true, ""},
		"the proxy's own, verified":          {h, presenting(get("/"), ca, proxy), true, ""},
		"of another authority":               {h, presenting(get("/", "Client-Cert", certtest.Header(certtest.New(t, "x").Issue(t, named).Leaf)), nil, proxy), true, ""},
		"two lines":                          {h, presenting(get("/", "Client-Cert", line, "Client-Cert", line), nil, proxy), true, ""},
		"from another peer":                  {h, secure(get("/", "Client-Cert", line)), false, ""},
		"from another peer, with its own":    {h, presenting(get("/", "Client-Cert", line), nil, proxy), false, "proxy.example.com"},
		"without from header":                {without, presenting(get("/", "Client-Cert", line), nil, proxy), true, ""},
		"without from header, the proxy's":   {without, presenting(get("/"), ca, proxy), true, ""},
		"without from header, a direct peer": {without, presenting(get("/"), nil, proxy), false, "proxy.example.com"},
	} {
		next := new(reached)
		recorder := askFrom(test.h, test.r, test.trusted, next)
		if (recorder.Code == 200) != (test.who != "") {
			t.Errorf("%s: %d", name, recorder.Code)
			continue
		}
		if next.Request == nil {
			continue
		}
		if next.Request.Header["Client-Cert"] != nil {
			t.Errorf("%s: the header reaches the upstream", name)
		}
		if test.h == h && next.Request.Header.Get("X-Auth-User") != test.who {
			t.Errorf("%s: the upstream learns %q, want %q", name, next.Request.Header.Get("X-Auth-User"), test.who)
		}
	}
	w.Write("public.yaml", "default: [{anyone: true}]\n")
	public, _ := w.site(certificateSite + "access DIR/public.yaml\n")
	w.Match = `[{"path": ["/private/*"]}]`
	excluded, _ := w.site(certificateSite)
	for _, header := range []string{"Client-Cert", "client_cert", "Client-Cert-Chain", "CLIENT-CERT-CHAIN"} {
		for _, site := range []caddyhttp.MiddlewareHandler{public, excluded} {
			next, r := new(reached), secure(get("/"))
			r.Header[header] = []string{line}
			if askFrom(site, r, false, next); next.Request == nil || len(next.Request.Header[header]) > 0 {
				t.Errorf("%s reaches the upstream from another peer", header)
			}
		}
	}
}

// TestRHTTP4Misdirected: R-HTTP-4, T-64. A connection whose handshake was for another host
// proves nothing here, whatever the request has; a browser asks again over a new one.
func TestRHTTP4Misdirected(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	h, _ := w.site(certificateSite + basicSite)
	plain, _ := w.site(basicSite)
	leaf := ca.Issue(t, named).Leaf
	for name, test := range map[string]struct {
		h         caddyhttp.MiddlewareHandler
		sni, host string
		trusted   bool
		status    int
	}{
		"the same host":              {h, "example.com", "example.com", false, 200},
		"another case and a port":    {h, "EXAMPLE.com", "example.com:8443", false, 200},
		"another host":               {h, "other.example.com", "example.com", false, 421},
		"no name":                    {h, "", "example.com", false, 421},
		"an address":                 {h, "", "192.0.2.7", false, 421},
		"a trusted proxy":            {h, "other.example.com", "example.com", true, 200},
		"a site without the method":  {plain, "other.example.com", "example.com", false, 200},
		"a name for an address":      {h, "example.com", "192.0.2.7", false, 421},
		"another host, with the dot": {h, "example.com.", "example.com", false, 200},
	} {
		r := presenting(asUser(get("/"), "alice"), nil, leaf)
		r.TLS.ServerName, r.Host = test.sni, test.host
		if recorder := askFrom(test.h, r, test.trusted, new(reached)); recorder.Code != test.status {
			t.Errorf("%s: %d, want %d", name, recorder.Code, test.status)
		} else if test.status == 421 && (recorder.Header().Get("Cache-Control") != "no-store" || recorder.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %v", name, recorder.Header())
		}
	}
}

// TestT33CertificateBeside: T-33, R-BR-14, T-51. A certificate beside an explicit
// credential is no second one, and adds nothing to it.
func TestT33CertificateBeside(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	leaf := ca.Issue(t, named).Leaf
	for _, block := range []string{certificateSite + basicSite, basicSite + certificateSite} {
		h, _ := w.site(block)
		for name, test := range map[string]struct {
			r    *http.Request
			want int
			who  string
		}{
			"both":                   {asUser(get("/"), "alice"), 200, "alice"},
			"the certificate alone":  {get("/"), 200, "build.example.com"},
			"a wrong password":       {asUser(get("/"), "no such user"), 401, ""},
			"two explicit ones more": {get("/", "Authorization", basicOf("alice"), "Authorization", "Foo x"), 400, ""},
		} {
			next := new(reached)
			recorder := askFrom(h, presenting(test.r, nil, leaf), false, next)
			if recorder.Code != test.want || next.Request != nil && (next.Request.Header.Get("X-Auth-User") != test.who || (next.Request.Header.Get("X-Auth-Issuer") == "") != (test.who == "alice")) {
				t.Errorf("%s: %d", name, recorder.Code)
			}
		}
	}
}

// TestRCSRF1Certificate: R-CSRF-1, S-20. A page of another site cannot use the
// certificate of a browser to change anything.
func TestRCSRF1Certificate(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	h, _ := w.site(certificateSite)
	leaf := ca.Issue(t, named).Leaf
	for site, want := range map[string]int{"cross-site": 403, "same-site": 403, "same-origin": 200, "": 200} {
		r := presenting(post("/"), nil, leaf)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		if recorder := askFrom(h, r, false, new(reached)); recorder.Code != want {
			t.Errorf("%q: %d, want %d", site, recorder.Code, want)
		}
	}
}

// TestCertificateIsPrivate: R-CACHE-3. What a caller with a certificate gets is not for
// shared caches, which see no Authorization.
func TestCertificateIsPrivate(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("roots.pem", string(ca.PEM()))
	h, _ := w.site(certificateSite)
	shared := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Cache-Control", "public, max-age=60")
		w.WriteHeader(http.StatusOK)
		return nil
	})
	recorder := askFrom(h, presenting(get("/"), nil, ca.Issue(t, named).Leaf), false, shared)
	if got := recorder.Header().Get("Cache-Control"); recorder.Code != 200 || !strings.Contains(got, "private") || strings.Contains(got, "public") {
		t.Errorf("%d, %q", recorder.Code, got)
	}
}

// TestCertificateInput: policies see the certificate of the caller, forwarded or not, and
// whether it is verified; never that of a proxy.
func TestCertificateInput(t *testing.T) {
	w, ca, other := newEnv(t), certtest.New(t, "root"), certtest.New(t, "other")
	w.Write("roots.pem", string(ca.PEM()))
	w.Write("p/p.rego", `package caddy.authz
default allow := false
c := input.tls.client_certificate
allow := {"allow": true, "headers": {"X-Seen": sprintf("%v %s %s %v", [c.verified, c.subject, c.issuer, c.dns_names])}}
`)
	methods := map[string]string{"with the method": certificateSite, "without": "basic {\n users DIR/users.yaml\n }\n"}
	leaf, bad := ca.Issue(t, named).Leaf, other.Issue(t, named).Leaf
	const seen, none = `CN=client CN=root,O=Example ["build.example.com"]`, "false   []"
	for name, test := range map[string]struct {
		site    string
		r       *http.Request
		trusted bool
		want    string
	}{
		"a direct one":                {"with the method", presenting(get("/"), nil, leaf), false, "true " + seen},
		"a bad one":                   {"with the method", presenting(get("/"), nil, bad), false, `false CN=client CN=other,O=Example ["build.example.com"]`},
		"verified by the server only": {"with the method", presenting(get("/"), other, bad), false, `false CN=client CN=other,O=Example ["build.example.com"]`},
		"forwarded":                   {"with the method", presenting(get("/", "Client-Cert", certtest.Header(leaf)), nil, bad), true, "true " + seen},
		"a proxy's":                   {"with the method", presenting(get("/"), ca, leaf), true, none},
		"a proxy's, no method":        {"without", presenting(get("/"), ca, leaf), true, none},
		"by the server, no method":    {"without", presenting(get("/"), ca, leaf), false, "true " + seen},
		"not verified, no method":     {"without", presenting(get("/"), nil, leaf), false, "false " + seen},
		"forwarded, no method":        {"without", secure(get("/", "Client-Cert", certtest.Header(leaf))), true, none},
		"none":                        {"with the method", secure(get("/")), false, none},
	} {
		h, _ := w.site(methods[test.site] + "policies DIR/p\n")
		next := new(reached)
		recorder := askFrom(h, test.r, test.trusted, next)
		if next.Request == nil {
			t.Errorf("%s: %d", name, recorder.Code)
			continue
		}
		if got := next.Request.Header.Get("X-Seen"); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestT08Roots: T-08. A site does not load without its authorities.
func TestT08Roots(t *testing.T) {
	w, ca := newEnv(t), certtest.New(t, "root")
	w.Write("empty.pem", "")
	w.Write("key.pem", string(certtest.KeyPEM(t, ca.Issue(t, nil))))
	for file, want := range map[string]string{"missing.pem": "no such file", "empty.pem": "the file is empty", "key.pem": "a private key"} {
		if _, err := w.Provision("client_certificate {\n roots DIR/" + file + "\n }\n"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// TestRootsReload: what the file of roots holds counts soon after it changes, also for a
// certificate that was accepted before; a broken file changes nothing.
func TestRootsReload(t *testing.T) {
	w, ca, other := newEnv(t), certtest.New(t, "root"), certtest.New(t, "other")
	w.Write("roots.pem", string(ca.PEM()))
	h, _ := w.site("client_certificate {\n roots DIR/roots.pem\n }\n")
	status := func(by *certtest.CA) int {
		return askFrom(h, presenting(get("/"), nil, by.Issue(t, named).Leaf), false, new(reached)).Code
	}
	if status(ca) != 200 || status(other) != 403 {
		t.Fatal("it does not begin with the roots of the file")
	}
	w.Write("roots.pem", "broken")
	if _, err := w.Provision("client_certificate {\n roots DIR/roots.pem\n }\n"); err == nil {
		t.Error("a second site loads with a broken file")
	}
	if status(ca) != 200 {
		t.Error("the last good roots are gone")
	}
	w.Write("roots.pem", string(other.PEM()))
	if _, err := w.Provision("client_certificate {\n roots DIR/roots.pem\n }\n"); err != nil { // it reads the shared file again
		t.Fatal(err)
	}
	if status(ca) != 403 || status(other) != 200 {
		t.Error("the new roots do not count")
	}
}
