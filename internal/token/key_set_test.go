package token

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// named returns a key that stands for itself by its kid.
func named(kid string, pinned bool, algorithms ...string) Key {
	return Key{id: kid, pinned: pinned, algorithms: algorithms, thumbprint: kid}
}

func ids(t *testing.T, source KeySource, kid, algorithm string) []string {
	t.Helper()
	keys, err := source.Candidates(kid, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	found := []string{}
	for _, k := range keys {
		found = append(found, k.id)
	}
	return found
}

// R-JWK-2, R-JWT-4: which keys a token may mean.
func TestSetCandidates(t *testing.T) {
	published := testSet(t, named("a", false, "RS256", "PS256"), named("b", false, "RS256"), named("c", false, "ES256"), named("", false, "RS256"))
	pinned := testSet(t, named("t1", true, "RS256"), named("t2", true, "RS256"), named("t3", true, "ES256"))
	for _, test := range []struct {
		name           string
		set            *KeySet
		kid, algorithm string
		want           []string
	}{
		{"kid names one", published, "a", "RS256", []string{"a"}},
		{"kid names another", published, "b", "RS256", []string{"b"}},
		{"kid names one that does not fit", published, "c", "RS256", []string{}},
		{"kid in another case", published, "A", "RS256", []string{""}},
		{"kid names none: the nameless one", published, "x", "RS256", []string{""}},
		{"kid names none and nothing is nameless", published, "x", "ES256", []string{}},
		{"no kid: those that fit", published, "", "RS256", []string{"a", "b", ""}},
		{"no kid: the one that fits", published, "", "PS256", []string{"a"}},
		{"no kid and nothing fits", published, "", "EdDSA", []string{}},
		{"pinned, no kid", pinned, "", "RS256", []string{"t1", "t2"}},
		{"pinned, by thumbprint", pinned, "t2", "RS256", []string{"t2"}},
		{"pinned, by thumbprint of another kind", pinned, "t3", "RS256", []string{}},
		{"pinned, by any other name", pinned, "2024-01", "RS256", []string{"t1", "t2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, ids(t, test.set, test.kid, test.algorithm)); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}

// R-JWK-2: at most eight keys are tried. A token that others may have signed does not
// count as forged.
func TestN12SetCandidatesBounded(t *testing.T) {
	for n, want := range map[int]struct {
		reason authenticator.Reason
		forged bool
	}{
		7: {"", false}, 8: {authenticator.ReasonTokenSignature, false},
	} {
		var keys []Key
		for range 20 {
			keys = append(keys, must(newPublicKey(&newECKeys()["ES256"].PublicKey)))
		}
		keys[n] = must(newPublicKey(&p256Key().PublicKey))
		c := testConfig(t, "ES256")
		c.Keys = testSet(t, keys...)
		refused := wantReason(t, newVerifier(t, c), token("ES256", nil), want.reason)
		if refused != nil && (refused.BadSignature || !strings.Contains(refused.detail("problem"), "the 8 keys tried of 20")) {
			t.Errorf("key %d: %v, forged %v", n, refused, refused.BadSignature)
		}
		c.Keys = testSet(t, keys[:8]...)
		if refused := wantReason(t, newVerifier(t, c), forge("ES256", newECKeys()["ES256"], `{"alg":"ES256"}`, claimsWith(nil)), authenticator.ReasonTokenSignature); !refused.BadSignature {
			t.Error("a token that none of all keys has signed is not forged")
		}
	}
}

func TestNewSetErrors(t *testing.T) {
	var nine []Key
	for i := range 9 {
		nine = append(nine, named(fmt.Sprint("t", i), true, "RS256"))
	}
	for name, test := range map[string]struct {
		keys []Key
		want string
	}{
		"empty":              {nil, "at least one key"},
		"mixed":              {[]Key{testKey(t, "HS256"), testKey(t, "RS256")}, "do not mix"},
		"nine pinned":        {nine, "more than 8 keys fit the algorithm RS256"},
		"nine pinned of ten": {append([]Key{named("e", true, "ES256")}, nine...), "RS256"},
	} {
		t.Run(name, func(t *testing.T) {
			if set, err := NewKeySet(test.keys...); err == nil || set != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("NewSet: %v, want %q", err, test.want)
			}
		})
	}
	if _, err := NewKeySet(append(nine[:8:8], named("e", true, "ES256"))...); err != nil {
		t.Errorf("eight and another: %v", err)
	}
}

// A key that is taken away verifies nothing from then on; the allow-list stays.
func TestSwap(t *testing.T) {
	old, fresh := newECKeys(), newECKeys()
	set := func(private any) *KeySet { return testSet(t, must(newPublicKey(publicOf(private)))) }
	static := newSwapped(set(old["ES256"]))
	c := testConfig(t, "ES256")
	c.Keys = static
	v := newVerifier(t, c)
	sign := func(private any) string { return forge("ES256", private, `{"alg":"ES256"}`, claimsWith(nil)) }
	before, after := sign(old["ES256"]), sign(fresh["ES256"])

	wantReason(t, v, before, "")
	wantReason(t, v, after, authenticator.ReasonTokenSignature)
	static.Swap(set(fresh["ES256"]))
	wantReason(t, v, before, authenticator.ReasonTokenSignature)
	wantReason(t, v, after, "")
	static.Swap(testSet(t, testKey(t, "RS256")))
	wantReason(t, v, after, authenticator.ReasonTokenSignature)
	wantReason(t, v, token("RS256", nil), "")
	static.Swap(testSet(t, testKey(t, "HS256")))
	wantReason(t, v, token("HS256", nil), authenticator.ReasonTokenSignature)
	if got := static.Algorithms(); len(got) != 3 || got[0] != "HS256" {
		t.Errorf("algorithms %v, want those of the new set", got)
	}
}
