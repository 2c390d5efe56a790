package authn

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

func init() {
	caddy.RegisterModule(doorman{})
	caddy.RegisterModule(noProvider{})
}

// doorman is a provider that answers as a test says.
type doorman struct {
	Door   string `json:"door,omitempty"`
	answer func(http.ResponseWriter, *http.Request) (caddyauth.User, bool, error)
}

func (doorman) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: providerNamespace + ".doorman", New: func() caddy.Module { return new(doorman) }}
}

func (m *doorman) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if d.Val() != "door" || !d.AllArgs(&m.Door) {
			return d.Errf("unknown line %s", d.Val())
		}
	}
	return nil
}

func (m *doorman) Authenticate(w http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	return m.answer(w, r)
}

// noProvider is in the namespace and is no provider.
type noProvider struct{}

func (noProvider) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: providerNamespace + ".no_provider", New: func() caddy.Module { return new(noProvider) }}
}

func newProvider(answer func(http.ResponseWriter, *http.Request) (caddyauth.User, bool, error)) *Provider {
	return &Provider{name: "provider:doorman", module: &doorman{answer: answer}}
}

// called answers with the user that a header names.
func called(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
	name := r.Header.Get("X-Door")
	return caddyauth.User{ID: name, Metadata: map[string]string{"level": "a, b"}}, name != "", nil
}

func providerChain(t *testing.T, methods ...Method) *Chain {
	t.Helper()
	chain, err := NewChain(methods, nil)
	if err != nil {
		t.Fatal(err)
	}
	return chain
}

func providerMethodOf(p *Provider) Method { return Method{Name: p.name, Authenticator: p} }

// TestS27Request: S-27. A module gets a request without a body, without our cookies and
// without what other methods read, also in placeholders and variables; the request itself
// stays as it is.
func TestS27Request(t *testing.T) {
	var got *http.Request
	var body []byte
	p := newProvider(func(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
		got = r
		body, _ = io.ReadAll(r.Body)
		r.Header.Set("X-Changed", "yes")
		caddyhttp.SetVar(r.Context(), "changed", true)
		return caddyauth.User{}, false, nil
	})
	other := func(name string, source authenticator.Source) Method {
		return Method{Name: name, Authenticator: &placed{name: name, source: source, failed: authenticator.Absent}}
	}
	chain := providerChain(t, providerMethodOf(p), other("a", authenticator.FromScheme("Bearer")), other("b", authenticator.FromHeader("X-Api-Key")),
		other("c", authenticator.FromQuery("token")), other("d", authenticator.FromCookie("id")), other("e", authenticator.FromCertificate()), other("f", authenticator.FromScheme("DPoP")))
	r := requestWith(nil, true, "X-Kept", "kept")
	r.Method, r.Body, r.ContentLength = "POST", io.NopCloser(strings.NewReader("body")), 4
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("body")), nil }
	r.TransferEncoding, r.Trailer = []string{"chunked"}, http.Header{"X-Api-Key": {"secret"}}
	r.Form, r.PostForm, r.MultipartForm = url.Values{"token": {"secret"}}, url.Values{"a": {"b"}}, new(multipart.Form)
	r.URL.RawQuery = "token=secret&kept=1"
	r.RequestURI = r.URL.RequestURI()
	r.Header["Cookie"] = []string{"id=secret; kept=1; __Secure-id=secret; __Host-id=secret", "__Host-policy_auth=secret; policy_auth=secret"}
	r.Header["X_api_key"] = []string{"secret"}
	r.Header["Dpop"] = []string{"secret"}
	r.Header["Authorization"] = []string{"Basic kept"}
	caddyhttp.SetVar(r.Context(), "policy_auth", "secret")
	caddyhttp.SetVar(r.Context(), "kept", "kept")
	before := r.Header.Clone()
	chain.identifyAmbient(r, nil, true)
	if got == nil {
		t.Fatal("the module is not asked")
	}
	want := http.Header{"X-Kept": {"kept"}, "Cookie": {"kept=1"}, "Authorization": {"Basic kept"}, "X-Changed": {"yes"}}
	if !reflect.DeepEqual(got.Header, want) {
		t.Errorf("headers %q", got.Header)
	}
	if got.URL.RawQuery != "kept=1" || strings.Contains(got.RequestURI, "secret") || len(body) > 0 || got.ContentLength != 0 {
		t.Errorf("query %q, URI %q, body %q", got.URL.RawQuery, got.RequestURI, body)
	}
	if got.GetBody != nil || got.TransferEncoding != nil || got.Trailer != nil || got.Form != nil || got.PostForm != nil || got.MultipartForm != nil {
		t.Errorf("the module gets more of the body: %+v", got)
	}
	repl := got.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if text := repl.ReplaceAll("{http.request.header.Cookie} {http.request.uri.query} {http.request.orig_uri} {http.vars.policy_auth}", ""); strings.Contains(text, "secret") {
		t.Errorf("placeholders %q", text)
	}
	if trusted, _ := caddyhttp.GetVar(got.Context(), caddyhttp.TrustedProxyVarKey).(bool); !trusted || caddyhttp.GetVar(got.Context(), "kept") != "kept" {
		t.Error("the variables are missing")
	}
	if !reflect.DeepEqual(r.Header, before) || caddyhttp.GetVar(r.Context(), "changed") != nil || !strings.Contains(r.URL.RawQuery, "secret") {
		t.Errorf("the request has changed: %q", r.Header)
	}
	if r.Header["Authorization"] = []string{"bearer secret"}; chain.methods[0].Authenticator.(*Provider).withheld.request(r, httptest.NewRecorder()).Header["Authorization"] != nil {
		t.Error("the module gets the token of another method")
	}
}

