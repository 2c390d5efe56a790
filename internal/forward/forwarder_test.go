package forward

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// upstream is a next handler that keeps the headers and the body that it got.
type upstream struct {
	header http.Header
	body   string
	err    error
	set    http.Header // of the response
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	u.header = r.Header.Clone()
	body, _ := io.ReadAll(r.Body)
	u.body = string(body)
	maps.Copy(w.Header(), u.set)
	if u.err != nil {
		return u.err
	}
	_, err := io.WriteString(w, "answer")
	return err
}

// newForwarder returns a forwarder and its log.
func newForwarder(t *testing.T, config Config) (*Forwarder, *observer.ObservedLogs) {
	core, logs := observer.New(zap.DebugLevel)
	config.Logger, config.IdentityHeaders = zap.New(core), newHeaders(t, map[string]string{"X-Auth-User": "username"})
	return New(config), logs
}

// open opens an exchange for a request, as the handler does.
func open(r *http.Request) (*httptest.ResponseRecorder, *http.Request, *exchange.Exchange) {
	recorder := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
	config := new(request.Config)
	config.SetConfiguredHeaders([]string{"x-auth-user"})
	return recorder, r, exchange.Open(recorder, r, config)
}

// resultFor returns an allowing result for a caller with a credential in a source.
func resultFor(id *authenticator.Identity, source authenticator.Source) *exchange.Result {
	result := &exchange.Result{Decision: policy.Decision{}}
	result.Decision.Allow = true
	result.Outcome.Verdict, result.Outcome.Identity, result.Source = authenticator.Accepted, id, source
	result.Input.Identity = id
	return result
}

var alice = &authenticator.Identity{Authenticated: true, ID: "1", Username: "alice"}

// TestForward: the next handler gets identity headers and no consumed credential, and
// shared caches do not store the response to an authenticated caller.
func TestForward(t *testing.T) {
	tests := []struct {
		name                   string
		config                 Config
		id                     *authenticator.Identity
		source                 authenticator.Source
		key, cookie, user, age string // headers of the next handler, Cache-Control of the response
	}{
		{"key", Config{}, alice, authenticator.FromHeader("X-Key"), "", "sid=s; a=b", "alice", "private"},
		{"cookie", Config{}, alice, authenticator.FromCookie("sid"), "secret", "a=b", "alice", "private"},
		{"forwarded", Config{ForwardCredentials: true}, alice, authenticator.FromHeader("X-Key"), "secret", "sid=s; a=b", "alice", "private"},
		{"cookies of the site", Config{Cookies: []string{"sid"}}, authenticator.Anonymous(), authenticator.Source{}, "secret", "a=b", "", ""},
		{"anonymous", Config{}, authenticator.Anonymous(), authenticator.Source{}, "secret", "sid=s; a=b", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f, _ := newForwarder(t, test.config)
			r := httptest.NewRequest("GET", "/", nil)
			r.Header = http.Header{"X-Key": {"secret"}, "Cookie": {"sid=s; a=b"}}
			recorder, r, ex := open(r)
			next := new(upstream)
			if err := f.Forward(r, ex, resultFor(test.id, test.source), next); err != nil {
				t.Fatal(err)
			}
			h := next.header
			if h.Get("X-Key") != test.key || h.Get("Cookie") != test.cookie || h.Get("X-Auth-User") != test.user || recorder.Header().Get("Cache-Control") != test.age {
				t.Errorf("next handler %v, response %v", h, recorder.Header())
			}
		})
	}
}

// TestForwardHolds: the credential is held while the next handler runs, and released.
func TestForwardHolds(t *testing.T) {
	f, _ := newForwarder(t, Config{})
	_, r, ex := open(httptest.NewRequest("GET", "/", nil))
	result, held := resultFor(alice, authenticator.Source{}), 0
	result.Outcome.Hold = func() func() { held++; return func() { held += 10 } }
	_ = f.Forward(r, ex, result, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
		if held != 1 {
			t.Errorf("held %d while the next handler runs", held)
		}
		return nil
	}))
	if held != 11 {
		t.Errorf("held %d afterwards", held)
	}
}

// TestForwardErrors: an error of the next handler is masked only if the site asks for it,
// and the headers of an error route's response are corrected.
func TestForwardErrors(t *testing.T) {
	failure, masked := errors.New("failure"), errors.New("masked")
	mask := func(*http.Request, *exchange.Exchange, error) error { return masked }
	for _, test := range []struct {
		mask      func(*http.Request, *exchange.Exchange, error) error
		err, want error
	}{{nil, failure, failure}, {mask, failure, masked}, {mask, nil, nil}} {
		f, _ := newForwarder(t, Config{MaskError: test.mask})
		recorder, r, ex := open(httptest.NewRequest("GET", "/", nil))
		if err := f.Forward(r, ex, resultFor(alice, authenticator.FromHeader("X-Key")), &upstream{err: test.err}); !errors.Is(err, test.want) {
			t.Errorf("got %v, want %v", err, test.want)
		}
		if got := recorder.Header().Get("Cache-Control"); got != "private" {
			t.Errorf("Cache-Control %q", got)
		}
	}
}

