package oidc

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// refreshed is a sign-in and a refresh of it, between which the provider changes.
func (b *bench) refreshed(change func(*oidctest.Provider)) (*Grant, error) {
	b.t.Helper()
	g := b.mustSignIn()
	b.pass(6 * time.Minute)
	b.fake.Set(change)
	return b.client.Refresh(b.t.Context(), g)
}

// noIDToken makes answers to a refresh leave the ID token out.
func noIDToken(grant string, answer map[string]any) {
	if grant == "refresh_token" {
		delete(answer, "id_token")
	}
}

// Groups and roles that are taken away at the provider are gone after a refresh whose
// answer has no ID token. What the ID token of the sign-in said stays.
func TestRefreshedUserinfo(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Tokens = noIDToken
	b.fake.Claims["groups"], b.fake.Claims["roles"] = []string{"staff", "admin"}, []string{"owner"}
	b.fake.IDToken = func(_ string, _, claims map[string]any) {
		claims["name"], claims["acr"] = "Alice of the ID token", "gold"
	}
	g, err := b.refreshed(func(p *oidctest.Provider) {
		p.Claims["groups"], p.Claims["name"], p.Claims["acr"] = []string{"staff"}, "Alice of userinfo", "lead"
		delete(p.Claims, "roles")
	})
	if err != nil || g.Identity == nil {
		t.Fatalf("got %+v, %v", g, err)
	}
	id := g.Identity
	if !slices.Equal(id.Groups, []string{"staff"}) || len(id.Roles) != 0 || id.Name != "Alice of the ID token" || id.ACR != "gold" || id.AuthTime != g.AuthTime || id.ExpiresAt != 0 {
		t.Errorf("got %+v", id)
	}
	b.fake.Set(func(p *oidctest.Provider) { delete(p.Claims, "groups") })
	if g, err = b.client.Refresh(t.Context(), g); err != nil || len(g.Identity.Groups) != 0 || g.Identity.Email == "" {
		t.Errorf("the second time: %+v, %v", g, err)
	}
	g.IDToken = "" // as an older version kept a long one
	if g, err = b.client.Refresh(t.Context(), g); err != nil || g.Identity != nil {
		t.Errorf("without an ID token: %+v, %v", g, err)
	}
}

// TestS10RefreshedUserinfoGone: what userinfo says no longer is unknown after a refresh
// without an ID token, as at a sign-in.
func TestS10RefreshedUserinfoGone(t *testing.T) {
	b := newBench(t, nil)
	b.fake.Tokens = noIDToken
	b.fake.Claims["groups"] = []string{"staff"}
	answers := &answering{}
	b.client.config.Client.Transport = answers.over(b.client.config.Client.Transport)
	g := b.mustSignIn()
	answers.status = http.StatusForbidden
	g, err := b.client.Refresh(t.Context(), g)
	if err != nil || len(g.Identity.Groups) != 0 || !slices.Contains(g.Identity.Unknown, "groups") {
		t.Errorf("got %+v, %v", g, err)
	}
}

// When a user signed in is unknown where the ID token does not say it: the user may
// have done so at the provider long before.
func TestS10AuthTimeNotTold(t *testing.T) {
	b := newBench(t, nil)
	b.fake.IDToken = func(_ string, _, claims map[string]any) { delete(claims, "auth_time") }
	g := b.mustSignIn()
	if g.Identity.AuthTime != 0 || !slices.Equal(g.Identity.Unknown, []string{"auth_time"}) {
		t.Errorf("got %+v", g.Identity)
	}
	if g, err := b.client.Refresh(t.Context(), g); err != nil || g.Identity.AuthTime != 0 || !slices.Equal(g.Identity.Unknown, []string{"auth_time"}) {
		t.Errorf("refreshed: %+v, %v", g, err)
	}
	_, err := b.signIn(StepUp{MaxAge: 60})
	if f := failure(t, err, http.StatusForbidden); f.Reason != "step_up_required" {
		t.Errorf("with max_age: %v", f)
	}
}

// How a user signed in stays known when a newer ID token does not repeat it, and is
// replaced when it says something else.
func TestRefreshedACR(t *testing.T) {
	for name, test := range map[string]struct {
		acr, amr any // of the refreshed ID token; nil for none
		wantACR  string
		wantAMR  []string
		unknown  []string
	}{
		"left out":             {nil, nil, "gold", []string{"mfa"}, []string{}},
		"another":              {"lead", []string{"pwd"}, "lead", []string{"pwd"}, []string{}},
		"S-10 of foreign form": {true, 7, "", []string{}, []string{"acr", "amr"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.fake.IDToken = func(grant string, _, claims map[string]any) {
				claims["acr"], claims["amr"] = "gold", []string{"mfa"}
				if grant == "refresh_token" {
					claims["acr"], claims["amr"] = test.acr, test.amr
				}
			}
			g := b.mustSignIn()
			for range 2 { // what was kept once is kept again
				var err error
				if g, err = b.client.Refresh(t.Context(), g); err != nil {
					t.Fatal(err)
				}
			}
			if id := g.Identity; id.ACR != test.wantACR || !slices.Equal(id.AMR, test.wantAMR) || !slices.Equal(id.Unknown, test.unknown) {
				t.Errorf("got %+v", id)
			}
		})
	}
}

// answering has the endpoints of a provider answer otherwise, from outside of it.
type answering struct {
	path        string // "" for /userinfo
	status      int    // 0 for the provider's own answer
	body        string
	contentType string
}

