package accesstable

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestChallenge: R-SU-1, R-SU-2, R-SU-4, R-BR-5. A known caller who could be let in with
// what he can bring is asked for it, whole and at once; all others for nothing.
func TestChallenge(t *testing.T) {
	session := func(i *authenticator.Identity) { i.Method, i.Issuer = "session", "" }
	scoped := func(i *authenticator.Identity) { i.ACR, i.Scopes = "mfa", []string{"read"} }
	for name, test := range map[string]struct {
		alternatives string
		q            *Question
		want         *Challenge
	}{
		"a class":                     {"[{acr: [phr, mfa]}]", signedIn(5, nil), &Challenge{ACRValues: []string{"phr", "mfa"}, MaxAge: -1}},
		"an age":                      {"[{max_age: 15m}]", signedIn(901, nil), &Challenge{MaxAge: 900}},
		"scopes":                      {"[{scopes: [b, a]}]", signedIn(5, nil), &Challenge{Scopes: []string{"a", "b"}, MaxAge: -1}},
		"everything":                  {"[{acr: [mfa], max_age: 15m, scopes: [b, a]}]", signedIn(901, nil), &Challenge{Scopes: []string{"a", "b"}, ACRValues: []string{"mfa"}, MaxAge: 900}},
		"a class beside a good age":   {"[{acr: [mfa], max_age: 15m, scopes: [read]}]", signedIn(5, func(i *authenticator.Identity) { i.Scopes = []string{"read"} }), &Challenge{ACRValues: []string{"mfa"}, MaxAge: 900}},
		"an age beside a good class":  {"[{acr: [mfa], max_age: 15m}]", signedIn(901, scoped), &Challenge{ACRValues: []string{"mfa"}, MaxAge: 900}},
		"scopes beside a good class":  {"[{acr: [mfa], scopes: [read, write]}]", signedIn(5, scoped), &Challenge{Scopes: []string{"read", "write"}, MaxAge: -1}},
		"the first that can be met":   {"[{roles: [a], acr: [mfa]}, {acr: [phr]}, {max_age: 15m}]", signedIn(901, nil), &Challenge{ACRValues: []string{"phr"}, MaxAge: -1}},
		"nothing else is missing":     {"[{users: [alice], acr: [mfa]}]", signedIn(5, nil), &Challenge{ACRValues: []string{"mfa"}, MaxAge: -1}},
		"a role is missing too":       {"[{roles: [a], acr: [mfa], max_age: 15m, scopes: [a]}]", signedIn(901, nil), nil},
		"no time":                     {"[{max_age: 15m}]", signedIn(0, func(i *authenticator.Identity) { i.AuthTime = 0 }), &Challenge{MaxAge: 900}},
		"anonymous":                   {"[{acr: [mfa], max_age: 15m, scopes: [a]}]", signedIn(0, func(i *authenticator.Identity) { i.Authenticated = false }), nil},
		"a password":                  {"[{max_age: 15m}, {acr: [mfa]}]", signedIn(901, func(i *authenticator.Identity) { i.Method, i.Issuer = "basic", "" }), nil},
		"a key, for its scopes":       {"[{acr: [mfa]}, {scopes: [a]}]", signedIn(901, func(i *authenticator.Identity) { i.Method, i.Issuer = "api_key", "" }), &Challenge{Scopes: []string{"a"}, MaxAge: -1}},
		"a form's session, for a new": {"[{acr: [mfa]}, {max_age: 15m}]", signedIn(901, session), &Challenge{MaxAge: 900}},
		"a form's session, no class":  {"[{acr: [mfa]}]", signedIn(901, session), nil},
	} {
		got := tableFor(t, test.alternatives).Judge(test.q)
		if diff := cmp.Diff(test.want, got.Challenge); diff != "" || got.Allow {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestChallengeOfRules: where several rules judge a request, one sign-in must do for all.
func TestChallengeOfRules(t *testing.T) {
	table, _, err := Parse([]File{{"access.yaml", []byte(`rules:
  - {paths: [/phr-mfa/*], allow: [{acr: [phr, mfa], max_age: 1h}]}
  - {paths: [/mfa/*], allow: [{acr: [mfa, sms], max_age: 15m, scopes: [b]}]}
  - {paths: [/sms/*], allow: [{acr: [sms]}]}
  - {paths: [/shut/*], allow: []}
  - {paths: [/open/*], allow: [{authenticated: true}]}
`)}})
	if err != nil {
		t.Fatal(err)
	}
	for paths, want := range map[string]*Challenge{
		"/phr-mfa/ /mfa/":  {Scopes: []string{"b"}, ACRValues: []string{"mfa"}, MaxAge: 900},
		"/mfa/ /open/":     {Scopes: []string{"b"}, ACRValues: []string{"mfa", "sms"}, MaxAge: 900},
		"/open/ /sms/":     {ACRValues: []string{"sms"}, MaxAge: -1},
		"/phr-mfa/ /sms/":  nil, // no sign-in has two classes
		"/phr-mfa/ /shut/": nil,
		"/shut/ /open/":    nil,
	} {
		q := signedIn(7200, nil)
		path, destination, _ := strings.Cut(paths, " ")
		q.Request.Method, q.Request.Path, q.Request.PathFolded, q.Request.RewrittenPath, q.Request.DestinationPath = "MOVE", path, path, path, destination
		if diff := cmp.Diff(want, table.Judge(q).Challenge); diff != "" {
			t.Errorf("%s: %s", paths, diff)
		}
	}
}