// TestS27OwnCookies: S-27. A module sees no cookie of ours, of people or of guests, as it is
// named over HTTPS or over plain HTTP.
func TestS27OwnCookies(t *testing.T) {
	chain := providerChain(t, Method{Name: "provider", Authenticator: newProvider(called)})
	header := http.Header{"Cookie": {"a=b"}}
	for _, name := range append(sharelink.CookieNames(), login.ReservedCookieNames()...) {
		header.Add("Cookie", name+"=secret; "+strings.TrimPrefix(name, "__Host-")+"=secret")
	}
	if chain.methods[0].Authenticator.(*Provider).withheld.fromHeaders(header); !slices.Equal(header["Cookie"], []string{"a=b"}) {
		t.Errorf("a module sees %q", header["Cookie"])
	}
}

// TestS27Certificate: S-27. The certificate that another method reads is withheld, and
// only then.
func TestS27Certificate(t *testing.T) {
	m, ca := newCertificates(t, "client-cert")
	leaf := ca.Issue(t, ofHost("a")).Leaf
	seen := false
	p := newProvider(func(_ http.ResponseWriter, r *http.Request) (caddyauth.User, bool, error) {
		seen = len(r.TLS.PeerCertificates) > 0 || r.Header["Client-Cert"] != nil
		return caddyauth.User{}, false, nil
	})
	r := requestWith(leaf, false, "Client-Cert", "x")
	providerChain(t, providerMethodOf(p), Method{Name: "client_certificate", Authenticator: m}).Identify(r, true)
	if seen || len(r.TLS.PeerCertificates) != 1 {
		t.Error("the module sees the certificate of another method")
	}
	providerChain(t, providerMethodOf(p)).Identify(r, true)
	if !seen {
		t.Error("without such a method the certificate is not there")
	}
}

// TestS27Outcome: S-27. Only an accepted user with an id is a caller; errors and
// refusals leave the caller anonymous, with the challenges; a panic is a failure. What a
// module says about an error is not logged.
func TestS27Outcome(t *testing.T) {
	const secret = "hunter2-hunter2"
	for name, test := range map[string]struct {
		user    caddyauth.User
		ok      bool
		err     error
		verdict authenticator.Verdict
		reason  authenticator.Reason
	}{
		"accepted":              {caddyauth.User{ID: "alice"}, true, nil, authenticator.Accepted, ""},
		"refused":               {caddyauth.User{}, false, nil, authenticator.Absent, ""},
		"refused, a candidate":  {caddyauth.User{ID: "alice"}, false, nil, authenticator.Absent, authenticator.ReasonCredentialsInvalid},
		"accepted without id":   {caddyauth.User{}, true, nil, authenticator.Absent, authenticator.ReasonCredentialsInvalid},
		"an error":              {caddyauth.User{}, false, errors.New(secret), authenticator.Absent, authenticator.ReasonCredentialsInvalid},
		"accepted and an error": {caddyauth.User{ID: "alice"}, true, errors.New(secret), authenticator.Absent, authenticator.ReasonCredentialsInvalid},
	} {
		p := newProvider(func(w http.ResponseWriter, _ *http.Request) (caddyauth.User, bool, error) {
			w.Header().Set("WWW-Authenticate", `Door realm="x"`)
			w.WriteHeader(http.StatusOK)
			_, _ = w.Write([]byte(secret))
			return test.user, test.ok, test.err
		})
		caller := providerChain(t, providerMethodOf(p)).Identify(requestWith(nil, false, "X"), true)
		if caller.Verdict != test.verdict || caller.Reason != test.reason || (len(caller.Challenges) == 1) == (test.verdict == authenticator.Accepted) {
			t.Errorf("%s: %+v", name, caller.Outcome)
		}
		for _, detail := range caller.Details {
			if strings.Contains(detail.Value, secret) {
				t.Errorf("%s: the log would have %q", name, detail.Value)
			}
		}
		if p.Challenge = off; len(providerChain(t, providerMethodOf(p)).Identify(requestWith(nil, false, "X"), true).Challenges) > 0 {
			t.Errorf("%s: challenge off has challenges", name)
		}
	}
	broken := newProvider(func(http.ResponseWriter, *http.Request) (caddyauth.User, bool, error) { panic(secret) })
	if caller := providerChain(t, providerMethodOf(broken)).Identify(requestWith(nil, false, "X"), true); caller.Verdict != authenticator.Failed || strings.Contains(caller.Err.Error(), secret) {
		t.Errorf("a panic: %+v", caller.Outcome)
	}
}

