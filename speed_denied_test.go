package policyauth

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

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
