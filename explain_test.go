package policyauth

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
)

// kept returns what the admin API shows of the refusal of a request.
func kept(t *testing.T, id string) (map[string]any, string) {
	t.Helper()
	for _, route := range (admin.Admin{}).Routes() {
		if route.Pattern != "/policy_auth/decisions" {
			continue
		}
		recorder := httptest.NewRecorder()
		if err := route.Handler.ServeHTTP(recorder, httptest.NewRequest("GET", "/policy_auth/decisions?id="+id, nil)); err != nil {
			t.Fatal(err)
		}
		var found []map[string]any
		if err := json.Unmarshal(recorder.Body.Bytes(), &found); err != nil || len(found) != 1 {
			t.Fatalf("%v: %s", err, recorder.Body)
		}
		return found[0], recorder.Body.String()
	}
	t.Fatal("no endpoint")
	return nil, ""
}

// TestRefusalsAreKept: R-LOG-4, T-45. Each refusal is kept for an explanation, with
// who called and what policies saw, and without any credential.
func TestRefusalsAreKept(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(basicSite)
	everywhere := func(target, user string) *http.Request {
		r := get(target+"?sig="+canary+"&page=1", "Cookie", "s="+canary, "X-Api-Key", canary, "X-Vault-Token", canary, "Accept", "text/plain")
		if user != "" {
			r = asUser(r, user)
		}
		return r
	}
	tests := []struct {
		name   string
		r      *http.Request
		status int
		reason string
		user   string
		judged bool
	}{
		{"a known caller", everywhere("/admin/x", "bob"), 403, "policy_denied", "bob", true},
		{"nobody", everywhere("/private", ""), 401, "policy_denied", "", true},
		{"a bad password", everywhere("/private", "eve"), 401, "credentials_invalid", "", false},
		{"a huge request", func() *http.Request {
			r := everywhere("/admin/x", "bob")
			r.Header.Set("X-Long", strings.Repeat("x", 100_000))
			return r
		}(), 403, "policy_denied", "bob", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			logs.TakeAll()
			recorder, err := ask(h, test.r, new(reached))
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			id := recorder.Header().Get("X-Request-Id")
			if hint := logs.FilterMessage("request refused").All()[0].ContextMap()["explain"]; hint != "caddy policy-auth explain "+id {
				t.Errorf("the log says %v", hint)
			}
			found, shown := kept(t, id)
			if strings.Contains(shown, canary) || len(shown) > 50_000 {
				t.Errorf("%d bytes: %.2000s", len(shown), shown)
			}
			user, _ := found["user_id"].(string)
			if reason, _ := found["reason"].(string); !strings.HasPrefix(reason, test.reason) && reason != "credentials_missing" || user != test.user || found["judged"] != test.judged {
				t.Errorf("%v %v %v", found["reason"], user, found["judged"])
			}
			if cut := found["cut"] == true; cut != (test.name == "a huge request") {
				t.Errorf("cut: %v", cut)
			}
			input, _ := found["input"].(map[string]any)
			fields, _ := input["request"].(map[string]any)
			if headers, _ := fields["headers"].(map[string]any); headers["accept"] != "text/plain" || fields["id"] != id {
				t.Errorf("%v", fields)
			}
		})
	}
}
