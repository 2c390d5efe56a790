package policyauth

import (
	"fmt"
	"net/http"
	"os"
	"runtime"
	"testing"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

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
