//go:build e2e

package e2e

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"testing"
)

// The resources of the provider: the tokens of one are opaque, those of the other JWTs.
const (
	opaqueAudience = "https://api.example.com"
	jwtAudience    = "https://jwt.example.com"
)

// introspected is a certified provider with an introspection endpoint.
type introspected struct {
	t      *testing.T
	issuer string
	cmd    *exec.Cmd
}

// startIntrospected runs the provider. A public key as JWK adds the client "keyed".
func startIntrospected(t *testing.T, jwk ...string) *introspected {
	t.Helper()
	listen := port(t)
	p := &introspected{t, "http://localhost:" + listen, node(t, append([]string{"introspection.mjs", listen, opaqueAudience, jwtAudience}, jwk...)...)}
	if line := firstLine(t, p.cmd); line != "ready" {
		t.Fatal(line)
	}
	return p
}

// post sends a form as the client that gets tokens, and returns the members of the answer.
func (p *introspected) post(path string, form url.Values) map[string]any {
	p.t.Helper()
	r, err := http.NewRequest("POST", p.issuer+path, strings.NewReader(form.Encode()))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth("service", "test-material-not-a-secret")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(response.Body).Decode(&answer)
	if response.StatusCode != http.StatusOK {
		p.t.Fatal(path, response.StatusCode, answer)
	}
	return answer
}

// token returns a new access token for a resource.
func (p *introspected) token(resource string) string {
	p.t.Helper()
	issued, _ := p.post("/token", url.Values{"grant_type": {"client_credentials"}, "resource": {resource}})["access_token"].(string)
	if issued == "" || strings.Contains(issued, ".") != (resource == jwtAudience) {
		p.t.Fatalf("a token for %s: %q", resource, issued)
	}
	return issued
}

// asked returns how often the endpoint was asked about a token.
func (p *introspected) asked(token string) (times int) {
	p.t.Helper()
	_, _, tokens := do(p.t, "GET", p.issuer+"/asked", "")
	for asked := range strings.SplitSeq(tokens, "\n") {
		if asked == token {
			times++
		}
	}
	return times
}

// stop ends the provider.
func (p *introspected) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// introspectionSite has the same endpoint with a short and a long memory, with a wrong
// secret, and beside a jwt method.
const introspectionSite = `
	handle /short {
		policy_auth {
			introspection ISSUER/token/introspection {
				client_id api
				client_secret test-material-not-a-secret
				audience https://api.example.com
				map id client_id
				cache 1s
			}
		}
		respond "short {http.auth.user.id}"
	}
	handle /long {
		policy_auth {
			introspection ISSUER/token/introspection {
				client_id api
				client_secret test-material-not-a-secret
				audience https://api.example.com
				map id client_id
				cache 1h
			}
		}
		respond "long {http.auth.user.id}"
	}
	handle /other {
		policy_auth {
			introspection ISSUER/token/introspection {
				client_id api
				client_secret test-material-not-a-secret
				audience https://other.example.com
				map id client_id
			}
		}
		respond other
	}
	handle /secret {
		policy_auth {
			introspection ISSUER/token/introspection {
				client_id api
				client_secret a-wrong-test-material
				audience any
				map id client_id
			}
		}
		respond secret
	}
	handle /both {
		policy_auth {
			introspection ISSUER/token/introspection {
				client_id api
				client_secret test-material-not-a-secret
				audience https://api.example.com
				map id client_id
			}
			jwt ISSUER {
				audience https://jwt.example.com
			}
		}
		respond "both {http.auth.user.id}"
	}
`

// TestE2EIntrospection asks a certified provider about its opaque access tokens: those that
// are active, unknown or revoked, with a wrong secret, and when it is out of reach.
//
// R-INT-1, R-INT-2, R-INT-3, R-INT-4, R-INT-5, S-21
func TestE2EIntrospection(t *testing.T) {
	p := startIntrospected(t)
	s, site := newEnv(t).serve(strings.ReplaceAll(introspectionSite, "ISSUER", p.issuer))
	var used []string
	want := func(path, token string, status int, text string) http.Header {
		t.Helper()
		used = append(used, token)
		got, header, body := do(t, "GET", site+path, "", "Authorization", "Bearer "+token)
		challenged := strings.Contains(header.Get("WWW-Authenticate"), `error="invalid_token"`)
		if got != status || !strings.Contains(body, text) || challenged != (status == http.StatusUnauthorized) || (header.Get("Retry-After") != "") != (status == http.StatusServiceUnavailable) {
			t.Errorf("%s: %d %v %s, want %d %s", path, got, header, body, status, text)
		}
		return header
	}
	opaque := p.token(opaqueAudience)
	for range 3 {
		want("/long", opaque, 200, "long service")
	}
	want("/short", opaque, 200, "short service")
	if got := p.asked(opaque); got != 2 {
		t.Errorf("two clients asked %d times about one token", got)
	}
	want("/other", opaque, 401, "") // of another audience
	unknown := strings.Repeat("x", len(opaque))
	for range 3 {
		want("/long", unknown, 401, "")
	}
	if got := p.asked(unknown); got != 1 {
		t.Errorf("it was asked %d times about an unknown token", got)
	}
	want("/secret", p.token(opaqueAudience), 503, "")

	signed := p.token(jwtAudience)
	forged := signed[:strings.LastIndex(signed, ".")+1] + strings.Repeat("A", 86)
	want("/both", signed, 200, "both service")
	want("/both", opaque, 200, "both service")
	want("/both", forged, 401, "")
	if p.asked(signed)+p.asked(forged) != 0 {
		t.Error("S-21: the endpoint was sent a token of the jwt method")
	}

	p.post("/token/revocation", url.Values{"token": {opaque}})
	eventually(t, "a revoked token is refused", func() bool {
		status, _, _ := do(t, "GET", site+"/short", "", "Authorization", "Bearer "+opaque)
		return status == http.StatusUnauthorized
	})
	want("/short", opaque, 401, "")
	want("/long", opaque, 200, "long service") // as long as cache says

	late := p.token(opaqueAudience)
	p.stop()
	want("/short", late, 503, "")
	want("/long", late, 503, "")
	want("/long", opaque, 200, "long service")

	log := s.logged()
	for _, line := range []string{`"reason":"token_revoked"`, `"reason":"token_audience"`, `"reason":"keys_unavailable"`, "it does not accept this server as a client", "the introspection endpoint cannot be reached"} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %s", line)
		}
	}
	failed := false
	for line := range strings.Lines(log) {
		failed = failed || strings.Contains(line, `"msg":"token introspection failed"`) && strings.Contains(line, `"level":"error"`)
	}
	if !failed {
		t.Error("the operator is not told of failures")
	}
	for _, secret := range append(used, "test-material") {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s", secret)
		}
	}
}
