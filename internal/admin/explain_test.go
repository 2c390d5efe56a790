package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
)

// TestRing: the latest refusals are kept, the newest first, and no more of a
// stranger's text than is of use.
func TestRing(t *testing.T) {
	r := newRing(maxDenials)
	all := func(decisionlog.Refusal) bool { return true }
	if got := r.latest(10, all); len(got) != 0 {
		t.Errorf("an empty ring has %v", got)
	}
	for i := range maxDenials + 3 {
		r.add(decisionlog.Refusal{ID: fmt.Sprint(i % 1002)})
	}
	got := r.latest(maxDenials+5, all)
	if len(got) != maxDenials || got[0].ID != "0" || got[1].ID != "1001" || got[maxDenials-1].ID != "3" {
		t.Errorf("%d refusals, from %s to %s", len(got), got[0].ID, got[len(got)-1].ID)
	}
	if found := r.latest(1, func(refusal decisionlog.Refusal) bool { return refusal.ID == "2" }); len(found) > 0 {
		t.Error("the oldest is still there")
	}
	bounded := decisionlog.Refusal{Path: strings.Repeat("é", 5000), Facts: []authenticator.Detail{{Name: "got", Value: strings.Repeat("x", 5000)}}}.Bounded().Complete()
	if len(bounded.Path) > 600 || len(bounded.Details["got"]) > 600 {
		t.Error("a long text is kept")
	}
}

// TestN47Unasked: what browsers ask for by themselves drives no refusal out, and is
// explained for a while all the same.
func TestN47Unasked(t *testing.T) {
	denials, automaticDenials = newRing(maxDenials), newRing(maxAutomaticDenials)
	RecordDenial(decisionlog.Refusal{ID: "page", Path: "/mail"})
	for i := range maxDenials {
		for _, path := range []string{"/favicon.ico", "/apple-touch-icon-120x120.png", "/apple-touch-icon.png", "/.well-known/appspecific/com.chrome.devtools.json"} {
			RecordDenial(decisionlog.Refusal{ID: fmt.Sprint(i), Path: path})
		}
	}
	if got := denials.latest(maxDenials, func(decisionlog.Refusal) bool { return true }); len(got) != 1 || got[0].ID != "page" {
		t.Errorf("%d refusals are kept", len(got))
	}
	if len(withID("page", 1)) != 1 || len(withID(fmt.Sprint(maxDenials-1), 1)) != 1 || len(withID("0", 1)) != 0 || len(automaticDenials.kept) != maxAutomaticDenials {
		t.Error("the latest of them are not found, or the first still is")
	}
	RecordDenial(decisionlog.Refusal{ID: "other", Path: "/icons/favicon.ico.txt"})
	if got := denials.latest(1, func(decisionlog.Refusal) bool { return true }); got[0].ID != "other" {
		t.Error("another file is taken for an icon")
	}
}

// call asks an endpoint of the admin API.
func call(t *testing.T, method, uri, contentType, body string) (int, string) {
	t.Helper()
	return callWith(t, method, uri, http.Header{"Content-Type": {contentType}, ChangeHeader: {"1"}}, body)
}

// callWith asks an endpoint with headers.
func callWith(t *testing.T, method, uri string, header http.Header, body string) (int, string) {
	t.Helper()
	for _, route := range (Admin{}).Routes() {
		r := httptest.NewRequest(method, uri, strings.NewReader(body))
		if r.URL.Path != route.Pattern && (!strings.HasSuffix(route.Pattern, "/") || !strings.HasPrefix(r.URL.Path, route.Pattern)) {
			continue
		}
		r.Header = header
		recorder := httptest.NewRecorder()
		err := route.Handler.ServeHTTP(recorder, r)
		if problem, ok := errors.AsType[caddy.APIError](err); ok {
			return problem.HTTPStatus, problem.Err.Error()
		}
		return recorder.Code, recorder.Body.String()
	}
	t.Fatalf("no endpoint %s", uri)
	return 0, ""
}

