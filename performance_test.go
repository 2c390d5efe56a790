package policyauth

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// handlerBudget is how many allocations the handler may add to an allowed request
// whose token and decision are remembered, where the server writes no access log:
// Caddy's own three to add a field to its line come with the line.
const handlerBudget = 4

// quietWriter is a response that discards what is written; unlike a recorder it costs nothing.
type quietWriter struct {
	header http.Header
	status int
}

func (w *quietWriter) Header() http.Header { return w.header }

func (w *quietWriter) Write(p []byte) (int, error) { return len(p), nil }

func (w *quietWriter) WriteHeader(status int) { w.status = status }

// hotSite is a site and a request that it allows, with all that can be
// remembered.
type hotSite struct {
	name, block string
	r           *http.Request
	budget      float64 // of allocations that the handler adds
}

// request returns the request, with a session where the site has them, unless it has a token.
func (s hotSite) request(t testing.TB, h *Handler) *http.Request {
	if h.site.HasForm() && s.r.Header["Authorization"] == nil {
		p := visitor(t, h)
		p.SignIn("/mail", "alice", canary)
		for name, value := range p.Cookies {
			s.r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
	}
	return s.r
}

// hotSites returns the sites that the handler's cost is held on: with as many
// more rules and keys than sites have.
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
	everything := formSite + "links\napp_passwords\nidentity_jwt {\n audience wiki\n issuer https://app.example.com\n }\n"
	return []hotSite{
		{"a token, any known caller", jwtSite, bearer, handlerBudget},
		{"a token, and a JWT for the upstream", jwtSite + "identity_jwt {\n audience wiki\n issuer https://app.example.com\n }\n", bearer, handlerBudget + 2}, // its header
		{"a token, Rego", jwtSite + "policies DIR/policies\n", bearer, handlerBudget},
		{"a token, 500 rules", jwtSite + "access DIR/many.yaml\n", bearer, handlerBudget},
		{"one of 500 keys", "api_key {\n keys DIR/keys.yaml\n }\n access DIR/many.yaml\n", get("/api/a", "X-API-Key", canary+"-of-sufficient-length-77"), handlerBudget},
		{"a password", "basic {\n users DIR/users.yaml\n }\n access DIR/many.yaml\n", asUser(get("/api/a"), "alice"), handlerBudget},
		{"a session", formSite, secure(get("/mail")), handlerBudget + 6},                                        // its cookie, and what keeps it alive
		{"a session, beside all that others may have", everything, secure(get("/mail")), handlerBudget + 6 + 2}, // and the header with the JWT
		{"a token, beside all that others may have", jwtSite + everything, get("/mail", "Authorization", bearer.Header.Get("Authorization")), handlerBudget + 2},
		{"anonymous", "access DIR/access.yaml\n", get("/public/a"), handlerBudget},
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

// deniedSite is a site, a request that it denies, and what that may cost.
type deniedSite struct {
	name, block string
	r           *http.Request
	status      int
	budget      float64 // of allocations that the handler adds, with its line in the log
}

// deniedSites returns what is held: what programs and people get, with Rego and an
// access table, and a challenge.
func deniedSites(t testing.TB, w *env) []deniedSite {
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if {\n\tinput.request.segments[0] == \"api\"\n\t\"admin\" in input.identity.roles\n\tinput.request.headers.accept\n}\n")
	token := "Bearer " + jwtOf(t, map[string]any{"roles": []string{"member"}})
	rego, table := jwtSite+"policies DIR/policies\n", jwtSite+"access DIR/access.yaml\n"
	program := []string{"Accept", "application/json", "Accept-Language", "en-GB,en;q=0.8", "User-Agent", "x", "X-Tenant", "blue", "Sec-Fetch-Mode", "cors"}
	browser := []string{"Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language", "de,en;q=0.8", "User-Agent", "x", "Sec-Fetch-Mode", "navigate"}
	known := func(header []string) []string { return append([]string{"Authorization", token}, header...) }
	return []deniedSite{
		{"a program, Rego", rego, get("/api/a", known(program)...), 403, 27},
		{"a program, a table", table, get("/admin/a", known(program)...), 403, 29},
		{"a person's page", table, get("/admin/a", known(browser)...), 403, 28},
		{"a 401 with a challenge", table, get("/api/a", program...), 401, 38},
	}
}

// denied returns what sends a request through a handler that denies it, with a log
// that is encoded and an access log that is asked for.
func denied(t testing.TB, h caddyhttp.MiddlewareHandler, site deniedSite) func() {
	t.Helper()
	site.r.RemoteAddr = "127.0.0.1:1234"
	server := &caddyhttp.Server{Logs: new(caddyhttp.ServerLogConfig)}
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { t.Fatal("it is allowed"); return nil })
	run := func() {
		w := &quietWriter{header: http.Header{}}
		clone := *site.r
		clone.Header = site.r.Header.Clone()
		prepared := caddyhttp.PrepareRequest(&clone, caddy.NewReplacer(), w, server)
		caddyhttp.SetVar(prepared.Context(), caddyhttp.ClientIPVarKey, "127.0.0.1")
		caddyhttp.SetVar(prepared.Context(), caddyhttp.TrustedProxyVarKey, false)
		if h == nil {
			return
		}
		if err := h.ServeHTTP(w, prepared, next); err != nil || w.status != site.status {
			t.Fatal(err, w.status)
		}
	}
	for range 1200 { // all that is kept of denied requests is there
		run()
	}
	return run
}

// encoding is a logger that encodes its lines as Caddy's does, and drops them.
func encoding() *zap.Logger {
	return zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(io.Discard), zapcore.InfoLevel))
}

