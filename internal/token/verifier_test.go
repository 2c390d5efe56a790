package token

import (
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func TestVerifyEveryAlgorithm(t *testing.T) {
	for algorithm := range methods {
		t.Run(algorithm, func(t *testing.T) {
			v := newVerifier(t, testConfig(t, algorithm))
			id, err := v.Verify(token(algorithm, nil))
			if err != nil {
				t.Fatal(err)
			}
			want := &authenticator.Identity{
				Authenticated: true,
				Kind:          authenticator.KindUser,
				ID:            "alice",
				Issuer:        testIssuer,
				Method:        "jwt",
				ExpiresAt:     testNow.Unix() + 300,
				Claims: map[string]any{
					"iss": testIssuer, "aud": testAudience, "sub": "alice",
					"iat": json.Number("1799999990"), "exp": json.Number("1800000300"),
				},
			}
			if diff := cmp.Diff(want.Normalize(), id, cmpopts.IgnoreUnexported(authenticator.Identity{})); diff != "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

// R-BR-4, T-31: what is wrong is told exactly, and what was received is named so.
func TestVerifyRefusalsSayWhatWasExpectedAndReceived(t *testing.T) {
	v := newVerifier(t, testConfig(t, "ES256"))
	tests := map[string]struct {
		changes map[string]any
		reason  authenticator.Reason
		details map[string]string
	}{
		"issuer": {map[string]any{"iss": "https://evil.example"}, authenticator.ReasonTokenIssuer,
			map[string]string{"expected_issuer": testIssuer, "received_issuer": "https://evil.example"}},
		"audience": {map[string]any{"aud": []string{"a", "b"}}, authenticator.ReasonTokenAudience,
			map[string]string{"expected_audience": testAudience, "received_audience": "a b"}},
		"expired": {map[string]any{"exp": testNow.Unix() - 3600}, authenticator.ReasonTokenExpired,
			map[string]string{"clock": "2027-01-15T08:00:00Z", "received_exp": "2027-01-15T07:00:00Z", "leeway": "1m0s"}},
		"early": {map[string]any{"nbf": testNow.Unix() + 3600}, authenticator.ReasonTokenNotYetValid,
			map[string]string{"clock": "2027-01-15T08:00:00Z", "received_nbf": "2027-01-15T09:00:00Z"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			refused := wantReason(t, v, token("ES256", test.changes), test.reason)
			for detail, want := range test.details {
				if got := refused.detail(detail); got != want {
					t.Errorf("detail %s is %q, want %q", detail, got, want)
				}
			}
		})
	}
}

func TestVerifySignatureRefusalNamesTheKid(t *testing.T) {
	c := testConfig(t, "ES256")
	v := newVerifier(t, c)
	good := forge("ES256", p256Key(), `{"alg":"ES256","kid":"k1"}`, claimsWith(nil))
	bad := good[:len(good)-8] + "AAAAAAAA"
	refused := wantReason(t, v, bad, authenticator.ReasonTokenSignature)
	if got := refused.detail("received_kid"); got != "k1" {
		t.Errorf("received_kid is %q, want k1", got)
	}
}

// T-51: header, claims and signature of different tokens never add up to one.
func TestVerifyMixedTokens(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	alice := strings.Split(token("HS256", nil), ".")
	mallory := strings.Split(token("HS256", map[string]any{"sub": "mallory"}), ".")
	for _, raw := range []string{
		alice[0] + "." + mallory[1] + "." + alice[2],
		mallory[0] + "." + alice[1] + "." + mallory[2],
	} {
		wantReason(t, v, raw, authenticator.ReasonTokenSignature)
	}
	id, err := v.Verify(strings.Join(mallory, "."))
	if err != nil || id.ID != "mallory" || id.Claims["sub"] != "mallory" {
		t.Errorf("identity %v, %v, want mallory's throughout", id, err)
	}
}

// Costly checks last: a token that is wrong in any cheap way reaches no key.
func TestVerifyCheapChecksBeforeKeys(t *testing.T) {
	source := &countingSource{set: testSet(t, testKey(t, "ES256"))}
	c := testConfig(t, "ES256")
	c.Keys = source
	v := newVerifier(t, c)
	for name, changes := range map[string]map[string]any{
		"issuer": {"iss": "x"}, "audience": {"aud": "x"}, "expired": {"exp": 1}, "early": {"nbf": testNow.Unix() + 900}, "subject": {"sub": 1},
	} {
		if _, err := v.Verify(token("ES256", changes)); err == nil || source.asked != 0 {
			t.Errorf("%s: error %v after asking for keys %d times, want a refusal without keys", name, err, source.asked)
		}
	}
	if _, err := v.Verify(token("ES256", nil)); err != nil || source.asked != 1 {
		t.Errorf("good token: error %v, keys asked %d times, want once", err, source.asked)
	}
}

// R-JWT-9, T-34: keys that a token carries or points to are not even looked at.
func TestVerifyIgnoresKeysInTheToken(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	url := "http://" + listener.Addr().String() + "/keys"
	attacker := newECKeys()["ES256"]
	header := map[string]any{
		"alg": "ES256", "jku": url, "x5u": url, "x5c": []string{"MIIB"}, "x5t": "x",
		"jwk": json.RawMessage(ecJWK(&attacker.PublicKey, nil)),
	}
	v := newVerifier(t, testConfig(t, "ES256"))
	wantReason(t, v, forge("ES256", attacker, string(must(json.Marshal(header))), claimsWith(nil)), authenticator.ReasonTokenSignature)
	wantReason(t, v, forge("ES256", p256Key(), string(must(json.Marshal(header))), claimsWith(nil)), authenticator.ReasonNone)
	ours, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ours.Close() }()
	first, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	if first.RemoteAddr().String() != ours.LocalAddr().String() {
		t.Error("a URL of the token's header was fetched")
	}
}

// R-401-6: keys out of reach are no verdict on the token.
func TestVerifyKeysUnavailable(t *testing.T) {
	c := testConfig(t, "ES256")
	c.Keys = &countingSource{set: testSet(t, testKey(t, "ES256")), err: errors.New("no keys were fetched yet")}
	refused := wantReason(t, newVerifier(t, c), token("ES256", nil), authenticator.ReasonKeysUnavailable)
	if got := refused.detail("problem"); got != "no keys were fetched yet" {
		t.Errorf("problem is %q", got)
	}
}

// R-JWT-13: the key of one issuer does not vouch for another.
func TestVerifyKeysBelongToTheirIssuer(t *testing.T) {
	other := newECKeys()["ES256"]
	key := must(newPublicKey(other.Public()))
	c := testConfig(t, "ES256")
	c.Issuer, c.Keys = "https://b.example", testSet(t, key)
	b := newVerifier(t, c)
	a := newVerifier(t, testConfig(t, "ES256"))
	header, claimsOfB := `{"alg":"ES256"}`, claimsWith(map[string]any{"iss": "https://b.example"})
	wantReason(t, b, forge("ES256", other, header, claimsOfB), authenticator.ReasonNone)
	wantReason(t, b, forge("ES256", p256Key(), header, claimsOfB), authenticator.ReasonTokenSignature)
	wantReason(t, a, forge("ES256", p256Key(), header, claimsOfB), authenticator.ReasonTokenIssuer)
	wantReason(t, a, forge("ES256", other, header, claimsWith(nil)), authenticator.ReasonTokenSignature)
}

// R-BR-12: neither an error nor a detail holds the token or the secret.
func TestVerifyErrorsHoldNoSecret(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	good := token("HS256", nil)
	for _, raw := range []string{good + "x", good[:len(good)-1], token("HS256", map[string]any{"exp": 1}), "Bearer " + good, good + "." + good} {
		_, err := v.Verify(raw)
		if err == nil {
			t.Fatalf("a changed token was accepted")
		}
		for _, segment := range append(strings.Split(good, "."), string(testSecret)) {
			if strings.Contains(err.Error(), segment) {
				t.Errorf("the error %q holds a part of the token", err)
			}
		}
	}
}

// A verifier is safe for concurrent use, and sees a swapped set whole.
func TestVerifyWhileKeysAreSwapped(t *testing.T) {
	old, fresh := testSet(t, testKey(t, "ES256")), testSet(t, testKey(t, "ES256"), testKey(t, "EdDSA"))
	static := newSwapped(old)
	c := testConfig(t, "ES256")
	c.Keys = static
	v := newVerifier(t, c)
	raw := token("ES256", nil)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 50 {
				if _, err := v.Verify(raw); err != nil {
					t.Errorf("Verify: %v", err)
				}
			}
		})
	}
	for i := range 200 {
		static.Swap([]*KeySet{old, fresh}[i%2])
	}
	group.Wait()
}

// countingSource counts how often keys are asked for.
type countingSource struct {
	set   *KeySet
	err   error
	asked int
}

// Generation implements KeySource: nothing is remembered.
func (*countingSource) Generation() any { return nil }

func (s *countingSource) Candidates(kid, algorithm string) ([]Key, error) {
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return s.set.Candidates(kid, algorithm)
}

func (s *countingSource) Algorithms() []string { return s.set.Algorithms() }
