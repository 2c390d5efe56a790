package login

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
)

// A request is pushed to the provider once the sign-in was counted, so that a stranger
// has the server send no more of them than sign-ins may begin; a failure has a page.
func TestN29Pushed(t *testing.T) {
	p := newProvided(t, nil)
	p.fake.Pushed = true
	if answer := p.signIn("/mail"); answer.Code != 303 || answer.Header().Get("Location") != "/mail" || p.fake.Seen("/par") != 1 {
		t.Fatalf("%d %v", answer.Code, answer.Header())
	}
	for range maxPerClient + 20 {
		p.visit("GET", p.URL("/mail", "", nil), nil)
	}
	if seen := p.fake.Seen("/par"); seen != maxPerClient {
		t.Errorf("%d requests were pushed", seen)
	}
	p = newProvided(t, func(c *oidc.Config) { c.ClientSecret = "another" })
	p.fake.Pushed = true
	answer := p.visit("GET", LoginPath, nil)
	if e := p.lastEvent(); answer.Code != 502 || strings.Contains(answer.Body.String(), "typing mistakes") || e.Err == nil || !strings.Contains(e.Err.Error(), "invalid_client") {
		t.Errorf("%d %s, event %+v", answer.Code, answer.Body, e)
	}
}
