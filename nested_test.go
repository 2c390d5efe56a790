package policyauth

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// pair is two handlers that one request passes: the first knows keys, the
// second passwords.
type pair struct {
	first, second         *Handler
	firstLogs, secondLogs *observer.ObservedLogs
}

// newPair makes a pair from the lines of its policy_auth blocks.
func newPair(t *testing.T, first, second string) *pair {
	t.Helper()
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, owner: build, roles: [robot], hash: \"sha256:"+sha(canary)+"\"}\n")
	w.Write("all.yaml", "rules:\n  - allow: [{anyone: true}]\n")
	p := new(pair)
	p.first, p.firstLogs = w.site(first)
	p.second, p.secondLogs = w.site(second)
	return p
}

// ask sends a request through both.
func (p *pair) ask(t *testing.T, r *http.Request, next *reached) *httptest.ResponseRecorder {
	t.Helper()
	recorder, err := ask(p.first, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return p.second.ServeHTTP(w, r, next)
	}))
	if err != nil {
		t.Fatal(err)
	}
	return recorder
}

// TestNested: T-65. Of two handlers both must allow, and one answers.
func TestNested(t *testing.T) {
	p := newPair(t, keySite, basicSite)
	tests := []struct {
		name            string
		r               *http.Request
		status          int
		asked, answered string // the logs that have a decision, and whose challenge it is
	}{
		{"both allow", asUser(get("/", "X-API-Key", canary), "bob"), 200, "12", ""},
		{"the first refuses", asUser(get("/"), "bob"), 401, "1", "ApiKey"},
		{"the second refuses", get("/", "X-API-Key", canary), 401, "12", "Basic"},
		{"the second forbids", asUser(get("/admin/", "X-API-Key", canary), "bob"), 403, "12", ""},
		{"a bad key", asUser(get("/", "X-API-Key", "x"), "bob"), 401, "1", "ApiKey"},
		{"a bad password", asUser(get("/", "X-API-Key", canary), "eve"), 401, "12", "Basic"},
		{"neither", get("/"), 401, "1", "ApiKey"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p.firstLogs.TakeAll()
			p.secondLogs.TakeAll()
			next := new(reached)
			recorder := p.ask(t, test.r, next)
			if recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Errorf("status %d, want %d", recorder.Code, test.status)
			}
			challenges := recorder.Header().Values("WWW-Authenticate")
			if len(challenges) > 1 || !strings.HasPrefix(strings.Join(challenges, ""), test.answered) || (len(challenges) == 0) != (test.answered == "") {
				t.Errorf("challenges %q", challenges)
			}
			if strings.Count(recorder.Body.String(), "<html") > 1 || strings.Count(recorder.Body.String(), `"status"`) > 1 {
				t.Errorf("two bodies: %s", recorder.Body)
			}
			asked := ""
			for i, logs := range []*observer.ObservedLogs{p.firstLogs, p.secondLogs} {
				if logs.Len() > 0 {
					asked += fmt.Sprint(i + 1)
				}
			}
			if asked != test.asked {
				t.Errorf("%s judged it, want %s", asked, test.asked)
			}
		})
	}
}

// TestNestedWarnsOnce: T-65. However many requests pass two handlers, the
// operator is told once.
func TestNestedWarnsOnce(t *testing.T) {
	p := newPair(t, keySite, basicSite)
	for range 3 {
		p.ask(t, asUser(get("/", "X-API-Key", canary), "bob"), new(reached))
	}
	warnings := func(logs *observer.ObservedLogs) int {
		return logs.FilterMessageSnippet("two policy_auth handlers").Len()
	}
	if warnings(p.firstLogs) != 0 || warnings(p.secondLogs) != 1 {
		t.Errorf("%d and %d warnings", warnings(p.firstLogs), warnings(p.secondLogs))
	}
}

// TestNestedIdentities: T-26, T-30, T-65. What one handler knows of the caller is not
// taken for what the other knows, and no credential goes further than them.
func TestNestedIdentities(t *testing.T) {
	names := "identity_headers {\n X-Auth-User id\n X-%s-Roles roles\n }\n"
	tests := []struct {
		name          string
		first, second string
		r             *http.Request
		want          map[string]string // what the upstream is told
		known         string            // who the second says it was
	}{
		{"two methods", keySite + fmt.Sprintf(names, "First"), basicSite + fmt.Sprintf(names, "Second"),
			asUser(get("/", "X-API-Key", canary), "bob"),
			map[string]string{"X-Auth-User": "bob", "X-First-Roles": "robot", "X-Second-Roles": "member"}, "bob"},
		{"one credential for both", basicSite + fmt.Sprintf(names, "First"), basicSite + fmt.Sprintf(names, "Second"),
			asUser(get("/", "X-Second-Roles", "root"), "bob"),
			map[string]string{"X-Auth-User": "bob", "X-First-Roles": "member", "X-Second-Roles": "member"}, "bob"},
		{"the second forwards credentials", basicSite, basicSite + "forward_credentials\n" + fmt.Sprintf(names, "Second"),
			asUser(get("/"), "bob"), map[string]string{"X-Auth-User": "bob", "X-First-Roles": "", "X-Second-Roles": "member"}, "bob"},
		{"the second knows nobody", keySite + fmt.Sprintf(names, "First"), "basic {\n users DIR/users.yaml\n }\n access DIR/all.yaml\n" + fmt.Sprintf(names, "Second"),
			get("/", "X-API-Key", canary, "X-Auth-User", "root", "X-Second-Roles", "root"),
			map[string]string{"X-Auth-User": "", "X-First-Roles": "robot", "X-Second-Roles": ""}, ""},
		{"the first knows nobody", "api_key {\n keys DIR/keys.yaml\n }\n access DIR/all.yaml\n" + fmt.Sprintf(names, "First"), basicSite + fmt.Sprintf(names, "Second"),
			asUser(get("/", "X-Auth-User", "root", "X-First-Roles", "root"), "bob"),
			map[string]string{"X-Auth-User": "bob", "X-First-Roles": "", "X-Second-Roles": "member"}, "bob"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, test.first, test.second)
			next := new(reached)
			if recorder := p.ask(t, test.r, next); next.Request == nil {
				t.Fatalf("refused: %d", recorder.Code)
			}
			for name, want := range test.want {
				if got := strings.Join(next.Request.Header.Values(name), "|"); got != want {
					t.Errorf("%s is %q, want %q", name, got, want)
				}
			}
			for _, name := range []string{"Authorization", "X-API-Key"} {
				if got := next.Request.Header.Values(name); len(got) > 0 {
					t.Errorf("the upstream got %s: %q", name, got)
				}
			}
			if told := fmt.Sprint(p.firstLogs.All(), p.secondLogs.All()); strings.Contains(told, canary) || strings.Contains(told, basicOf("bob")) {
				t.Errorf("a log holds a credential: %s", told)
			}
			for _, entry := range p.secondLogs.FilterField(zap.String("user_id", "ci")).All() {
				t.Errorf("the second's log has the first's caller: %v", entry)
			}
		})
	}
}

