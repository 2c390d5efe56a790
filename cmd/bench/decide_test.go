package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// BenchmarkUncached is a decision with its input that nothing remembers, beside
// the same by a map and rego.EvalInput with OPA's defaults.
func BenchmarkUncached(b *testing.B) {
	w, err := newWorld(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "http://api.example.com/api/v1/orders/42", nil)
	r.RemoteAddr = "127.0.0.1:1234"
	r.Header.Set("X-Tenant", "north")
	for _, name := range []string{"User-Agent", "Accept", "Accept-Language", "Accept-Encoding", "Referer", "Sec-Fetch-Dest", "Sec-Fetch-Mode", "Sec-Fetch-Site"} {
		r.Header.Set(name, "some value of this header")
	}
	claims := jwt.MapClaims{"iss": issuer, "aud": audience, "sub": person(7), "tenant": "north", "email": "user-0007@example.com", "jti": "1"}
	b.Run("policy_auth", func(b *testing.B) {
		set, err := policy.Open(policy.Config{Sources: []string{w.dir + "/policy"}, DecisionCache: policy.NoCache}, func(policy.Report) {})
		if err != nil {
			b.Fatal(err)
		}
		defer set.Close()
		caller := (&identity.Identity{Authenticated: true, Kind: identity.KindUser, ID: person(7), Claims: claims}).Normalize()
		facts := request.Facts{ID: func() string { return "id" }, ClientIP: "127.0.0.1", PeerIP: "127.0.0.1"}
		constants := policy.NewConstants(nil)
		b.ReportAllocs()
		for b.Loop() {
			in := policy.Input{Request: request.New(r, facts, new(request.Config)), Identity: caller, Config: constants}
			if decision := set.Decide(b.Context(), in); !decision.Allow {
				b.Fatal(decision)
			}
		}
	})
	b.Run("rego.EvalInput", func(b *testing.B) {
		query, err := rego.New(rego.Query("data.caddy.authz.allow"), rego.Load([]string{w.dir + "/policy"}, nil)).PrepareForEval(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if results, err := query.Eval(b.Context(), rego.EvalInput(document(r, claims))); err != nil || !results.Allowed() {
				b.Fatal(results, err)
			}
		}
	})
}
