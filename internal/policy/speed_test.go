package policy

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// speed is the policy that the speed is measured with, which tools/bench/run
// measures as well, and data for it.
var speed = []string{"../../cmd/bench/policy", "testdata/speed"}

// uncached returns what decides.
func uncached(t testing.TB) func() {
	set := open(t, Config{Sources: speed, DecisionCache: NoCache})
	decide, r := speedDecision(t, set), speedRequest()
	return func() { decide(r) }
}

// speedDecision returns what decides about a request of one caller.
func speedDecision(t testing.TB, set *Engine) func(*http.Request) {
	caller := (&authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: "alice", Claims: speedClaims}).Normalize()
	facts := request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	constants, config := NewConstants(nil), new(request.Config)
	return func(r *http.Request) {
		in := Input{Request: request.New(r, facts, config), Identity: caller, Config: constants}
		if decision := set.Decide(context.Background(), in); !decision.Allow {
			t.Fatal(decision)
		}
	}
}

// speedSteps are the steps of a decision and what each may allocate.
func speedSteps(t testing.TB) []speedStep {
	set := open(t, Config{Sources: speed})
	decide, r := speedDecision(t, set), speedRequest()
	caller := (&authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: "alice", Claims: speedClaims}).Normalize()
	asked := request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
	current, constants, document, key := set.live.Load(), NewConstants(nil), request.Document{Identity: caller}, make([]byte, 0, 512)
	parts, known := current.projection, current.identities.Get(caller)
	run := current.evaluator.begin()
	gather := func() {
		document.Reset()
		document.Identity = caller
		asked.FillDocument(&document, &asked.Readings()[0], parts.parts)
	}
	makeKey := func() { gather(); key = parts.appendKey(known.AppendKey(key[:0]), &document, constants) }
	cache, serial := current.cache, 0
	decided := set.Decide(t.Context(), Input{Request: asked, Identity: caller, Config: constants}).Decision
	again := func() (decision.Decision, time.Duration) { return decided, 0 }
	makeKey()
	cache.Put(key, decided, caller)
	return []speedStep{
		{"input", 3, func() {
			gather()
			run.project(parts, &document, constants.term, known.Term())
			fillObject(run.input, parts.input, nil)
		}},
		{"key", 0, makeKey},
		{"key and lookup", 0, func() {
			makeKey()
			if _, ok := cache.Get(key, again); !ok {
				t.Fatal("forgotten")
			}
		}},
		{"hit", 1, func() { decide(r) }}, // the request that is asked about
		{"miss", 139, func() {
			serial++
			r.URL.Path = "/api/v1/orders/" + strconv.Itoa(serial)
			decide(r)
		}},
	}
}

// speedStep is one step of a decision.
type speedStep struct {
	name   string
	budget float64 // in allocations
	run    func()
}

// BenchmarkSteps measures the steps of a decision one by one.
func BenchmarkSteps(b *testing.B) {
	for _, step := range speedSteps(b) {
		b.Run(step.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				step.run()
			}
		})
	}
}

// naive returns what decides as one would write it first.
func naive(t testing.TB) func() {
	query, err := rego.New(rego.Query("data.caddy.authz.allow"), rego.Load(speed, nil)).PrepareForEval(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := speedRequest()
	return func() {
		headers := map[string]any{}
		for name, values := range r.Header {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
		input := map[string]any{
			"request": map[string]any{
				"method": r.Method, "host": r.Host, "path": r.URL.Path, "headers": headers, "query": r.URL.Query(),
				"segments": strings.Split(strings.TrimPrefix(r.URL.Path, "/"), "/"),
			},
			"client":   map[string]any{"ip": "192.0.2.1"},
			"identity": map[string]any{"authenticated": true, "id": "alice", "claims": speedClaims},
		}
		if results, err := query.Eval(context.Background(), rego.EvalInput(input)); err != nil || !results.Allowed() {
			t.Fatal(results, err)
		}
	}
}

// speedRequest has four segments and twelve headers.
func speedRequest() *http.Request {
	r := httptest.NewRequest(http.MethodGet, "http://api.example.com/api/v1/orders/42", nil)
	r.Header.Set("X-Tenant", "north")
	for _, name := range []string{
		"User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Referer", "Origin",
		"Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site", "Cache-Control", "Priority",
	} {
		r.Header.Set(name, "some value of this header")
	}
	return r
}

// speedClaims are ten.
var speedClaims = map[string]any{
	"iss": "https://id.example.com", "aud": "https://api.example.com", "sub": "alice", "jti": "1", "tenant": "north",
	"email": "alice@example.com", "name": "Alice", "scope": "openid profile", "azp": "spa", "acr": "1",
}