// TestDeniedAllocations holds what a denial costs.
func TestDeniedAllocations(t *testing.T) {
	w := newEnv(t)
	for _, site := range deniedSites(t, w) {
		t.Run(site.name, func(t *testing.T) {
			h, _ := w.site(site.block)
			h.logTo(encoding())
			with, without := testing.AllocsPerRun(100, denied(t, h, site)), testing.AllocsPerRun(100, denied(t, nil, site))
			t.Logf("%v with, %v without", with, without)
			if with-without > site.budget {
				t.Errorf("the handler adds %v allocations, want at most %v", with-without, site.budget)
			}
		})
	}
}

// BenchmarkDenied measures the whole handler on the way of a denied request, beside
// none.
func BenchmarkDenied(b *testing.B) {
	w := newEnv(b)
	for i, site := range deniedSites(b, w) {
		h, _ := w.site(site.block)
		h.logTo(encoding())
		measure := func(name string, h caddyhttp.MiddlewareHandler) {
			b.Run(name, func(b *testing.B) {
				run := denied(b, h, site)
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
			})
		}
		if i == 0 {
			measure("no handler", nil)
		}
		measure(site.name, h)
	}
}

// TestT45DeniedBytes: nothing that a stranger sends makes a denial allocate more than a
// small multiple of the request's own size.
func TestT45DeniedBytes(t *testing.T) {
	const multiple, constant = 16, 16 << 10
	w := newEnv(t)
	h, _ := w.site(jwtSite + "access DIR/access.yaml\n")
	h.logTo(encoding())
	long := strings.Repeat("abcdefg,", 2<<10) // 16 KiB
	headers := func(count int) []string {
		var lines []string
		for i := range count {
			lines = append(lines, fmt.Sprintf("X-%d", i), "a")
		}
		return lines
	}
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"small", get("/api"), 401},
		{"a small page", get("/api", "Accept", "text/html", "Accept-Language", "fr"), 401},
		{"1,000 headers", get("/api", headers(1000)...), 401},
		{"1,000 lines of a header", get("/api", strings.Fields(strings.Repeat("X-A b ", 1000))...), 401},
		{"a path of 16 KiB", get("/" + strings.Repeat("a/b", 16<<10/3)), 401},
		{"a path of 16 KiB with escapes", get("/" + strings.Repeat("%61", 16<<10/3)), 400},
		{"a query of 16 KiB", get("/api?" + strings.Repeat("a=b&", 4<<10)), 401},
		{"a long Accept", get("/api", "Accept", strings.Repeat("a/b;q=0.1,", 2<<10)), 401},
		{"many lines of Accept", get("/api", strings.Fields(strings.Repeat("Accept text/html;q=0.1 ", 1000))...), 401},
		{"a long Accept-Language", get("/api", "Accept-Language", long, "Accept", "text/html"), 401},
		{"an Accept-Language of many", get("/api", "Accept-Language", strings.Repeat("de,", 170)), 401},
		{"a long token", get("/api", "Authorization", "Bearer "+strings.Repeat("a", 16<<10)), 401},
		{"long credentials of another scheme", get("/api", "Authorization", "Basic "+strings.Repeat("YWFh", 4<<10)), 401},
		{"long names of credentials", get("/api?"+strings.Repeat("token=a&", 2<<10), "X-Api-Key", long), 401},
		{"a long cookie", get("/api", "Cookie", "a="+long), 401},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			with, without := bytesOf(denied(t, h, deniedSite{r: test.r, status: test.status})), bytesOf(denied(t, nil, deniedSite{r: test.r}))
			size := uint64(len(test.r.RequestURI))
			for name, lines := range test.r.Header {
				for _, line := range lines {
					size += uint64(len(name) + len(line) + len(": \r\n"))
				}
			}
			t.Logf("%d bytes allocate %d", size, with-without)
			if with-without > constant+multiple*size {
				t.Errorf("a request of %d bytes allocates %d", size, with-without)
			}
		})
	}
}

// bytesOf returns how many bytes a run allocates.
func bytesOf(run func()) uint64 {
	const runs = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		run()
	}
	runtime.ReadMemStats(&after)
	return (after.TotalAlloc - before.TotalAlloc) / runs
}

// strangers is how many requests TestMemory makes, each with a path, a token and
// an address of its own: several times as many as anything is remembered of. With
// POLICY_AUTH_LONG it is a million.
func strangers() int {
	if os.Getenv("POLICY_AUTH_LONG") != "" {
		return 1_000_000
	}
	return 40_000
}