// acquire uses a policy until the test ends.
func acquire(t *testing.T, rules string) *policy.Engine {
	t.Helper()
	file := filepath.Join(t.TempDir(), "authz.rego")
	if err := os.WriteFile(file, []byte("package caddy.authz\n\n"+rules+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(file, past, past); err != nil {
		t.Fatal(err)
	}
	set, release, err := AcquirePolicies(policy.Config{Sources: []string{file}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return set
}

const canary = "canary-4711-test-material-only"

// TestDecisions: R-LOG-4, T-45. Refusals are listed without their input, and one
// is shown with it but without what looks like a credential.
func TestDecisions(t *testing.T) {
	denials = newRing(maxDenials)
	for i := range 3 {
		RecordDenial(decisionlog.Refusal{ID: fmt.Sprint("id-", i), Reason: authenticator.ReasonPolicyDenied, Input: json.RawMessage(`{"request": {"headers": {"x-vault-token": "` + canary + `", "accept": "a"}, "raw_query": "token=` + canary + `"}}`)})
	}
	tests := []struct {
		name, uri string
		status    int
		has, not  string
	}{
		{"all", "/policy_auth/decisions", 200, `"id":"id-2"`, `"input"`},
		{"some", "/policy_auth/decisions?limit=1", 200, `"id":"id-2"`, "id-1"},
		{"one", "/policy_auth/decisions?id=id-1", 200, `"accept":"a"`, canary},
		{"none", "/policy_auth/decisions?id=id-9", 404, "not among the last 1000 refusals", "["},
		{"too many", "/policy_auth/decisions?limit=1001", 400, "from 1 to 1000", "["},
		{"no number", "/policy_auth/decisions?limit=x", 400, "from 1 to 1000", "["},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := call(t, "GET", test.uri, "", "")
			if status != test.status || !strings.Contains(body, test.has) || strings.Contains(body, test.not) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	if status, _ := call(t, "POST", "/policy_auth/decisions", "", ""); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}

// relative returns a path from the working directory.
func relative(t *testing.T, path string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if path, err = filepath.Rel(dir, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestExplainEndpoint: R-LOG-4, T-50. Questions by id, by description and by input;
// a form of another site's page cannot ask one.
func TestExplainEndpoint(t *testing.T) {
	denials = newRing(maxDenials)
	set := acquire(t, "allow if {\n\tinput.request.method == \"GET\"\n\t\"admin\" in input.identity.roles\n}")
	input := `{"request": {"method": "GET", "path": "/p", "host": "h", "scheme": "https", "headers": {"authorization": "Bearer ` + canary + `"}}, "identity": {"authenticated": true, "id": "bob", "roles": ["member"]}}`
	RecordDenial(decisionlog.Refusal{ID: "judged", Judged: true, Reason: authenticator.ReasonPolicyDenied, Set: set.ID(), Revision: set.Status().Revision, Input: json.RawMessage(input)})
	RecordDenial(decisionlog.Refusal{ID: "old", Judged: true, Set: set.ID(), Revision: "before", Input: json.RawMessage(input)})
	RecordDenial(decisionlog.Refusal{ID: "unjudged", Reason: authenticator.ReasonTokenExpired, Set: set.ID(), Input: json.RawMessage(input)})
	RecordDenial(decisionlog.Refusal{ID: "gone", Judged: true, Set: "0123", Input: json.RawMessage(input)})
	const asJSON = "application/json"
	tests := []struct {
		name, contentType, body string
		status                  int
		has, not                string
	}{
		{"by id", asJSON, `{"id": "judged"}`, 200, `"text":"\"admin\" in input.identity.roles","outcome":"fails"`, canary},
		{"what if", asJSON, `{"id": "judged", "roles": ["admin"]}`, 200, `"allow":true`, canary},
		{"what if somebody else", asJSON, `{"id": "judged", "as": "alice"}`, 200, `"changes":["as alice"]`, "member"},
		{"an older revision", asJSON, `{"id": "old"}`, 200, "revision before then", canary},
		{"refused before policies", asJSON, `{"id": "unjudged"}`, 200, `"reason":"token_expired"`, `"at"`},
		{"refused before policies, as somebody", asJSON, `{"id": "unjudged", "as": "alice"}`, 200, `"at"`, canary},
		{"policies that are gone", asJSON, `{"id": "gone"}`, 409, "no longer in use", canary},
		{"an unknown id", asJSON, `{"id": "x"}`, 404, "not among", canary},
		{"a description", asJSON, `{"url": "https://h/p", "identity": {"id": "bob", "roles": ["admin"]}}`, 200, `"allow":true`, "denied"},
		{"a description with a set", asJSON, `{"method": "POST", "set": "` + set.ID() + `", "url": "https://h/p?access_token=` + canary + `", "headers": {"Authorization": "` + canary + `", "X-Secret": ["` + canary + `"]}}`, 200, `input.request.method == \"GET\"`, canary},
		{"an input", asJSON, `{"input": ` + input + `}`, 200, `"allow":false`, canary},
		{"a bad path", asJSON, `{"url": "https://h/a/%2e%2e/b"}`, 200, "dot_segment", `"at"`},
		{"a form", "application/x-www-form-urlencoded", `{"id": "judged"}`, 415, "application/json", "{"},
		{"text", "text/plain", `{"id": "judged"}`, 415, "application/json", "{"},
		{"no JSON", asJSON, `{`, 400, "id, set, method", canary},
		{"an unknown member", asJSON, `{"id": "judged", "role": "x"}`, 400, "without_roles", canary},
		{"nothing", asJSON, `{}`, 400, "one of id, url and input", canary},
		{"two things", asJSON, `{"id": "judged", "url": "https://h/"}`, 400, "one of id, url and input", canary},
		{"a set by its file", asJSON, `{"set": "` + set.Status().Sources[0] + `", "url": "https://h/"}`, 200, `"allow":false`, canary},
		{"a set by its file, as the Caddyfile has it", asJSON, `{"set": "` + relative(t, set.Status().Sources[0]) + `", "url": "https://h/"}`, 200, `"allow":false`, canary},
		{"an unknown set", asJSON, `{"url": "https://h/", "set": "nothing"}`, 409, set.ID(), canary},
		{"no identity", asJSON, `{"input": {}, "roles": ["admin"]}`, 400, "no identity", canary},
		{"a bad identity", asJSON, `{"url": "https://h/", "identity": {"rolls": []}}`, 400, "rolls", canary},
		{"a bad kind", asJSON, `{"url": "https://h/", "identity": {"id": "x", "kind": "usr"}}`, 400, "allowed: user client unknown guest anonymous", canary},
		{"a bad address", asJSON, `{"url": "https://h/", "client_ip": "1.2.3.4:5"}`, 400, "client_ip", canary},
		{"a bad URL", asJSON, `{"url": "/p"}`, 400, "absolute", canary},
		{"a password in the URL", asJSON, `{"url": "https://bob:` + canary + `@h/p"}`, 200, `"url":"https://h/p"`, canary},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			status, body := call(t, "POST", "/policy_auth/explain", test.contentType, test.body)
			if status != test.status || !strings.Contains(body, test.has) || strings.Contains(body, test.not) {
				t.Errorf("%d %s", status, body)
			}
		})
	}
	if status, _ := call(t, "GET", "/policy_auth/explain", asJSON, ""); status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", status)
	}
}
