package policyauth

import (
	"cmp"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// upload is a next handler that reads the whole body.
type upload struct{ body string }

func (u *upload) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	content, err := io.ReadAll(r.Body)
	u.body = string(content)
	return err
}

// TestBody: T-46. A policy sees the whole body or the request is refused, and
// the next handler gets every byte of it.
func TestBody(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", "package caddy.authz\n\nallow if not input.request.body.admin\n")
	w.Write("aware/authz.rego", "package caddy.authz\n\nallow if input.request.body_truncated\n\nallow if input.request.body.ok\n")
	tests := []struct {
		name, policies, contentType, body string
		status                            int
	}{
		{"allowed", "p", "application/json", `{"x": 1}`, 200},
		{"none", "p", "application/json", "", 200},
		{"denied", "p", "application/json", `{"admin": true}`, 403},
		{"denied, in two spellings", "p", "application/json", `{"admin": true, "admin": false}`, 400},
		{"too large", "p", "application/json", `{"x": "` + strings.Repeat("y", 100) + `", "admin": true}`, 413},
		{"no JSON", "p", "application/json", `{"admin": true`, 400},
		{"as gRPC", "p", "application/grpc", `{"admin": true}`, 415},
		{"aware", "aware", "application/json", `{"ok": true}`, 200},
		{"aware, too large", "aware", "application/json", strings.Repeat("y", 100), 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site("policies DIR/" + test.policies + "\n body {\n max_size 64B\n }\n")
			r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			r.Header.Set("Accept", "application/problem+json")
			next := new(upload)
			recorder, err := ask(h, r, next)
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			if test.status == 200 && next.body != test.body {
				t.Errorf("the next handler gets %q", next.body)
			}
			refusals := logs.FilterMessage("request refused").All()
			if test.status == 200 || test.status == 403 {
				return
			}
			if len(refusals) != 1 || !strings.HasPrefix(refusals[0].ContextMap()["codes"].(string), "body_") || refusals[0].ContextMap()["reason"] != "body_refused" {
				t.Errorf("log %v", refusals)
			}
			want := map[int]string{413: "too_large"}[test.status]
			if body := recorder.Body.String(); !strings.Contains(body, `"class":"`+cmp.Or(want, "bad_body")+`"`) {
				t.Errorf("answer %s", body)
			}
		})
	}
}

// TestBodyUnread: a body is not touched unless a policy reads it.
func TestBodyUnread(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	r := asUser(httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrClosedPipe)), "bob")
	if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != 200 {
		t.Errorf("%d %v", recorder.Code, err)
	}
}

// TestDecisionEffects: what an allow does to the request beside its headers.
func TestDecisionEffects(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package caddy.authz

allow := {
	"allow": true,
	"query_parameters_to_remove": ["debug"],
	"query_parameters_to_set": {"tenant": "blue"},
	"dynamic_metadata": {"tenant": {"name": "{env.HOME}"}},
	"cache": {"ttl": "5s"},
}
`)
	h, _ := w.site("policies DIR/p\n")
	var query, name string
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		query = r.URL.RawQuery
		name = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll("{http.policy_auth.vars.tenant.name}", "")
		return nil
	})
	if recorder, err := ask(h, get("/?debug=1&a=2&tenant=red"), next); err != nil || recorder.Code != 200 || query != "a=2&tenant=blue" || name != "{env.HOME}" {
		t.Errorf("%d %v, %s, %s", recorder.Code, err, query, name)
	}
}
