package decisioncache

import (
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestIdentityCache: what is built of an identity is built once for each pointer, and not
// kept if it is large. A term is built when it is first needed.
func TestIdentityCache(t *testing.T) {
	keys, terms := 0, 0
	c := NewIdentityCache(
		func(key []byte, id *authenticator.Identity) []byte { keys++; return AppendText(key, id.ID) },
		func(id *authenticator.Identity) *ast.Term { terms++; return ast.StringTerm(id.ID) },
	)
	alice, other, large := &authenticator.Identity{ID: "alice"}, &authenticator.Identity{ID: "alice"}, &authenticator.Identity{ID: strings.Repeat("a", maxIdentityKey)}
	for _, test := range []struct {
		name        string
		id          *authenticator.Identity
		keys, terms int // built for three uses
	}{{"one", alice, 1, 1}, {"an equal one", other, 1, 1}, {"a large one", large, 3, 3}} {
		keys, terms = 0, 0
		for range 3 {
			got := c.Get(test.id)
			if key := string(got.AppendKey([]byte("x"))); key != "x"+string(AppendText(nil, test.id.ID)) {
				t.Errorf("%s: the key is %q", test.name, key)
			}
			if term := got.Term(); !term.Equal(ast.StringTerm(test.id.ID)) || got.Term() != term {
				t.Errorf("%s: the term is %v", test.name, term)
			}
		}
		if keys != test.keys || terms != test.terms {
			t.Errorf("%s: built %d keys and %d terms", test.name, keys, terms)
		}
	}
}
