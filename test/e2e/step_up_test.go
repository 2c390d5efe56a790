//go:build e2e

package e2e

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// stepUpTable asks for more on three paths.
const stepUpTable = `rules:
  - paths: [/strong/*]
    allow: [{acr: [phr, phrh], max_age: 5m}]
  - paths: [/deploy/*]
    allow: [{acr: [phr], scopes: [deploy, write]}]
  - paths: [/scopes/*]
    allow: [{scopes: [deploy, write]}]
  - paths: [/*]
    allow: [{authenticated: true}]
`

// bearerChallenge sends a token and returns the status and the challenge of Bearer.
func bearerChallenge(t *testing.T, address, token string) (status int, challenge string) {
	t.Helper()
	header := []string{"Accept", "application/json"}
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	status, h, _ := do(t, "GET", address, "", header...)
	for _, line := range h.Values("Www-Authenticate") {
		if strings.HasPrefix(line, "Bearer") {
			challenge = line
		}
	}
	return status, challenge
}

// Programs whose tokens lack only what an access table asks for learn all that a new
// token needs; an anonymous caller learns nothing of it (R-SU-1, R-SU-2, R-SU-3, R-SU-4).
func TestE2EStepUpTokens(t *testing.T) {
	issuer, w := newTokenIssuer(t), newEnv(t)
	w.Write("access.yaml", stepUpTable)
	s, site := w.serve("policy_auth {\n jwt " + issuer.URL + " {\n audience api\n }\n access DIR/access.yaml\n }\n respond reached")
	now := time.Now().Unix()
	strong := map[string]any{"acr": "phr", "auth_time": now - 60}
	for _, test := range []struct {
		name, path string
		claims     map[string]any
		status     int
		challenge  []string // parts
	}{
		{"all there", "/strong/a", strong, 200, nil},
		{"no class", "/strong/a", map[string]any{"auth_time": now - 60}, 401, []string{`error="insufficient_user_authentication"`, `acr_values="phr phrh"`, `max_age="300"`}},
		{"too old", "/strong/a", map[string]any{"acr": "phr", "auth_time": now - 3600}, 401, []string{`error="insufficient_user_authentication"`, `acr_values="phr phrh"`, `max_age="300"`}},
		{"no auth_time", "/strong/a", map[string]any{"acr": "phr"}, 401, []string{`error="insufficient_user_authentication"`, `max_age="300"`}},
		{"class and scopes", "/deploy/a", map[string]any{"scope": "write"}, 401, []string{`error="insufficient_user_authentication"`, `acr_values="phr"`, `scope="deploy write"`}},
		{"scopes beside a class", "/deploy/a", strong, 403, []string{`error="insufficient_scope"`, `scope="deploy write"`}},
		{"scopes", "/scopes/a", map[string]any{"scope": "read"}, 403, []string{`error="insufficient_scope"`, `scope="deploy write"`}},
		{"all scopes", "/scopes/a", map[string]any{"scope": "write deploy"}, 200, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			claims := map[string]any{"sid": "1"}
			maps.Copy(claims, test.claims)
			status, challenge := bearerChallenge(t, site+test.path, issuer.sign(t, "ES256", claims))
			missing := slices.ContainsFunc(test.challenge, func(part string) bool { return !strings.Contains(challenge, part) })
			if status != test.status || missing {
				t.Errorf("%d %s\n%s", status, challenge, s.logged())
			}
		})
	}
	for _, path := range []string{"/strong/a", "/deploy/a", "/scopes/a"} {
		status, challenge := bearerChallenge(t, site+path, "")
		if status != 401 || challenge == "" || strings.Contains(challenge, "error=") || strings.Contains(challenge, "acr_values") || strings.Contains(challenge, "max_age") || strings.Contains(challenge, "scope=") {
			t.Errorf("anonymous on %s: %d %s", path, status, challenge)
		}
	}
}

