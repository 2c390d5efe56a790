package me

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestS23Allowed: S-23. Which requests may learn who is signed in.
func TestS23Allowed(t *testing.T) {
	const own, friend, evil = "https://app.example.com", "https://spa.example.com", "https://evil.example"
	for name, test := range map[string]struct {
		header []string
		want   bool
	}{
		"a page of the site":                    {[]string{"Sec-Fetch-Site", "same-origin"}, true},
		"an address that a user opens":          {[]string{"Sec-Fetch-Site", "none"}, true},
		"a page of another site":                {[]string{"Sec-Fetch-Site", "cross-site"}, false},
		"a page of a sister site":               {[]string{"Sec-Fetch-Site", "same-site"}, false},
		"an unknown word":                       {[]string{"Sec-Fetch-Site", "no-site"}, false},
		"two words":                             {[]string{"Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "cross-site"}, false},
		"an allowed origin":                     {[]string{"Sec-Fetch-Site", "cross-site", "Origin", friend}, true},
		"an allowed origin of an old browser":   {[]string{"Origin", friend}, true},
		"another origin":                        {[]string{"Sec-Fetch-Site", "cross-site", "Origin", evil}, false},
		"another origin of an old browser":      {[]string{"Origin", evil}, false},
		"an allowed origin and another":         {[]string{"Origin", friend, "Origin", evil}, false},
		"a sandboxed page":                      {[]string{"Origin", "null"}, false},
		"an own page in an old browser":         {[]string{"Origin", own}, true},
		"an own page that is sandboxed":         {[]string{"Origin", "null", "Sec-Fetch-Site", "cross-site"}, false},
		"a program":                             {nil, true},
		"an own page without either":            {[]string{"Referer", own + "/x"}, true},
		"a page of another site without either": {[]string{"Referer", evil + "/app.example.com"}, false},
		"two referrers":                         {[]string{"Referer", own, "Referer", evil}, false},
		"a bad referrer":                        {[]string{"Referer", "%"}, false},
	} {
		r := httptest.NewRequest("GET", own+Path, nil)
		for i := 0; i+1 < len(test.header); i += 2 {
			r.Header.Add(test.header[i], test.header[i+1])
		}
		if got := Allowed(r, func(origin string) bool { return origin == friend || origin == "null" }); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestS23Write: S-23. The configured fields, in their order, and nothing else; what
// markup there is stays data.
func TestS23Write(t *testing.T) {
	id := (&authenticator.Identity{
		Authenticated: true, ID: "1", Username: "alice", Name: `</script>"`, Roles: []string{"a"}, Claims: map[string]any{"picture": "p", "secret": "s", "n": json.Number("7")},
		ACR: "gold", AMR: []string{"otp"}, AuthTime: 5, ExpiresAt: 6,
	}).Normalize()
	for want, fields := range map[string][]string{
		`{"id":"1","username":"alice","name":"\u003c/script\u003e\"","email":"","roles":["a"],"groups":[],"expires_at":6}`: nil,
		`{"claims.picture":"p","claims.none":null,"claims.n":7}`:                                                           {"claims.picture", "claims.none", "claims.n"},
		`{"kind":"unknown","issuer":"","method":"","scopes":[],"acr":"gold","amr":["otp"],"auth_time":5}`:                  {"kind", "issuer", "method", "scopes", "acr", "amr", "auth_time"},
	} {
		p, err := New(fields)
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		if err := p.Write(w, httptest.NewRequest("GET", Path, nil), id); err != nil || strings.TrimSpace(w.Body.String()) != want || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%v\n%s\n%s", err, w.Body, want)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type: %s", got)
		}
		w = httptest.NewRecorder()
		if err := p.Write(w, httptest.NewRequest("HEAD", Path, nil), id); err != nil || w.Body.Len() > 0 {
			t.Errorf("HEAD: %v %s", err, w.Body)
		}
	}
	p, _ := New([]string{"expires_at"})
	w := httptest.NewRecorder()
	if _ = p.Write(w, httptest.NewRequest("GET", Path, nil), authenticator.Anonymous()); strings.TrimSpace(w.Body.String()) != `{"expires_at":null}` {
		t.Errorf("%s", w.Body)
	}
}

// TestS23Protect: S-23. No cache keeps an answer, and no page of another site embeds it.
func TestS23Protect(t *testing.T) {
	h := http.Header{}
	Protect(h)
	if want := (http.Header{"Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}, "Cross-Origin-Resource-Policy": {"same-origin"}}); !maps.EqualFunc(h, want, slices.Equal) {
		t.Errorf("%v", h)
	}
}

// TestNew: which fields there are.
func TestNew(t *testing.T) {
	for want, fields := range map[string][]string{
		`unknown field "mail"`:       {"id", "mail"},
		"allowed: acr amr auth_time": {"password"},
		"listed twice":               {"id", "name", "id"},
		"claims":                     {"claims."},
	} {
		if _, err := New(fields); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", fields, err, want)
		}
	}
	if p, err := New(FieldNames()[:3]); err != nil || len(p.fields) != 3 {
		t.Errorf("%v", err)
	}
}
