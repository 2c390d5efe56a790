package token

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func TestRequirements(t *testing.T) {
	for name, test := range map[string]struct {
		claim  string
		values []string
		value  any
		holds  bool
	}{
		"string":                 {"hd", []string{"example.com"}, "example.com", true},
		"one of several":         {"hd", []string{"a", "example.com"}, "example.com", true},
		"other string":           {"hd", []string{"example.com"}, "evil.example.com", false},
		"other case":             {"hd", []string{"example.com"}, "Example.com", false},
		"absent":                 {"hd", []string{"example.com"}, nil, false},
		"absent, empty wanted":   {"hd", []string{""}, nil, false},
		"null":                   {"hd", []string{"null", ""}, null, false},
		"list":                   {"hd", []string{"b"}, []string{"a", "b"}, true},
		"list without":           {"hd", []string{"c"}, []string{"a", "b"}, false},
		"list of lists":          {"hd", []string{"b"}, []any{[]string{"b"}}, false},
		"true":                   {"hd", []string{"true"}, true, true},
		"false":                  {"hd", []string{"true"}, false, false},
		"number":                 {"hd", []string{"3"}, 3, true},
		"number written longer":  {"hd", []string{"3"}, number("3.0"), false},
		"object":                 {"hd", []string{"a"}, map[string]any{"a": true}, false},
		"words are not a list":   {"hd", []string{"a"}, "a b", false},
		"one scope of two":       {"scope", []string{"write"}, "read write", true},
		"one scope by pointer":   {"/scope", []string{"write"}, "read write", true},
		"one scp of two":         {"scp", []string{"write"}, "read write", true},
		"scope in a list":        {"scope", []string{"write"}, []string{"read", "write"}, true},
		"part of a scope":        {"scope", []string{"write"}, "read writer", false},
		"nested scope":           {"x.scope", []string{"write"}, "ignored", false},
		"other claim of a token": {"sub", []string{"alice"}, "ignored", true},
	} {
		t.Run(name, func(t *testing.T) {
			c := testConfig(t, "HS256")
			c.Require = []Requirement{{Claim: "iss", Values: []string{testIssuer}}, {Claim: test.claim, Values: test.values}}
			want := authenticator.ReasonCredentialsInvalid
			if test.holds {
				want = authenticator.ReasonNone
			}
			claim := test.claim
			if claim == "sub" || claim == "x.scope" {
				claim = "hd"
			}
			if claim == "/scope" {
				claim = "scope"
			}
			refused := wantReason(t, newVerifier(t, c), token("HS256", map[string]any{claim: test.value}), want)
			if refused != nil && refused.detail("claim") != test.claim {
				t.Errorf("details %v do not name the claim", refused.Details)
			}
		})
	}
}

// A forged token learns nothing of what is required: the signature comes first.
func TestRequirementsAfterTheSignature(t *testing.T) {
	c := testConfig(t, "HS256")
	c.Require = []Requirement{{Claim: "hd", Values: []string{"example.com"}}}
	raw := forge("HS256", []byte("another secret of at least thirty-two bytes"), `{"alg":"HS256"}`, claimsWith(nil))
	wantReason(t, newVerifier(t, c), raw, authenticator.ReasonTokenSignature)
}
