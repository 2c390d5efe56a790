package policyauth

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/internal/pages/challengetest"
)

// refusals are what a policy may say of a refusal, by the first segment of the path.
const refusals = `package caddy.authz

allow := object.union({"allow": false}, refusals[input.request.segments[0]])

allow := object.get(input.config, "none", "yes") if input.request.path == "/text"

allow if input.request.path == "/open"

refusals := {
	"forbidden": {"status": 403},
	"proxy": {"status": 407},
	"unauthorized": {"status": 401},
	"elsewhere": {"status": 401, "headers": {"Location": "/login"}},
	"stored": {"status": 403, "headers": {"Cache-Control": "public, max-age=60", "ETag": "\"a\"", "Expires": "0", "Last-Modified": "0", "Age": "1"}},
	"varying": {"headers": {"Vary": "X-Tenant"}},
	"challenging": {"status": 401, "headers": {"WWW-Authenticate": "Custom realm=\"theirs\""}},
	"scope": {"challenge": {"scope": ["a", "b"]}},
	"quote": {"challenge": {"scope": ["a\"b"]}},
	"umlaut": {"challenge": {"scope": ["ä"]}},
	"empty": {"challenge": {"scope": [""]}},
	"many": {"challenge": {"scope": [sprintf("scope-number-%d", [i]) | some i in numbers.range(1, 60)]}},
	"fresh": {"challenge": {"acr_values": "urn:a urn:b", "max_age": 0}},
	"secret": {"reasons": ["on_sundays"], "message": "Not on Sundays."},
}
`

// TestPolicyAnswers: a policy's wishes become an answer that keeps the standards:
// R-401-3, R-401-4, R-401-5, R-403-1, R-403-2, R-403-6, R-CACHE-1, R-CACHE-2,
// R-BR-5, W4.
func TestPolicyAnswers(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", refusals)
	h, _ := w.site(jwtSite + "basic {\n users DIR/users.yaml\n }\n policies DIR/policies\n")
	token := "Bearer " + jwtOf(t, nil)
	both := []string{basicLine, bearerLine}
	tests := []struct {
		path             string
		anonymous, known int
		asked, told      []string // the challenges of the one and of the other
	}{
		{"/forbidden", 403, 403, nil, nil},
		{"/proxy", 500, 500, nil, nil},
		{"/unauthorized", 401, 401, both, both},
		{"/elsewhere", 401, 401, both, both},
		{"/stored", 403, 403, nil, nil},
		{"/varying", 401, 403, both, nil},
		{"/challenging", 401, 401, append(slices.Clone(both), `Custom realm="theirs"`), append(slices.Clone(both), `Custom realm="theirs"`)},
		{"/text", 401, 403, both, nil},
		{"/scope", 401, 403, both, []string{bearerLine + `, error="insufficient_scope", scope="a b"`}},
		{"/fresh", 401, 401, both, []string{basicLine, bearerLine + `, error="insufficient_user_authentication", acr_values="urn:a urn:b", max_age="0"`}},
		{"/secret", 401, 403, both, nil},
		{"/nothing/of/the/kind", 401, 403, both, nil},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			for _, r := range []*http.Request{get(test.path), get(test.path, "Authorization", token)} {
				status, challenges := test.anonymous, test.asked
				if r.Header.Get("Authorization") != "" {
					status, challenges = test.known, test.told
				}
				recorder, err := ask(h, r, new(reached))
				if err != nil || recorder.Code != status {
					t.Fatalf("%d %v, want %d", recorder.Code, err, status)
				}
				header := recorder.Header()
				if diff := cmp.Diff(challenges, header["Www-Authenticate"]); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
				vary := strings.Join(header["Vary"], ", ")
				if !strings.Contains(vary, "Accept, Accept-Language") || strings.Contains(vary, "X-Tenant") != (test.path == "/varying") {
					t.Errorf("Vary: %s", vary)
				}
				if body := recorder.Body.String(); strings.Contains(body, "authz") || strings.Contains(body, "Sundays") != (test.path == "/secret") || strings.Contains(body, "data.caddy") {
					t.Errorf("the body tells: %s", body)
				}
			}
		})
	}
}

// TestScopes: R-CH-12, R-BR-10, R-BR-11: a policy's scopes are sent as far as there
// is room, in whole words; one that cannot be sent at all is the policy's error.
func TestScopes(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", refusals)
	h, _ := w.site(jwtSite + "policies DIR/policies\n")
	for path, want := range map[string]int{"/many": 403, "/quote": 500, "/umlaut": 500, "/empty": 500} {
		recorder, err := ask(h, get(path, "Authorization", "Bearer "+jwtOf(t, nil)), new(reached))
		if err != nil || recorder.Code != want {
			t.Fatalf("%s: %d %v", path, recorder.Code, err)
		}
		challenges, err := challengetest.Read(recorder.Header())
		if err != nil || (len(challenges) == 1) != (want == 403) {
			t.Fatal(challenges, err)
		}
		if want != 403 {
			continue
		}
		scopes := strings.Fields(challenges[0].Params["scope"])
		if len(scopes) < 10 || challenges[0].Params["error"] != "insufficient_scope" || slices.ContainsFunc(scopes, func(s string) bool { return !strings.HasPrefix(s, "scope-number-") }) {
			t.Errorf("many scopes became %q", scopes)
		}
	}
}

// unread is a body that nobody may read.
type unread struct{ read bool }

func (u *unread) Read([]byte) (int, error) {
	u.read = true
	return 0, errors.New("it was read")
}

// TestElsewhere: R-BR-8, R-BR-9, R-401-10: what looks like a token in a body or,
// unless it is configured, in a query is none; it is the application's.
func TestElsewhere(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(jwtSite + "access DIR/access.yaml\n")
	token := jwtOf(t, nil)
	for _, contentType := range []string{"application/x-www-form-urlencoded", "application/json", "multipart/form-data; boundary=x", ""} {
		body := new(unread)
		r := post("/", "Content-Type", contentType, "Expect", "100-continue")
		r.Body, r.ContentLength = io.NopCloser(body), 100
		if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != 401 || body.read {
			t.Errorf("%s: %d %v, read: %v", contentType, recorder.Code, err, body.read)
		}
	}
	next := new(reached)
	r := post("/public/?access_token="+token+"&a=1", "Content-Type", "application/x-www-form-urlencoded")
	content := "access_token=" + token
	r.Body = io.NopCloser(strings.NewReader(content))
	if _, err := ask(h, r, next); err != nil || next.Request == nil {
		t.Fatal(err)
	}
	left, err := io.ReadAll(next.Request.Body)
	if err != nil || string(left) != content || next.Request.URL.RawQuery != "access_token="+token+"&a=1" {
		t.Errorf("the application got %q and %s, %v", left, next.Request.URL, err)
	}
	enabled, _ := w.site(jwtFrom("query access_token") + "access DIR/access.yaml\n")
	if recorder, _ := ask(enabled, post("/?access_token="+token), new(reached)); recorder.Code != 401 {
		t.Errorf("a token in the query of a POST: %d", recorder.Code)
	}
}