// TestMemory: what is remembered of strangers has an end: the second half of
// many requests takes no more memory than the first one, whether they are
// allowed, denied or come with a bad token.
func TestMemory(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if {\n\tinput.request.segments[0] == \"api\"\n\tinput.identity.claims.jti\n}\n")
	h, _ := w.site("insecure_http\n " + jwtSite + "policies DIR/policies {\n decision_cache 4MiB\n }\n")
	h.logTo(zap.NewNop())
	statuses, server := map[int]int{}, new(caddyhttp.Server)
	ask := func(i int) {
		path, token := fmt.Sprintf("/api/%d", i), jwtOf(t, map[string]any{"jti": fmt.Sprint(i)})
		switch i % 8 {
		case 0:
			path = fmt.Sprintf("/denied/%d", i)
		case 1:
			token += "x"
		}
		address := fmt.Sprintf("2001:db8:%x:%x::1", i>>16, i&0xffff)
		r := get(path, "Authorization", "Bearer "+token)
		r.RemoteAddr = "[" + address + "]:1234"
		writer := &statusWriter{quietWriter: quietWriter{header: http.Header{}}, status: http.StatusOK}
		prepared := caddyhttp.PrepareRequest(r, caddy.NewReplacer(), writer, server)
		caddyhttp.SetVar(prepared.Context(), caddyhttp.ClientIPVarKey, address)
		next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
		if err := h.ServeHTTP(writer, prepared, next); err != nil {
			t.Fatal(err)
		}
		statuses[writer.status]++
	}
	n := strangers()
	for i := range n / 2 {
		ask(i)
	}
	half := heap()
	for i := range n / 2 {
		ask(n/2 + i)
	}
	whole := heap()
	t.Logf("%d requests: %v, %.1f MB after half of them, %.1f MB after all", n, statuses, float64(half)/1e6, float64(whole)/1e6)
	if whole > half+4<<20 {
		t.Error("memory grows with the number of strangers")
	}
	if statuses[200] != n*6/8 || statuses[403] != n/8 || statuses[401] != n/8 {
		t.Errorf("statuses %v", statuses)
	}
}

// heap returns how many bytes are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what pools let go of in the first one
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// statusWriter is a response whose status is all that counts.
type statusWriter struct {
	quietWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) { w.status = status }

// TestIdleMemory: how much one more site takes before its first request.
func TestIdleMemory(t *testing.T) {
	const sites = 10
	tests := []struct {
		name, config string
		budget       uint64 // bytes for each site
	}{
		{"a table", "basic {\n users DIR/users.yaml\n }\n access DIR/%d/access.yaml", 100_000},
		{"a policy", "basic {\n users DIR/users.yaml\n }\n policies DIR/%d/authz.rego", 300_000},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newEnv(t)
			w.Write("users.yaml", "users:\n  alice:\n    password: $2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n")
			open := func(i int) {
				w.Write(fmt.Sprintf("%d/access.yaml", i), fmt.Sprintf("rules:\n  - paths: [/%d]\n    allow: [{authenticated: true}]\n", i))
				w.Write(fmt.Sprintf("%d/authz.rego", i), fmt.Sprintf("package caddy.authz\n\nallow if input.request.path == \"/%d\"\n", i))
				w.site("insecure_http\n " + fmt.Sprintf(test.config, i) + "\n")
			}
			open(0)
			before := heap()
			for i := range sites {
				open(i + 1)
			}
			each := (heap() - before) / sites
			t.Logf("%d bytes for each site", each)
			if each > test.budget {
				t.Errorf("%d bytes for each site; the budget is %d", each, test.budget)
			}
		})
	}
}

// BenchmarkAllow measures the whole handler on the way of an allowed request.
func BenchmarkAllow(b *testing.B) {
	w := newEnv(b)
	w.Write("policies/authz.rego", "package caddy.authz\n\nimport data.caddy.helpers\n\nallow if {\n\thelpers.under(\"/api\")\n\thelpers.has_role(\"member\")\n}\n")
	sites := map[string]string{
		"basic, any known caller": "basic {\n users DIR/users.yaml\n }\n",
		"basic, access table":     basicSite,
		"basic, Rego":             "basic {\n users DIR/users.yaml\n }\n policies DIR/policies\n",
		"anonymous, access table": basicSite,
	}
	next := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })
	for name, block := range sites {
		b.Run(name, func(b *testing.B) {
			h, _ := w.site(block)
			h.logTo(zap.NewNop())
			r := get("/public/api")
			if name != "anonymous, access table" {
				r = asUser(get("/api/documents/42"), "bob")
			}
			b.ReportAllocs()
			for b.Loop() {
				recorder := httptest.NewRecorder()
				clone := r.Clone(r.Context())
				clone.RemoteAddr = "127.0.0.1:1234"
				clone = caddyhttp.PrepareRequest(clone, caddy.NewReplacer(), recorder, nil)
				caddyhttp.SetVar(clone.Context(), caddyhttp.ClientIPVarKey, "127.0.0.1")
				if err := h.ServeHTTP(recorder, clone, next); err != nil || recorder.Code != 200 {
					b.Fatal(err, recorder.Code)
				}
			}
		})
	}
}
