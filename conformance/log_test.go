package conformance

import (
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/admin"
)

// TestN52Hint: behind a proxy that ends TLS and is not in trusted_proxies, the log
// names trusted_proxies and the peer's address, for a credential and on the
// sign-in page; without a proxy, it does not blame one.
func TestN52Hint(t *testing.T) {
	w := newEnv(t)
	for name, h := range map[string]struct{ block, path string }{
		"a credential": {basicSite, "/"},
		"a sign-in":    {strings.Replace(basicSite, "basic", "login form", 1), "/.policy_auth/login"},
	} {
		for proto, want := range map[string]string{"https": "trusted_proxies static 203.0.113.9", "http": "insecure_http", "": "insecure_http"} {
			site, logs := w.site(h.block)
			r := get("http://example.com" + h.path)
			if h.path == "/" {
				r = asUser(r, "bob")
			}
			r.RemoteAddr = "203.0.113.9:1234"
			if proto != "" {
				r.Header.Set("X-Forwarded-Proto", proto)
			}
			if recorder, _ := ask(site, r, new(reached)); recorder.Code != 403 {
				t.Errorf("%s: %d", name, recorder.Code)
			}
			hint := ""
			for _, entry := range logs.All() {
				if text, ok := entry.ContextMap()["hint"].(string); ok {
					hint = text
				}
			}
			if !strings.Contains(hint, want) || strings.Contains(hint, "203.0.113.9") != (proto == "https") {
				t.Errorf("%s, %q: the log hints at %q", name, proto, hint)
			}
		}
	}
}

// TestProxyHint: where rules ask for networks, the log names the peer whose forwarding
// headers hide the client's address, and only there.
func TestProxyHint(t *testing.T) {
	w := newEnv(t)
	w.Write("net.yaml", "rules:\n  - {paths: [/*], allow: [{networks: [10.0.0.0/8]}]}\n")
	w.Write("net.rego", "package caddy.authz\n\nimport data.caddy.helpers\n\nallow if helpers.in_network(\"10.0.0.0/8\")\n")
	w.Write("net-asked.rego", "package caddy.authz\n\nallow if data.caddy.access.allow\n")
	for _, test := range []struct {
		block, forwarded string
		want             bool
	}{
		{"access DIR/net.yaml", "10.1.1.1", true},
		{"access DIR/net.yaml", "", false},
		{"policies DIR/net.rego", "10.1.1.1", true},
		{"access DIR/net.yaml\npolicies DIR/net-asked.rego", "10.1.1.1", true},
		{"access DIR/access.yaml", "10.1.1.1", false},
		{"access DIR/access.yaml\npolicies DIR/net-asked.rego", "10.1.1.1", false},
	} {
		site, logs := w.site(test.block)
		r := get("/admin/")
		r.RemoteAddr = "203.0.113.9:1234"
		if test.forwarded != "" {
			r.Header.Set("X-Forwarded-For", test.forwarded)
		}
		if recorder, _ := ask(site, r, new(reached)); recorder.Code != 401 && recorder.Code != 403 {
			t.Errorf("%s: %d", test.block, recorder.Code)
		}
		hint, _ := logs.FilterMessage("request refused").All()[0].ContextMap()["hint"].(string)
		if strings.Contains(hint, "trusted_proxies static 203.0.113.9") != test.want {
			t.Errorf("%s, %q: the log hints at %q", test.block, test.forwarded, hint)
		}
	}
}

// TestN57Candidate: the log and what is kept for explain name the subject of a token
// that its issuer has signed and that is refused for another reason; of a forged one
// they name no subject. No answer names it.
func TestN57Candidate(t *testing.T) {
	w := newEnv(t)
	bearer := func(claims map[string]any) string { return "Bearer " + jwtOf(t, claims) }
	past := time.Now().Add(-time.Hour).Unix()
	forged := func(raw string) string { return raw[:len(raw)-6] + "AAAAAA" }
	site := jwtSite + "access DIR/access.yaml\n"
	tests := []struct {
		name, block, header, value string
		reason, candidate          string
	}{
		{"N-57 expired", site, "Authorization", bearer(map[string]any{"exp": past}), "token_expired", "svc"},
		{"N-57 of another audience", site, "Authorization", bearer(map[string]any{"aud": "other"}), "token_audience", "svc"},
		{"N-57 not yet valid", site, "Authorization", bearer(map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}), "token_not_yet_valid", "svc"},
		{"N-57 bound", site, "Authorization", bearer(map[string]any{"cnf": map[string]any{"jkt": "x"}}), "token_unbound", "svc"},
		{"N-57 a claim that is required", strings.Replace(site, "audience", "require hd x\naudience", 1), "Authorization", bearer(nil), "credentials_invalid", "svc"},
		{"N-57 expired, in a cookie", strings.Replace(site, "audience", "from cookie t\naudience", 1), "Cookie", "t=" + jwtOf(t, map[string]any{"exp": past}), "credentials_missing", "svc"},
		{"N-57 forged", site, "Authorization", forged(bearer(nil)), "token_signature", ""},
		{"N-57 forged and expired", site, "Authorization", forged(bearer(map[string]any{"exp": past})), "token_expired", ""},
		{"N-57 forged and of another audience", site, "Authorization", forged(bearer(map[string]any{"aud": "other"})), "token_audience", ""},
		{"N-57 of another issuer", site, "Authorization", bearer(map[string]any{"iss": "https://other.example"}), "token_issuer", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			answer, err := ask(h, get("/x", test.header, test.value, "Accept", "application/json"), new(reached))
			if err != nil || answer.Code != 401 || strings.Contains(answer.Body.String(), "svc") {
				t.Fatalf("%d %s %v", answer.Code, answer.Body, err)
			}
			lines := logs.FilterMessage("request refused").All()
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			fields := lines[0].ContextMap()
			if got, _ := fields["candidate"].(string); got != test.candidate || fields["reason"] != test.reason {
				t.Errorf("the log says %v", fields)
			}
			id, _ := fields["request_id"].(string)
			refusal, _ := kept(t, id)
			if got, _ := refusal["candidate"].(string); got != test.candidate {
				t.Errorf("explain has %q", got)
			}
		})
	}
}