// TestNestedPlaceholders: T-30. Placeholders are those of the handler that judged
// last, also where it knew nobody or refused.
func TestNestedPlaceholders(t *testing.T) {
	const asked = "{http.auth.user.id} {http.auth.user.roles} {http.policy_auth.decision} {http.policy_auth.method}"
	tests := []struct {
		name   string
		second string
		r      *http.Request
		want   string
	}{
		{"both know the caller", basicSite, asUser(get("/", "X-API-Key", canary), "bob"), "bob member allow basic"},
		{"the second knows nobody", "basic {\n users DIR/users.yaml\n }\n access DIR/all.yaml\n", get("/", "X-API-Key", canary), "  allow "},
		{"the second refuses", basicSite, get("/", "X-API-Key", canary), "  deny "},
		{"the second forbids", "access DIR/access.yaml\nbasic {\n users DIR/users.yaml\n }\n", asUser(get("/admin/", "X-API-Key", canary), "bob"), "  deny basic"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, keySite, test.second)
			var got string
			_, err := ask(p.first, test.r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
				err := p.second.ServeHTTP(w, r, new(reached))
				got = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll(asked, "")
				return err
			}))
			if err != nil || got != test.want {
				t.Errorf("%q, want %q (%v)", got, test.want, err)
			}
		})
	}
}

// TestPlaceholdersAfterRequest: T-30. What placeholders tell of a request stays
// its own when the handler has served others since.
func TestPlaceholdersAfterRequest(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	type served struct {
		user string
		repl *caddy.Replacer
	}
	var all []served
	for i := range 8 {
		user := []string{"alice", "bob"}[i%2]
		if _, err := ask(h, asUser(get("/"), user), caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			all = append(all, served{user, r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)})
			return nil
		})); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(h, get("/"), new(reached)); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != 8 {
		t.Fatalf("%d requests were served", len(all))
	}
	for i, s := range all {
		if got, want := s.repl.ReplaceAll("{http.auth.user.id} {http.policy_auth.decision}", ""), s.user+" allow"; got != want {
			t.Errorf("request %d: %q, want %q", i, got, want)
		}
		if id, other := s.repl.ReplaceAll("{http.policy_auth.request_id}", ""), all[(i+1)%len(all)].repl.ReplaceAll("{http.policy_auth.request_id}", ""); id == "" || id == other {
			t.Errorf("request %d has the id %q, the next one %q", i, id, other)
		}
	}
}

// TestCombined: T-41, T-59, T-65, R-PAGE-13. A refused request gets one status
// and one body, and nothing behind the handler sees it; an allowed one is
// answered by the other directives as if the handler were not there.
func TestCombined(t *testing.T) {
	n := &testenv.Multisite{Env: testenv.New(t)}
	site := httptest.NewServer(n.Server(n.Caddyfile("8080", "")))
	t.Cleanup(site.Close)
	n.Try(t, site.Listener.Addr().String())
}

// TestOmittedMethod: T-11. A block that omits a method, or says less, takes nothing
// away from another one: what a narrower block does not say does not disable what
// the wider one asks for, whichever comes first. A block that says nothing is an
// error.
func TestOmittedMethod(t *testing.T) {
	const openSite = "access DIR/all.yaml\n"
	tests := []struct{ name, first, second string }{
		{"a second block without the method", keySite, openSite},
		{"a first block without the method", openSite, keySite},
		{"a second block with another method", keySite, basicSite},
		{"the same block twice", keySite, keySite},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, test.first, test.second)
			next := new(reached)
			if recorder := p.ask(t, get("/"), next); recorder.Code < 401 || recorder.Code > 403 || next.Request != nil {
				t.Errorf("a stranger: %d", recorder.Code)
			}
		})
	}
	if _, err := newEnv(t).provision(""); err == nil || !strings.Contains(err.Error(), "no method of authentication and no rules") {
		t.Errorf("a block that says nothing: %v", err)
	}
}
