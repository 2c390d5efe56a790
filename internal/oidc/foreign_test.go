package oidc

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// An ID token whose claims are null or of a foreign form signs its user in.
func TestN21N22SignIn(t *testing.T) {
	for name, test := range map[string]struct {
		claims  map[string]any
		amr     []string
		acr     string
		unknown []string
	}{
		"N-21 nulls":         {map[string]any{"groups": nil, "roles": nil, "name": nil, "email": nil, "preferred_username": nil, "amr": nil, "acr": nil, "azp": nil}, []string{}, "", []string{}},
		"N-22 Supabase":      {map[string]any{"amr": []any{map[string]any{"method": "password", "timestamp": 1}}}, []string{"password"}, "", []string{}},
		"N-22 AD FS":         {map[string]any{"auth_time": "2026-01-02T03:04:05.678Z", "acr": 1, "amr": "pwd"}, []string{"pwd"}, "1", []string{}},
		"S-10 foreign forms": {map[string]any{"groups": 7, "roles": map[string]any{"a": true}, "amr": true, "acr": []any{}, "auth_time": "now", "sid": 5}, []string{}, "", []string{"acr", "amr", "auth_time", "groups", "roles"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, nil)
			b.fake.IDToken = func(_ string, _, claims map[string]any) {
				maps.Copy(claims, test.claims)
			}
			g := b.mustSignIn()
			if g.Identity.Name != "Alice Example" || g.Identity.ACR != test.acr || !slices.Equal(g.Identity.AMR, test.amr) || !slices.Equal(g.Identity.Unknown, test.unknown) {
				t.Errorf("got %+v", g.Identity)
			}
		})
	}
}

// A time of signing in that becomes known again is no longer unknown.
func TestS10RefreshedAuthTime(t *testing.T) {
	b := newBench(t, nil)
	g := b.mustSignIn()
	b.fake.IDToken = func(_ string, _, claims map[string]any) { claims["auth_time"] = "now" }
	renewed, err := b.client.Refresh(t.Context(), g)
	if err != nil || renewed.Identity.AuthTime != g.AuthTime || len(renewed.Identity.Unknown) != 0 {
		t.Errorf("got %+v, %v", renewed, err)
	}
}

// A provider that signs with Ed25519 by its newer name (RFC 9864), in discovery,
// in its keys and in its tokens.
func TestN26Provider(t *testing.T) {
	b := newBench(t, nil)
	b.fake.SetKeys(oidctest.NewKey("Ed25519"))
	b.fake.IDToken = func(_ string, _, claims map[string]any) { delete(claims, "at_hash") } // the fake hashes with SHA-256
	if g := b.mustSignIn(); g.Identity.ID != "user-1" {
		t.Errorf("got %+v", g.Identity)
	}
}

// Where the userinfo endpoint does not answer, the ID token speaks alone, and what
// it does not say is unknown; the operator is told once.
func TestS10NoUserinfo(t *testing.T) {
	for _, status := range []int{403, 404} {
		answer := status
		gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(answer) }))
		defer gone.Close()
		b := newBench(t, nil)
		b.fake.Metadata = func(m map[string]any) { m["userinfo_endpoint"] = gone.URL }
		b.fake.IDToken = func(_ string, _, claims map[string]any) { claims["name"] = "Alice Example" }
		b.mustSignIn()
		g := b.mustSignIn()
		if want := []string{"claims", "email", "groups", "roles", "username"}; g.Identity.Name != "Alice Example" || !slices.Equal(g.Identity.Unknown, want) {
			t.Errorf("%d: got %+v", status, g.Identity)
		}
		if len(b.told) != 1 || !strings.Contains(b.told[0].Error(), fmt.Sprint(status)) {
			t.Errorf("%d: told %v", status, b.told)
		}
		answer = 401
		if _, err := b.signIn(NoStepUp); err == nil {
			t.Error("a userinfo endpoint that refuses its own token is no reason to sign in")
		}
	}
}
