//go:build !race

package authn

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// With the race detector pools forget at random.

// TestNewTokenAllocations: performance.md, a token that is not remembered, what
// remembers it included.
func TestNewTokenAllocations(t *testing.T) {
	const runs = 50
	j, sign := es256(t)
	var tokens []string
	for i := range runs + 1 {
		tokens = append(tokens, sign(i))
	}
	r := httptest.NewRequest("GET", "/", nil)
	got := testing.AllocsPerRun(runs, func() {
		if outcome := j.Authenticate(r, authenticator.Credential{Value: tokens[0]}); outcome.Verdict != authenticator.Accepted {
			t.Fatal(outcome)
		}
		tokens = tokens[1:]
	})
	if got > 58 {
		t.Errorf("%v allocations", got)
	}
}

// TestIntrospectedAllocations: a token that is known to be active allocates nothing, and the
// endpoint is not asked again.
//
// R-INT-4
func TestIntrospectedAllocations(t *testing.T) {
	url, asked := introspectionServer(t)
	i := newIntrospection(t, url, nil)
	r, credential := httptest.NewRequest("GET", "/", nil), authenticator.Credential{Source: i.Sources()[0], Value: "good"}
	if got := testing.AllocsPerRun(100, func() { // the first run, which asks, is not counted
		if outcome := i.Authenticate(r, credential); outcome.Verdict != authenticator.Accepted {
			t.Fatal(outcome)
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
	if asked.Load() != 1 {
		t.Errorf("%d requests", asked.Load())
	}
}

// TestForeignAllocations: performance.md, a remembered token of an issuer of ours is
// not taken apart again to tell that it is no other application's.
func TestForeignAllocations(t *testing.T) {
	j, sign := es256(t)
	f, raw := &foreignBearers{issuers: []string{foldIssuer(j.Issuer)}, named: []*JWT{j}}, sign(1)
	if outcome := j.Authenticate(httptest.NewRequest("GET", "/", nil), authenticator.Credential{Value: raw}); outcome.Verdict != authenticator.Accepted {
		t.Fatal(outcome)
	}
	if got := testing.AllocsPerRun(100, func() {
		if f.owns(raw) {
			t.Fatal("it is taken for another's")
		}
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestLongCredentialAllocations: performance.md, a name and a password take no more
// memory than what is decoded and a copy of it, however long they are.
func TestLongCredentialAllocations(t *testing.T) {
	for _, size := range []int{16, 1 << 10, 64 << 10, 1 << 20} {
		value := strings.Repeat("YTph", size/4) // a:a
		if got := testing.AllocsPerRun(10, func() { _, _, _ = decodeBasic(value) }); got > 2 {
			t.Errorf("%d bytes: %v allocations", size, got)
		}
	}
}