// TestForwardWebSocket: a 101 that does not answer the client's key becomes a 502, so that
// nothing that no policy judged reaches a server that does not speak the protocol (S-07).
func TestForwardWebSocket(t *testing.T) {
	for accept, want := range map[string]int{"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=": 101, "wrong": 502} {
		f, _ := newForwarder(t, Config{})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
		recorder, r, ex := open(r)
		err := f.Forward(r, ex, resultFor(alice, authenticator.Source{}), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.Header().Set("Sec-WebSocket-Accept", accept)
			w.WriteHeader(http.StatusSwitchingProtocols)
			return nil
		}))
		if err != nil || recorder.Code != want {
			t.Errorf("%s: %d, %v", accept, recorder.Code, err)
		}
	}
}

// TestReservedCookies: neither the next handler nor a policy sets a cookie of the site's
// sessions, and the log says so.
func TestReservedCookies(t *testing.T) {
	for _, byPolicy := range []bool{false, true} {
		f, logs := newForwarder(t, Config{ReservedCookies: []string{"sid"}})
		recorder, r, ex := open(httptest.NewRequest("GET", "/", nil))
		result, next := resultFor(alice, authenticator.Source{}), new(upstream)
		set := http.Header{"Set-Cookie": {"sid=evil", "a=b"}}
		if byPolicy {
			result.Decision.ResponseHeadersToAdd = set
		} else {
			next.set = set
		}
		_ = f.Forward(r, ex, result, next)
		if got := strings.Join(recorder.Header()["Set-Cookie"], "|"); got != "a=b" || logs.FilterField(zap.String("cookie", "sid")).Len() == 0 {
			t.Errorf("by policy %v: %s, log %v", byPolicy, got, logs.All())
		}
	}
}

// TestForwardPreflight: a preflight that no policy judged goes on without credentials,
// body and identity headers, and its response has no body (S-07).
func TestForwardPreflight(t *testing.T) {
	f, _ := newForwarder(t, Config{CredentialHeaders: []string{"X-Key"}})
	r := httptest.NewRequest("OPTIONS", "/?_method=DELETE", strings.NewReader("body"))
	r.Header = http.Header{"X-Key": {"secret"}, "Cookie": {"sid=s"}, "Authorization": {"Basic x"}, "X-Auth-User": {"root"}, "X-Http-Method-Override": {"DELETE"}}
	recorder, r, ex := open(r)
	next := new(upstream)
	if err := f.ForwardPreflight(r, ex, next); err != nil {
		t.Fatal(err)
	}
	if len(next.header) != 0 || next.body != "" || r.URL.RawQuery != "" || recorder.Body.Len() != 0 {
		t.Errorf("next handler %v %q %q, response %q", next.header, next.body, r.URL.RawQuery, recorder.Body)
	}
}

// TestCheckDecision: a decision that changes an identity header is an error of the policy;
// one that removes a parameter that stays hidden in the path denies the request.
func TestCheckDecision(t *testing.T) {
	f, _ := newForwarder(t, Config{})
	for _, test := range []struct {
		target string
		change func(*policy.Decision)
		want   authenticator.Reason
	}{
		{"/", func(*policy.Decision) {}, ""},
		{"/", func(d *policy.Decision) { d.Headers = http.Header{"X_Auth_User": {"root"}} }, authenticator.ReasonPolicyError},
		{"/", func(d *policy.Decision) { d.RequestHeadersToRemove = []string{"x-auth-user"} }, authenticator.ReasonPolicyError},
		{"/a%3Fdebug=1", func(d *policy.Decision) { d.QueryToRemove = []string{"debug"} }, authenticator.ReasonPathAmbiguous},
		{"/a%3Fdebug=1", func(d *policy.Decision) { d.QueryToSet = map[string][]string{"debug": {"0"}} }, authenticator.ReasonPathAmbiguous},
	} {
		_, _, ex := open(httptest.NewRequest("GET", test.target, nil))
		decision := policy.Decision{}
		test.change(&decision)
		if got, err := f.Check(ex, &decision); got != test.want || (err != nil) != (got == authenticator.ReasonPolicyError) {
			t.Errorf("%s: %q %v, want %q", test.target, got, err, test.want)
		}
	}
}