// TestS27Identity: S-27. No roles unless mapped, and the issuer is the module.
func TestS27Identity(t *testing.T) {
	p := newProvider(called)
	r := requestWith(nil, false, "X-Door", "alice")
	id := providerChain(t, providerMethodOf(p)).Identify(r, true).Identity
	if id == nil || id.ID != "alice" || id.Issuer != "provider:doorman" || id.Method != "provider:doorman" || id.Kind != authenticator.KindUnknown || len(id.Roles) != 0 || id.Claims["level"] != "a, b" {
		t.Fatalf("%+v", id)
	}
	p.Map = map[string][]string{"roles": {"none", "level"}, "name": {"level"}, "scopes": {"level"}}
	if id = providerChain(t, providerMethodOf(p)).Identify(r, true).Identity; !reflect.DeepEqual(id.Roles, []string{"a", "b"}) || id.Name != "a, b" || len(id.Groups) != 0 || !reflect.DeepEqual(id.Scopes, []string{"a,", "b"}) {
		t.Errorf("%+v", id)
	}
}

// TestS27CrossSite: S-27. Browsers may attach the credentials, unless declared otherwise.
func TestS27CrossSite(t *testing.T) {
	r := requestWith(nil, false, "X-Door", "alice")
	r.Method = "POST"
	r.Header.Set("Origin", "https://evil.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	p := newProvider(called)
	if caller := providerChain(t, providerMethodOf(p)).Identify(r, true); caller.Reason != authenticator.ReasonCrossSite {
		t.Errorf("%+v", caller.Outcome)
	}
	p.NotBrowserAttached = true
	if caller := providerChain(t, providerMethodOf(p)).Identify(r, true); caller.Verdict != authenticator.Accepted {
		t.Errorf("%+v", caller.Outcome)
	}
}

// TestT30T51Provider: T-30, T-51. Beside another method, in both orders, the caller is the
// owner of one credential as a whole.
func TestT30T51Provider(t *testing.T) {
	for _, source := range []authenticator.Source{authenticator.FromScheme("Bearer"), authenticator.FromHeader("X-Api-Key"), authenticator.FromCookie("id"), authenticator.FromRequest()} {
		for _, providerFirst := range []bool{true, false} {
			for _, value := range []string{"", "good", "bad"} {
				for _, door := range []string{"", "alice"} {
					other := &placed{name: "other", source: source, failed: authenticator.Rejected}
					methods := []*placed{other}
					p := Method{Name: "provider:doorman", Authenticator: newProvider(called)}
					o := Method{Name: "other", Authenticator: other}
					all := []Method{o, p}
					if providerFirst {
						all = []Method{p, o}
					}
					r := requestWith(nil, false, "X")
					if methods[0].put(r, value); door != "" {
						r.Header.Set("X-Door", door)
					}
					caller := providerChain(t, all...).Identify(r, true)
					want := ""
					switch explicit := !source.Ambient() && value != ""; {
					case explicit && value == "good", value == "good" && (!providerFirst || door == ""):
						want = "other"
					case explicit, value == "bad" && source.Request && !providerFirst:
					case door != "":
						want = door
					}
					got := ""
					if caller.Verdict == authenticator.Accepted {
						got = caller.Identity.ID
						if of := caller.Identity.Claims["of"]; (caller.Identity.Issuer == "other") != (got == "other") || (of == "other") != (got == "other") || caller.Identity.Method != caller.Method {
							t.Errorf("mixed: %+v", caller.Identity)
						}
					}
					if got != want {
						t.Errorf("%+v, provider first %t, %q and %q: %q instead of %q", source, providerFirst, value, door, got, want)
					}
				}
			}
		}
	}
}

// TestProviderChallenges: what is valid in a module's WWW-Authenticate.
func TestProviderChallenges(t *testing.T) {
	for line, want := range map[string]string{
		`Basic realm="a \"b\", c"`:              `[{Basic [{realm a "b", c}]}]`,
		`Basic realm=a, charset="UTF-8", Door`:  `[{Basic [{realm a} {charset UTF-8}]} {Door []}]`,
		`Negotiate`:                             `[{Negotiate []}]`,
		`Negotiate YII=`:                        `[]`,
		`Negotiate abc`:                         `[]`,
		`Door x="unterminated`:                  `[]`,
		`,, Door , , Gate a = b`:                `[{Door []} {Gate [{a b}]}]`,
		`"`:                                     `[]`,
		`Door;x`:                                `[]`,
		`A,B,C,D,E`:                             `[{A []} {B []} {C []} {D []}]`,
		`A ` + strings.Repeat("a=b,", 17) + `B`: `[]`,
		strings.Repeat("A, ", 5000):             `[]`,
	} {
		if got := stringOf(parseChallenges([]string{line})); got != want {
			t.Errorf("%.40q: %s", line, got)
		}
	}
}

func stringOf(challenges []authenticator.Challenge) string {
	var texts []string
	for _, c := range challenges {
		var params []string
		for _, p := range c.Params {
			params = append(params, "{"+p.Name+" "+p.Value+"}")
		}
		texts = append(texts, "{"+c.Scheme+" ["+strings.Join(params, " ")+"]}")
	}
	return "[" + strings.Join(texts, " ") + "]"
}

// FuzzProviderChallenges: any line ends, within the limits.
func FuzzProviderChallenges(f *testing.F) {
	f.Add(`Basic realm="a", Bearer a=b`)
	f.Fuzz(func(t *testing.T, line string) {
		found := parseChallenges([]string{line, line})
		for _, c := range found {
			if c.Scheme == "" || len(c.Params) > maxHeldParams {
				t.Errorf("%+v", c)
			}
		}
		if len(found) > maxHeldChallenges {
			t.Errorf("%d challenges", len(found))
		}
	})
}

// TestProviderLoads: mistakes name what is allowed, in JSON and in a Caddyfile.
func TestProviderLoads(t *testing.T) {
	for config, want := range map[string]string{
		`{}`:                                                   "name the module",
		`{"provider":{"module":"http_basik"}}`:                 "did you mean http_basic",
		`{"provider":{"module":"no_provider"}}`:                "which is not an authentication provider",
		`{"provider":{"module":"doorman","x":1}}`:              "doorman",
		`{"map":{"id":["a"]}}`:                                 "allowed: email groups name roles scopes username",
		`{"map":{"roles":[]}}`:                                 "name the module's metadata",
		`{"challenge":"on"}`:                                   "unknown value of challenge",
		`{"provider":{"module":"doorman"}}`:                    "",
		`{"provider":{"module":"http_basic"}}`:                 "",
		`{"provider":{"module":"http_basic","accounts":[{}]}}`: "username and password are required",
	} {
		p := new(Provider)
		if err := json.Unmarshal([]byte(config), p); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		if err := p.Provision(ctx); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", config, err)
		}
		cancel()
	}
	if err := shadowed([]Method{{Name: "provider:a"}, {Name: "provider:b"}, {Name: "provider:a"}}); err == nil || !strings.Contains(err.Error(), "provider a is set twice") {
		t.Errorf("twice: %v", err)
	}
}

// TestProviderCaddyfile: our words are ours, all other lines are the module's.
func TestProviderCaddyfile(t *testing.T) {
	for text, want := range map[string]string{
		"provider doorman":                        `{"provider":{"module":"doorman"}}`,
		"provider doorman {\n map roles level\n}": `{"provider":{"module":"doorman"},"map":{"roles":["level"]}}`,
		"provider doorman {\n map roles level\n door north\n not_browser_attached\n challenge off\n}": `{"provider":{"door":"north","module":"doorman"},"map":{"roles":["level"]},"not_browser_attached":true,"challenge":"off"}`,
		"provider doorman {\n door north\n}":   `{"provider":{"door":"north","module":"doorman"}}`,
		"provider doorman {\n gate north\n}":   "unknown line gate",
		"provider doorman x":                   "wrong argument count",
		"provider":                             "provider wants a module",
		"provider http_basic {\n}":             "only in JSON",
		"provider dorman":                      "did you mean doorman",
		"provider doorman {\n map id level\n}": "unknown field: id",
	} {
		p := new(Provider)
		err := p.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v", text, err)
			}
			continue
		}
		if got, _ := json.Marshal(p); string(got) != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