// over returns a transport that answers for the provider.
func (a *answering) over(inner http.RoundTripper) http.RoundTripper { return roundTrip{a, inner} }

type roundTrip struct {
	*answering
	inner http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (r roundTrip) RoundTrip(request *http.Request) (*http.Response, error) {
	path := r.path
	if path == "" {
		path = "/userinfo"
	}
	if r.status == 0 || request.URL.Path != path {
		return r.inner.RoundTrip(request)
	}
	return &http.Response{
		StatusCode: r.status, Header: http.Header{"Content-Type": {r.contentType}, "Retry-After": {"7"}},
		Body: io.NopCloser(strings.NewReader(r.body)), Request: request,
	}, nil
}

// CloseIdleConnections lets go of what the inner transport holds.
func (r roundTrip) CloseIdleConnections() {
	if inner, ok := r.inner.(interface{ CloseIdleConnections() }); ok {
		inner.CloseIdleConnections()
	}
}

// Of the errors of the token endpoint those about the user end a session; those about
// how the client is registered do not, and the operator is told of them.
func TestRefreshErrors(t *testing.T) {
	for _, test := range []struct {
		status int
		body   string
		ends   bool
	}{
		{400, `{"error":"invalid_grant"}`, true},
		{403, `{"error":"invalid_grant"}`, true},
		{400, `{"error":"interaction_required"}`, true},
		{400, `{"error":"consent_required"}`, true},
		{400, `{"error":"login_required"}`, true},
		{400, `{"error":"account_selection_required"}`, true},
		{403, `{"error":"access_denied"}`, true},
		{403, `{"error":"mfa_required"}`, true},
		{401, `{"error":"invalid_client"}`, false},
		{400, `{"error":"unauthorized_client"}`, false},
		{400, `{"error":"invalid_request"}`, false},
		{400, `{"error":"invalid_scope"}`, false},
		{400, `{"error":"unsupported_grant_type"}`, false},
		{400, `{"error":"server_error"}`, false},
		{400, `{"error":{"code":400}}`, false},
		{400, `<html>`, false},
		{200, `<html>`, false},
		{429, `{"error":"access_denied"}`, false},
		{503, `{"error":"login_required"}`, false},
	} {
		t.Run(test.body+" "+http.StatusText(test.status), func(t *testing.T) {
			b := newBench(t, nil)
			answers := &answering{path: "/token", body: test.body}
			b.client.config.Client.Transport = answers.over(b.client.config.Client.Transport)
			g := b.mustSignIn()
			answers.status = test.status
			_, err := b.client.Refresh(t.Context(), g)
			if test.ends {
				failure(t, err, http.StatusUnauthorized)
			} else if failure(t, err, http.StatusServiceUnavailable); len(b.told) != 1 {
				t.Errorf("told %v", b.told)
			}
		})
	}
}

// A userinfo endpoint that says nothing about the user ends no session, and the
// refresh token that was given meanwhile is kept. At a sign-in it is an error.
func TestUserinfoTrouble(t *testing.T) {
	for name, test := range map[string]struct {
		answer answering
		signIn int  // status of the failure
		ends   bool // the session
		says   string
	}{
		"too many requests":     {answering{status: 429}, 503, false, "429"},
		"out of order":          {answering{status: 500}, 503, false, "500"},
		"a page":                {answering{status: 200, body: "<html>maintenance", contentType: "text/html"}, 502, false, "text/html"},
		"an object without sub": {answering{status: 200, body: `{"message":"maintenance"}`}, 502, false, "no sub"},
		"another method":        {answering{status: 405}, 502, false, "userinfo off"},
		"a refused token":       {answering{status: 401}, 502, true, "userinfo off"},
		"about another":         {answering{status: 200, body: `{"sub":"user-2"}`}, 502, true, "another user"},
	} {
		for _, tokens := range []func(string, map[string]any){nil, noIDToken} {
			t.Run(name, func(t *testing.T) {
				b := newBench(t, nil)
				b.fake.Tokens = tokens
				answers := &answering{}
				b.client.config.Client.Transport = answers.over(b.client.config.Client.Transport)
				g := b.mustSignIn()
				*answers = test.answer
				renewed, err := b.client.Refresh(t.Context(), g)
				if (err != nil) != test.ends {
					t.Fatalf("got %+v, %v", renewed, err)
				}
				if err == nil && (renewed.Identity != nil || renewed.RefreshToken == g.RefreshToken || b.client.NeedsRefresh(renewed) || len(b.told) != 1) {
					t.Errorf("got %+v, told %v", renewed, b.told)
				}
				_, err = b.signIn(NoStepUp)
				if f := failure(t, err, test.signIn); !strings.Contains(f.Error(), test.says) || test.signIn == 503 && f.RetryAfter != 7*time.Second && test.answer.status == 429 {
					t.Errorf("sign-in: %v, retry after %s", f, f.RetryAfter)
				}
			})
		}
	}
}

// An answer without an access token is enough where userinfo is not asked.
func TestNoAccessToken(t *testing.T) {
	for _, off := range []bool{true, false} {
		b := newBench(t, func(c *Config) { c.NoUserinfo = off })
		b.fake.Tokens = func(_ string, answer map[string]any) { delete(answer, "access_token") }
		g, err := b.signIn(NoStepUp)
		if off {
			if err == nil {
				_, err = b.client.Refresh(t.Context(), g)
			}
			if err != nil {
				t.Error(err)
			}
		} else if f := failure(t, err, http.StatusBadGateway); !strings.Contains(f.Error(), "userinfo off") {
			t.Errorf("got %v", f)
		}
	}
}