// TestDecisionLog: T-45, R-BR-12. Who listens gets a line for each decision that
// a policy made, without a credential; without it, no entry is made.
func TestDecisionLog(t *testing.T) {
	w := newEnv(t)
	h, logs := w.SiteWithDecisions(basicSite)
	_, _ = ask(h, asUser(get("/admin/", "Cookie", "session="+canary), "bob"), new(reached))
	_, _ = ask(h, asUser(get("/"), "alice"), new(reached))
	_, _ = ask(h, basic(get("/"), "alice", "wrong"), new(reached)) // no policy is asked
	entries := logs.All()
	if len(entries) != 2 {
		t.Fatalf("%d lines", len(entries))
	}
	encoded, err := json.Marshal(entries[0].ContextMap())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"path":"caddy/access/decision"`, `"allow":false`, `"username":"bob"`, `"authorization":"[redacted]"`} {
		if !strings.Contains(string(encoded), want) {
			t.Errorf("no %s in %s", want, encoded)
		}
	}
	if strings.Contains(string(encoded), canary) {
		t.Error("a credential is in the decision log")
	}
}

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

// TestDenialsAreKept: R-LOG-4, T-45. Each refusal is kept for an explanation, with
// who called and what policies saw, and without any credential.
func TestDenialsAreKept(t *testing.T) {
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
		{"anonymous", everywhere("/private", ""), 401, "policy_denied", "", true},
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

// TestBearerHint: the log says what a credential lacks that is sent in the wrong way.
func TestBearerHint(t *testing.T) {
	h, logs := newEnv(t).site(jwtSite + "access DIR/access.yaml\n")
	for sent, want := range map[string]string{
		canary: "without a scheme: tokens", "Bearer " + canary: "add from bearer", "Bearer a.b.c": "",
	} {
		logs.TakeAll()
		if _, err := ask(h, get("/", "Authorization", sent), new(reached)); err != nil {
			t.Fatal(err)
		}
		hint, _ := logs.FilterMessage("request refused").All()[0].ContextMap()["hint"].(string)
		if !strings.Contains(hint, want) || want == "" && hint != "" {
			t.Errorf("%q: the log hints at %q", sent, hint)
		}
	}
}

// TestN53UnreadCredentials: where a request has a credential that no method reads, the log
// names it, the problem document says where it stands, and neither shows it.
func TestN53UnreadCredentials(t *testing.T) {
	h, logs := newEnv(t).site(jwtSite + "access DIR/access.yaml\n")
	tests := []struct {
		name, target string
		header       []string
		logged       string
		told         string
	}{
		{"a password", "/", []string{"Authorization", basicOf("alice")}, "Authorization Basic", `"unread_credentials":["authorization"]`},
		{"a key", "/", []string{"X-Api-Key", canary}, "X-Api-Key", `"unread_credentials":["header"]`},
		{"a token without a scheme", "/", []string{"Authorization", canary}, "Authorization without a scheme", `"unread_credentials":["authorization"]`},
		{"a parameter", "/?access_token=" + canary, nil, "?access_token", `"unread_credentials":["query"]`},
		{"none", "/", nil, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			logs.TakeAll()
			recorder, err := ask(h, get(test.target, append(test.header, "Accept", "application/json")...), new(reached))
			if err != nil || recorder.Code != 401 {
				t.Fatal(recorder.Code, err)
			}
			lines := logs.FilterMessage("request refused").All()
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			fields := lines[0].ContextMap()
			got, _ := fields["unread_credential"].(string)
			hint, _ := fields["hint"].(string)
			if got != test.logged || (test.logged != "") != strings.Contains(hint, "no method of this site reads") {
				t.Errorf("logged %q, %q", got, hint)
			}
			if body := recorder.Body.String(); !strings.Contains(body, test.told) || test.told == "" && strings.Contains(body, "unread") || strings.Contains(body, canary) {
				t.Error(body)
			}
			for _, value := range fields {
				if text, ok := value.(string); ok && slices.ContainsFunc(strings.Fields(text), func(word string) bool { return strings.Contains(word, canary) }) {
					t.Errorf("the log holds the credential: %v", fields)
				}
			}
		})
	}
}

// TestN11HiddenReadDeadlines: where a handler before this one hides read deadlines, one warning
// says that connections outlast their answers.
func TestN11HiddenReadDeadlines(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", "package caddy.authz\n\nallow if input.request.body.ok\n")
	h, logs := w.site("policies DIR/p\n")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			r := httptest.NewRequest("POST", "/", server)
			r.ContentLength = 100
			r.Header.Set("Content-Type", "application/json")
			if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != http.StatusRequestTimeout {
				t.Errorf("%d %v", recorder.Code, err)
			}
		})
	}
	const warning = "a client that sends no body keeps its HTTP/1.1 connection"
	if got := logs.FilterMessageSnippet(warning).Len(); got != 1 {
		t.Errorf("%d warnings", got)
	}
}
