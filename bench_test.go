package policyauth

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"go.uber.org/zap"
)

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