// A person with a session is sent to the provider for what an access table asks for, and
// gets in after it. If the provider does not satisfy it, a page says so, without a loop
// (R-SU-5, R-OID-15).
func TestE2EStepUpSession(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	w.Write("access.yaml", stepUpTable)
	satisfies := true
	fake.IDToken = func(_ string, _, claims map[string]any) {
		asked := fake.Asked()
		if classes := asked[len(asked)-1].Get("acr_values"); classes != "" && satisfies {
			claims["acr"] = strings.Fields(classes)[0]
		}
	}
	s, site := w.serve("policy_auth {\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n }\n access DIR/access.yaml\n }\n respond \"reached {http.request.uri}\"")
	f := newFollower(t)
	if status, _, page := f.open(site+"/mail", nil); status != 200 || page != "reached /mail" {
		t.Fatalf("%d %s\n%s", status, page, s.logged())
	}
	to := redirects(f)
	if status, end, page := f.open(site+"/strong/door?n=2", nil); status != 200 || end != site+"/strong/door?n=2" || page != "reached /strong/door?n=2" {
		t.Fatalf("%d %s %s\n%s", status, end, page, s.logged())
	}
	asked := fake.Asked()
	if len(asked) != 2 || asked[1].Get("acr_values") != "phr phrh" || asked[1].Get("max_age") != "300" {
		t.Errorf("the provider was asked with %v", asked)
	}
	if len(*to) == 0 || !strings.Contains((*to)[0], "acr_values=phr+phrh&max_age=300") {
		t.Errorf("redirected to %v", *to)
	}

	satisfies = false
	f = newFollower(t)
	f.open(site+"/mail", nil)
	to = redirects(f)
	status, _, page := f.open(site+"/strong/door", nil)
	if status != 403 || !strings.Contains(page, "acr_values=phr") || len(fake.Asked()) != 4 || len(*to) != 3 {
		t.Errorf("unmet: %d after %v\n%s", status, *to, page)
	}
	if status, _, page := f.open(site+"/mail", nil); status != 200 || page != "reached /mail" {
		t.Errorf("the session from before: %d %s", status, page)
	}
}

// redirects records where a browser is sent from now on.
func redirects(f *follower) *[]string {
	to := new([]string)
	f.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		*to = append(*to, r.URL.String())
		return nil
	}
	return to
}

// A session ends some time after the user signed in at the provider, and the next
// navigation signs in again with max_age. A provider that sends no auth_time is refused
// without a loop (R-SES-4, R-OID-15).
func TestE2EMaxAuthAge(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	authTime := time.Now().Add(-time.Minute + 4*time.Second).Unix() // the session has 4 seconds left
	fake.IDToken = func(_ string, _, claims map[string]any) {
		if len(fake.Asked()) == 1 {
			claims["auth_time"] = authTime
		}
	}
	s, site := w.serve("policy_auth {\n session {\n max_auth_age 1m\n }\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n }\n }\n respond \"reached {http.request.uri}\"")
	f := newFollower(t)
	if status, _, page := f.open(site+"/mail", nil); status != 200 || page != "reached /mail" {
		t.Fatalf("%d %s\n%s", status, page, s.logged())
	}
	if got := fake.Asked()[0].Get("max_age"); got != "60" {
		t.Errorf("the provider was asked with max_age %q", got)
	}
	eventually(t, "an expired session", func() bool {
		u, _ := url.Parse(site)
		status, _, _ := do(t, "GET", site+"/api", "", "Accept", "application/json", "Cookie", cookieLine(f, u))
		return status == 401
	})
	if log := s.logged(); !strings.Contains(log, `"reason":"session_expired"`) {
		t.Error(log)
	}
	if status, _, page := f.open(site+"/mail", nil); status != 200 || page != "reached /mail" || len(fake.Asked()) != 2 {
		t.Errorf("again: %d %s\n%s", status, page, s.logged())
	}

	fake.Set(func(p *oidctest.Provider) {
		p.IDToken = func(_ string, _, claims map[string]any) { delete(claims, "auth_time") }
	})
	status, _, page := newFollower(t).open(site+"/mail", nil)
	if status != 403 || strings.Contains(page, "reached") || len(fake.Asked()) != 3 {
		t.Errorf("no auth_time: %d %s\n%s", status, page, s.logged())
	}
}

// cookieLine is what a browser sends to a site.
func cookieLine(f *follower, to *url.URL) string {
	var pairs []string
	for _, cookie := range f.Jar.Cookies(to) {
		pairs = append(pairs, cookie.Name+"="+cookie.Value)
	}
	return strings.Join(pairs, "; ")
}
