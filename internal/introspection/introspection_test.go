package introspection

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/maypok86/otter/v2.periodicCleanUp[...]"))
}

// endpoint is an introspection endpoint for tests, with a clock.
type endpoint struct {
	t      *testing.T
	server *httptest.Server
	asked  atomic.Int64

	mu     sync.Mutex
	at     time.Time
	answer func(w http.ResponseWriter, r *http.Request)
	errors []string // what was reported
}

// active answers that a token is active, for ten minutes by default.
func active(w http.ResponseWriter, members string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"active": true, "sub": "user-1", "aud": "api"`+members+`}`)
}

// jsonAnswer answers with a body.
func jsonAnswer(status int, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func newEndpoint(t *testing.T) *endpoint {
	t.Helper()
	e := &endpoint{t: t, at: time.Unix(1_800_000_000, 0), answer: func(w http.ResponseWriter, _ *http.Request) { active(w, "") }}
	e.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.asked.Add(1)
		e.mu.Lock()
		answer := e.answer
		e.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(e.server.Close)
	return e
}

func (e *endpoint) now() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.at
}

func (e *endpoint) pass(d time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.at = e.at.Add(d)
}

func (e *endpoint) set(answer func(http.ResponseWriter, *http.Request)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = answer
}

func (e *endpoint) reported() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]string(nil), e.errors...)
}

// config returns a configuration for the endpoint.
func (e *endpoint) config() Config {
	return Config{
		URL: e.server.URL + "/introspect", Auth: oidc.ClientAuth{ID: "our client", Secret: "test&material"}, Cache: 30 * time.Second,
		Claims: token.Config{Audiences: []string{"api"}, Now: e.now},
		Report: func(err error) {
			e.mu.Lock()
			defer e.mu.Unlock()
			e.errors = append(e.errors, err.Error())
		},
	}
}

// client returns a client of the endpoint.
func (e *endpoint) client(change func(*Config)) *Client {
	e.t.Helper()
	config := e.config()
	if change != nil {
		change(&config)
	}
	c, err := New(config)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	return c
}

var home = netip.MustParseAddr("192.0.2.1")

// want asks about a token and compares the result: the id, or the reason or kind of the
// error.
func want(t *testing.T, c *Client, raw, want string) {
	t.Helper()
	active, err := c.Introspect(t.Context(), raw, home)
	if got := outcome(active.Identity, err); got != want {
		t.Errorf("%s: %s, want %s (%v)", raw, got, want, err)
	}
	if err != nil && (strings.Contains(err.Error(), "opaque") || strings.Contains(err.Error(), "material")) {
		t.Errorf("a secret in %v", err)
	}
}

func outcome(id *authenticator.Identity, err error) string {
	if refusal, ok := errors.AsType[*token.Error](err); ok {
		return string(refusal.Reason)
	}
	failure, unavailable := errors.AsType[*Unavailable](err)
	switch {
	case errors.Is(err, ErrThrottled):
		return "throttled"
	case unavailable && failure.Busy:
		return "busy"
	case unavailable && failure.RetryAfter <= 0:
		return "unavailable without Retry-After"
	case unavailable:
		return "unavailable"
	case err != nil:
		return err.Error()
	}
	return id.ID
}

// TestRequest: the token is in the body of a POST with client authentication, and
// nowhere else.
//
// R-INT-1
func TestRequest(t *testing.T) {
	private, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	encoded, _ := x509.MarshalPKCS8PrivateKey(private)
	key, err := oidc.ParseClientKey("client.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
	if err != nil {
		t.Fatal(err)
	}
	for name, auth := range map[string]oidc.ClientAuth{
		"default":         {ID: "our client", Secret: "test&material"},
		"basic":           {Method: "basic", ID: "our client", Secret: "test&material"},
		"post":            {Method: "post", ID: "our client", Secret: "test&material"},
		"private_key_jwt": {Method: "private_key_jwt", ID: "our client", Key: key, Audience: "https://id.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t)
			e.set(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || r.URL.String() != "/introspect" || r.Header.Get("Accept") != "application/json" ||
					r.PostFormValue("token") != "a/token+1==" || r.PostFormValue("token_type_hint") != "access_token" || r.Header["Idempotency-Key"] != nil {
					t.Errorf("%s %s %v %v", r.Method, r.URL, r.Header, r.PostForm)
				}
				id, secret, basic := r.BasicAuth()
				assertion := strings.Split(r.PostFormValue("client_assertion"), ".")
				switch {
				case name == "post":
					if basic || r.PostFormValue("client_id") != "our client" || r.PostFormValue("client_secret") != "test&material" {
						t.Error(r.PostForm)
					}
				case name == "private_key_jwt":
					claims, _ := base64.RawURLEncoding.DecodeString(assertion[1])
					var made struct{ Iss, Sub, Aud string }
					if json.Unmarshal(claims, &made) != nil || made.Iss != "our client" || made.Sub != "our client" || made.Aud != "https://id.example.com" || basic {
						t.Error(string(claims))
					}
				case !basic || id != "our+client" || secret != "test%26material" || r.PostFormValue("client_id") != "":
					t.Error(id, secret, r.PostForm)
				}
				active(w, "")
			})
			want(t, e.client(func(c *Config) { c.Auth = auth }), "a/token+1==", "user-1")
		})
	}
}

// TestAnswers: only a JSON object whose active is the boolean true makes a caller known;
// what says nothing about the token is an outage, and is reported.
//
// R-INT-2, R-INT-3, R-INT-7, R-401-6
func TestAnswers(t *testing.T) {
	typed := func(kind, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, test := range map[string]struct {
		answer   func(http.ResponseWriter, *http.Request)
		want     string
		reported string
	}{
		"active":             {jsonAnswer(200, `{"active":true,"sub":"a","aud":"api"}`), "a", ""},
		"inactive":           {jsonAnswer(200, `{"active":false}`), "token_revoked", ""},
		"inactive with sub":  {jsonAnswer(200, `{"active":false,"sub":"a","aud":"api"}`), "token_revoked", ""},
		"no active":          {jsonAnswer(200, `{"sub":"a","aud":"api"}`), "unavailable", "no active"},
		"null":               {jsonAnswer(200, `{"active":null,"sub":"a","aud":"api"}`), "unavailable", "no active"},
		"a text":             {jsonAnswer(200, `{"active":"true","sub":"a","aud":"api"}`), "unavailable", "a string"},
		"a number":           {jsonAnswer(200, `{"active":1,"sub":"a","aud":"api"}`), "unavailable", "a number"},
		"an object":          {jsonAnswer(200, `{"active":{},"sub":"a","aud":"api"}`), "unavailable", "an object"},
		"another case":       {jsonAnswer(200, `{"Active":true,"sub":"a","aud":"api"}`), "unavailable", "no active"},
		"twice":              {jsonAnswer(200, `{"active":false,"active":true,"sub":"a","aud":"api"}`), "unavailable", "two members"},
		"an array":           {jsonAnswer(200, `[{"active":true,"sub":"a","aud":"api"}]`), "unavailable", "not a JSON object"},
		"true":               {jsonAnswer(200, `true`), "unavailable", "not a JSON object"},
		"nothing":            {jsonAnswer(200, ``), "unavailable", "the response"},
		"something after":    {jsonAnswer(200, `{"active":true,"sub":"a","aud":"api"} {}`), "unavailable", "the response"},
		"201":                {jsonAnswer(201, `{"active":true,"sub":"a","aud":"api"}`), "unavailable", "201"},
		"401":                {jsonAnswer(401, `{"active":true,"sub":"a","aud":"api"}`), "unavailable", "does not accept this server"},
		"403":                {jsonAnswer(403, ``), "unavailable", "does not accept this server"},
		"400 for the client": {jsonAnswer(400, `{"error":"invalid_client"}`), "unavailable", "does not accept this server"},
		"400 for the token":  {jsonAnswer(400, `{"error":"invalid_request"}`), "unavailable", "400 invalid_request"},
		"500":                {jsonAnswer(500, `{"error":["x"]}`), "unavailable", "500"},
		"503":                {jsonAnswer(503, `no`), "unavailable", "503"},
		"a page":             {typed("text/html", `<!doctype html>`), "unavailable", "text/html"},
		"JSON as text":       {typed("text/plain", `{"active":true,"sub":"a","aud":"api"}`), "unavailable", "text/plain"},
		"no type":            {typed("", `{"active":true,"sub":"a","aud":"api"}`), "unavailable", "application/json"},
		"a charset":          {typed("application/json; charset=utf-8", `{"active":true,"sub":"a","aud":"api"}`), "a", ""},
		"a signed answer":    {typed("application/token-introspection+jwt", `e30.e30.e30`), "unavailable", "RFC 9701"},
		"too long":           {jsonAnswer(200, `{"active":true,"sub":"a","aud":"api","x":"`+strings.Repeat("x", maxAnswer)+`"}`), "unavailable", "64 KiB"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "unavailable", "redirect"},
		"broken off":          {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "100"); active(w, "") }, "unavailable", "broke off"},
		"a connection closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "unavailable", "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t)
			e.set(test.answer)
			want(t, e.client(nil), "opaque-token", test.want)
			reported := strings.Join(e.reported(), "\n")
			if (reported == "") != (test.reported == "") || !strings.Contains(reported, test.reported) || strings.Contains(reported, "opaque") || strings.Contains(reported, "material") {
				t.Errorf("reported %q", reported)
			}
			if name == "a redirect" && e.asked.Load() != 1 {
				t.Error("the redirect was followed")
			}
		})
	}
}

// TestCache: an active token is asked about again after the configured time, and never
// remembered beyond its exp; another one is remembered for a short time.
//
// R-INT-4
func TestCache(t *testing.T) {
	type step struct {
		after time.Duration
		want  string
		asked int64
	}
	for name, test := range map[string]struct {
		cache   time.Duration
		members string
		steps   []step
	}{
		"the configured time": {30 * time.Second, "", []step{{0, "user-1", 1}, {29 * time.Second, "user-1", 1}, {time.Second, "user-1", 2}}},
		"until exp":           {time.Hour, `,"exp":1800000020`, []step{{0, "user-1", 1}, {19 * time.Second, "user-1", 1}, {time.Second, "user-1", 2}, {59 * time.Second, "user-1", 3}, {time.Second, "token_expired", 4}}},
		"off":                 {0, "", []step{{0, "user-1", 1}, {0, "user-1", 2}}},
		"not accepted":        {time.Minute, `,"iss":5`, []step{{0, "token_malformed", 1}, {9 * time.Second, "token_malformed", 1}, {time.Second, "token_malformed", 2}}},
		"not accepted, off":   {0, `,"iss":5`, []step{{0, "token_malformed", 1}, {0, "token_malformed", 2}}},
		"a short time":        {2 * time.Second, `,"iss":5`, []step{{0, "token_malformed", 1}, {2 * time.Second, "token_malformed", 2}}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEndpoint(t)
			e.set(func(w http.ResponseWriter, _ *http.Request) { active(w, test.members) })
			c := e.client(func(c *Config) { c.Cache = test.cache })
			for i, step := range test.steps {
				e.pass(step.after)
				want(t, c, "opaque-token", step.want)
				if got := e.asked.Load(); got != step.asked {
					t.Errorf("step %d: asked %d times, want %d", i, got, step.asked)
				}
			}
		})
	}
	t.Run("a revoked token is accepted for the configured time at most", func(t *testing.T) {
		e := newEndpoint(t)
		c := e.client(nil)
		want(t, c, "token", "user-1")
		e.set(jsonAnswer(200, `{"active":false}`))
		e.pass(30*time.Second - 1)
		want(t, c, "token", "user-1")
		e.pass(1)
		want(t, c, "token", "token_revoked")
		if _, known := c.Cached("token"); known {
			t.Error("it is still known")
		}
	})
	t.Run("other tokens displace none that is active", func(t *testing.T) {
		e := newEndpoint(t)
		c := e.client(nil)
		want(t, c, "token", "user-1")
		for i := range 3 * maxDenied {
			c.cache.deny([32]byte{byte(i), byte(i >> 8), byte(i >> 16), 1}, ErrThrottled, e.now(), time.Minute)
		}
		c.cache.refused.CleanUp()
		if _, known := c.Cached("token"); !known || c.cache.refused.EstimatedSize() > maxDenied {
			t.Error(c.cache.refused.EstimatedSize(), "other tokens are remembered")
		}
	})
}

// TestRandomTokens: a thousand requests with tokens that do not exist are a bounded number
// of requests to the endpoint, and those of other networks go on.
//
// R-INT-6
func TestS21S28RandomTokens(t *testing.T) {
	e := newEndpoint(t)
	var most, running atomic.Int64
	e.set(func(w http.ResponseWriter, r *http.Request) {
		now := running.Add(1)
		defer running.Add(-1)
		for seen := most.Load(); now > seen && !most.CompareAndSwap(seen, now); seen = most.Load() {
		}
		if r.PostFormValue("token") == "good" {
			active(w, "")
			return
		}
		jsonAnswer(200, `{"active":false}`)(w, r)
	})
	c := e.client(nil)
	var all sync.WaitGroup
	var throttled atomic.Int64
	for i := range 1000 {
		all.Go(func() {
			if _, err := c.Introspect(t.Context(), fmt.Sprintf("random-%d", i), home); errors.Is(err, ErrThrottled) {
				throttled.Add(1)
			}
		})
	}
	all.Wait()
	if got := e.asked.Load(); got > maxInactive+maxRequests || got < maxInactive || throttled.Load() != 1000-got {
		t.Errorf("%d requests, %d throttled", got, throttled.Load())
	}
	if most.Load() > maxRequests {
		t.Errorf("%d requests at once", most.Load())
	}
	want(t, c, "random", "throttled")
	if good, err := c.Introspect(t.Context(), "good", netip.MustParseAddr("198.51.100.1")); err != nil || good.Identity.ID != "user-1" {
		t.Error(err)
	}
	want(t, c, "good", "user-1") // known by now
	e.pass(time.Second)
	want(t, c, "another", "token_revoked")
}

// TestS28WiderNetworks: a client with many networks of one provider is counted by the
// wider ones, too.
func TestS28WiderNetworks(t *testing.T) {
	l, now := newInactiveLimiter(), time.Unix(1_800_000_000, 0)
	for i := range 16 * maxInactive {
		l.count(netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 1, byte(i), byte(i >> 8)}), now)
	}
	if !l.exceeded(netip.MustParseAddr("2001:db8:1:eeee::1"), now) || l.exceeded(netip.MustParseAddr("2001:db8:2::1"), now) {
		t.Error("wrong networks")
	}
	if l.exceeded(netip.MustParseAddr("2001:db8:1:eeee::1"), now.Add(time.Second)) {
		t.Error("not forgotten")
	}
}

// TestSingleFlight: requests with one token at the same time ask once, and one that is
// given up does not end the others'.
//
// R-INT-6
func TestSingleFlight(t *testing.T) {
	e, arrived, answer := newEndpoint(t), make(chan struct{}), make(chan struct{})
	e.set(func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-answer
		active(w, "")
	})
	c := e.client(nil)
	ctx, leave := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := c.Introspect(ctx, "token", home)
		gone <- err
	}()
	<-arrived
	leave()
	if err := <-gone; err == nil {
		t.Error("no error")
	}
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() { want(t, c, "token", "user-1") })
	}
	close(answer)
	all.Wait()
	if got := e.asked.Load(); got != 1 {
		t.Errorf("%d requests", got)
	}
}

// TestBreaker: after failures in a row the endpoint is left alone, then tried once at a
// time; failures that may be due to a token count for that token alone.
//
// R-INT-6, R-401-6
func TestBreaker(t *testing.T) {
	e := newEndpoint(t)
	e.set(jsonAnswer(503, ``))
	c := e.client(nil)
	for i := range 20 {
		want(t, c, fmt.Sprint("token", i), "unavailable")
	}
	if got := e.asked.Load(); got != breakAfter {
		t.Errorf("%d requests", got)
	}
	if got := len(e.reported()); got != breakAfter {
		t.Errorf("%d reports", got)
	}
	if status := c.Status(); status.URL != c.config.URL || !strings.Contains(status.Error, "503") {
		t.Errorf("%+v", status)
	}
	for range 10 { // the pauses grow
		e.pass(maxPause)
		want(t, c, "token", "unavailable")
	}
	if got := e.asked.Load(); got != breakAfter+10 {
		t.Errorf("%d requests", got)
	}
	e.pass(maxPause - time.Nanosecond)
	want(t, c, "token", "unavailable")
	if got := e.asked.Load(); got != breakAfter+10 {
		t.Error("asked too early")
	}
	e.set(func(w http.ResponseWriter, _ *http.Request) { active(w, "") })
	e.pass(time.Nanosecond)
	want(t, c, "token", "user-1")
	want(t, c, "token2", "user-1")
	if status := c.Status(); status.Error != "" {
		t.Errorf("%+v", status)
	}

	e.set(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.PostFormValue("token"), "odd") {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		active(w, "")
	})
	for i := range 20 {
		want(t, c, fmt.Sprint("odd", i), "unavailable")
	}
	want(t, c, "odd0", "unavailable")
	want(t, c, "even", "user-1")
}

// TestBreakerTrial: one request at a time is sent after a pause, also while requests end
// that were sent before it.
func TestBreakerTrial(t *testing.T) {
	var b breaker
	now := time.Unix(1_800_000_000, 0)
	enter := func(wantWait time.Duration, wantTrial bool) {
		t.Helper()
		if wait, trial := b.enter(now); wait != wantWait || trial != wantTrial {
			t.Errorf("wait %s, trial %v", wait, trial)
		}
	}
	for range breakAfter {
		enter(0, false)
	}
	for range 16 { // those that were sent before the pause do not make it longer
		b.leave(now, down, false)
	}
	enter(firstPause, false)
	now = now.Add(firstPause)
	enter(0, true)
	enter(trialWait, false)
	b.leave(now, unclear, false)
	enter(trialWait, false)
	b.leave(now, unclear, true)
	enter(0, true) // an unclear answer ends the trial
	b.leave(now, down, true)
	enter(2*firstPause, false)
	now = now.Add(2 * firstPause)
	enter(0, true)
	b.leave(now, working, true)
	for range 2 { // not one at a time after an answer
		enter(0, false)
	}
}

// TestPanic: a panic while a token is asked about denies that request alone, and holds
// nothing.
func TestPanic(t *testing.T) {
	e := newEndpoint(t)
	panics := true
	c := e.client(func(c *Config) {
		c.Claims.Map = map[string][]string{"roles": {"roles"}}
		c.Claims.SkippedClaims = func([]string) {
			if panics {
				panic("opaque-token")
			}
		}
	})
	e.set(func(w http.ResponseWriter, _ *http.Request) { active(w, `,"groups":{}`) })
	for i := range 2 * maxRequests {
		want(t, c, fmt.Sprint("opaque-token", i), "unavailable")
	}
	panics = false
	e.pass(time.Minute)
	want(t, c, "opaque-token", "user-1")
}

// TestClose: a request that runs while a client is closed ends, and later ones are denied.
func TestClose(t *testing.T) {
	e, arrived := newEndpoint(t), make(chan struct{})
	e.set(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	})
	c := e.client(nil)
	done := make(chan struct{})
	go func() {
		want(t, c, "token", "unavailable")
		close(done)
	}()
	<-arrived
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	<-done
	want(t, c, "another", "unavailable")
	if len(e.reported()) > 0 {
		t.Error(e.reported())
	}
}

// TestS21S30Config: what cannot be asked, or not safely, is an error.
func TestS21S30Config(t *testing.T) {
	e := newEndpoint(t)
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"S-21 no audience":       {func(c *Config) { c.Claims.Audiences = nil }, "audience: missing"},
		"S-21 an empty audience": {func(c *Config) { c.Claims.Audiences = []string{""} }, "audience: empty"},
		"S-30 http":              {func(c *Config) { c.URL = "http://id.example.com/introspect" }, "want https"},
		"no URL":                 {func(c *Config) { c.URL = "id.example.com" }, "not a URL"},
		"a password in the URL":  {func(c *Config) { c.URL = "https://a:b@id.example.com" }, "not a URL"},
		"no client":              {func(c *Config) { c.Auth.ID = "" }, "client_id"},
		"no secret":              {func(c *Config) { c.Auth.Secret = "" }, "client_secret: missing"},
		"no secret for post":     {func(c *Config) { c.Auth = oidc.ClientAuth{ID: "a", Method: "post"} }, "client_secret is missing"},
		"no key":                 {func(c *Config) { c.Auth = oidc.ClientAuth{ID: "a", Method: "private_key_jwt"} }, "client_key is missing"},
		"S-29 a key and no issuer": {func(c *Config) {
			c.Auth = oidc.ClientAuth{ID: "a", Method: "private_key_jwt", Key: new(oidc.ClientKey)}
		}, "issuer is missing"},
		"a field": {func(c *Config) { c.Claims.Map = map[string][]string{"role": {"x"}} }, "map"},
	} {
		config := e.config()
		test.change(&config)
		if _, err := New(config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestS30LinkLocal: no request is sent to a link-local address, not even a configured one.
func TestS30LinkLocal(t *testing.T) {
	e := newEndpoint(t)
	c := e.client(func(c *Config) { c.URL = "https://169.254.169.254/introspect" })
	want(t, c, "token", "unavailable")
	if reported := strings.Join(e.reported(), "\n"); !strings.Contains(reported, "link-local") {
		t.Error(reported)
	}
}
