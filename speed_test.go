package policyauth

import (
	"fmt"
	"net/http"
	"testing"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// handlerBudget is how many allocations the handler may add to an allowed request
// whose token and decision are remembered, where the server writes no access log:
// Caddy's own three to add a field to its line come with the line.
const handlerBudget = 4

// quietWriter is a response that nobody reads; unlike a recorder it costs nothing.
type quietWriter struct {
	header http.Header
	status int
}

func (w *quietWriter) Header() http.Header         { return w.header }
func (w *quietWriter) Write(p []byte) (int, error) { return len(p), nil }
func (w *quietWriter) WriteHeader(status int)      { w.status = status }

// hotSite is a site and a request that it allows, with all that can be
// remembered.
type hotSite struct {
	name, block string
	r           *http.Request
	budget      float64 // of allocations that the handler adds
}

// request returns the request, with a session where the site has them.
func (s hotSite) request(t testing.TB, h *Handler) *http.Request {
	if h.site.HasForm() {
		p := visitor(t, h)
		p.SignIn("/mail", "alice", canary)
		for name, value := range p.Cookies {
			s.r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	return s.r
}

// hotSites returns the sites that the handler's cost is held on: with as many
// rules and keys as nobody has.
func hotSites(t testing.TB, w *env) []hotSite {
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if {\n\tinput.request.segments[0] == \"api\"\n\t\"admin\" in input.identity.roles\n\tinput.request.headers.accept\n}\n")
	rules, keys := "rules:\n", "keys:\n"
	for i := range 500 {
		rules += fmt.Sprintf("  - paths: [/%d/*]\n    allow: [{roles: [admin]}]\n", i)
		keys += fmt.Sprintf("  - {id: k%d, hash: \"sha256:%s\", owner: ci, roles: [admin]}\n", i, sha(fmt.Sprintf("%s-of-sufficient-length-%d", canary, i)))
	}
	w.Write("many.yaml", rules+"  - paths: [/*]\n    allow: [{roles: [admin]}]\n")
	w.Write("keys.yaml", keys)
	bearer := get("/api/a", "Authorization", "Bearer "+jwtOf(t, map[string]any{"roles": []string{"admin"}}), "Accept", "a/b", "User-Agent", "x", "X-Tenant", "blue")
	return []hotSite{
		{"a token, any known caller", jwtSite, bearer, handlerBudget},
		{"a token, Rego", jwtSite + "policies DIR/policies\n", bearer, handlerBudget},
		{"a token, 500 rules", jwtSite + "access DIR/many.yaml\n", bearer, handlerBudget},
		{"one of 500 keys", "api_key {\n keys DIR/keys.yaml\n }\n access DIR/many.yaml\n", get("/api/a", "X-API-Key", canary+"-of-sufficient-length-77"), handlerBudget},
		{"a password", "basic {\n users DIR/users.yaml\n }\n access DIR/many.yaml\n", asUser(get("/api/a"), "alice"), handlerBudget},
		{"a session", formSite, secure(get("/mail")), handlerBudget + 6}, // its cookie, and what keeps it alive
		{"nobody", "access DIR/access.yaml\n", get("/public/a"), handlerBudget},
	}
}

// through returns what sends a request through a handler, prepared as Caddy
// prepares it.
func through(t testing.TB, h caddyhttp.MiddlewareHandler, r *http.Request) func() {
	t.Helper()
	r.RemoteAddr = "127.0.0.1:1234"
	served, server := false, new(caddyhttp.Server)
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { served = true; return nil })
	run := func() {
		w := &quietWriter{header: http.Header{}}
		clone := *r
		clone.Header = r.Header.Clone()
		prepared := caddyhttp.PrepareRequest(&clone, caddy.NewReplacer(), w, server)
		caddyhttp.SetVar(prepared.Context(), caddyhttp.ClientIPVarKey, "127.0.0.1")
		caddyhttp.SetVar(prepared.Context(), caddyhttp.TrustedProxyVarKey, false)
		served = false
		if err := h.ServeHTTP(w, prepared, next); err != nil || !served {
			t.Fatal(err, served)
		}
	}
	for range 300 { // what is remembered is, and looked at again once
		run()
	}
	return run
}

// passing is no handler.
type passing struct{}

func (passing) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

// TestAllocations holds what the handler adds to an allowed request, and that it
// does not grow with the number of rules and keys.
func TestAllocations(t *testing.T) {
	w := newEnv(t)
	for _, site := range hotSites(t, w) {
		t.Run(site.name, func(t *testing.T) {
			h, _ := w.site(site.block)
			h.logTo(zap.NewNop())
			r := site.request(t, h)
			with, without := testing.AllocsPerRun(100, through(t, h, r)), testing.AllocsPerRun(100, through(t, passing{}, r))
			t.Logf("%v with, %v without", with, without)
			if with-without > site.budget {
				t.Errorf("the handler adds %v allocations, want at most %v", with-without, site.budget)
			}
		})
	}
}

// BenchmarkHandler measures the whole handler on the way of an allowed request,
// beside none.
func BenchmarkHandler(b *testing.B) {
	w := newEnv(b)
	measure := func(name string, h caddyhttp.MiddlewareHandler, r *http.Request) {
		b.Run(name, func(b *testing.B) {
			run := through(b, h, r)
			b.ReportAllocs()
			for b.Loop() {
				run()
			}
		})
	}
	sites := hotSites(b, w)
	measure("no handler", passing{}, sites[0].r)
	for _, site := range sites {
		h, _ := w.site(site.block)
		h.logTo(zap.NewNop())
		measure(site.name, h, site.request(b, h))
	}
}
