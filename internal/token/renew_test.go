package token

import (
	"crypto/ecdsa"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// rotation is an issuer that replaces its key, and a verifier of its tokens.
type rotation struct {
	*provider
	clock    *handClock
	old, new *ecdsa.PrivateKey
	remote   *RemoteKeySet
	*Verifier
}

func newRotation(t *testing.T, oldKid any) *rotation {
	r := &rotation{provider: newProvider(t), clock: newHandClock(), old: newECKeys()["ES256"], new: newECKeys()["ES256"]}
	r.publish(r.old, oldKid)
	r.remote = newRemote(t, RemoteKeySetConfig{URL: r.URL + "/keys", Now: r.clock.now, MaxStale: time.Hour})
	c := testConfig(t, "ES256")
	c.Keys, c.Now = r.remote, r.clock.now
	r.Verifier = newVerifier(t, c)
	return r
}

// publish has the issuer publish one key, fresh for a day.
func (r *rotation) publish(key *ecdsa.PrivateKey, kid any) {
	set := jwks(ecJWK(&key.PublicKey, map[string]any{"kid": kid}))
	r.spoil(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Cache-Control", "max-age=86400")
		_, _ = w.Write(set)
	})
}

func (r *rotation) down() {
	r.spoil(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

// signed returns a token; the kid null is none.
func signed(key *ecdsa.PrivateKey, kid any) string {
	header := `{"alg":"ES256"}`
	if kid != nil {
		header = fmt.Sprintf(`{"alg":"ES256","kid":%q}`, kid)
	}
	return forge("ES256", key, header, claimsWith(nil))
}

// TestN12KeyReplaced: a key that was replaced under its kid, or has none, is asked for
// when a signature fails, though the old one is fresh; then the old one counts no more.
//
// R-JWK-4
func TestN12KeyReplaced(t *testing.T) {
	for name, kids := range map[string][3]any{ // of the old key, the new one and the tokens
		"same kid": {"default", "default", "default"}, "no kid": {nil, nil, nil}, "kid in the set alone": {"a", "b", nil}, "kid in tokens alone": {nil, nil, "x"},
	} {
		t.Run("N-12 "+name, func(t *testing.T) {
			r := newRotation(t, kids[0])
			wantReason(t, r.Verifier, signed(r.old, kids[2]), "")
			r.publish(r.new, kids[1])
			r.clock.forward(40 * time.Second)
			wantReason(t, r.Verifier, signed(r.new, kids[2]), "")
			if refused := wantReason(t, r.Verifier, signed(r.old, kids[2]), authenticator.ReasonTokenSignature); !refused.BadSignature {
				t.Error("the old key's token does not count as forged")
			}
			if got := r.count("/keys"); got != 2 {
				t.Errorf("%d fetches", got)
			}
		})
	}
}

// TestN12ForgedFetches: forged tokens cause one fetch in an interval, which holds no
// turn, and count as forged.
func TestN12ForgedFetches(t *testing.T) {
	r := newRotation(t, "a")
	wantReason(t, r.Verifier, signed(r.old, "a"), "")
	r.clock.forward(time.Minute)
	held, forged := 0, signed(newECKeys()["ES256"], "a")
	serve := r.serve
	r.spoil(func(w http.ResponseWriter, request *http.Request) {
		if held != 0 {
			t.Error("the fetch holds a turn")
		}
		serve(w, request)
	})
	for range 100 {
		_, err := r.VerifyLimited(Parse(forged), func() (func(), error) { held++; return func() { held-- }, nil })
		if reasonOf(t, err) != authenticator.ReasonTokenSignature || !err.(*Error).BadSignature {
			t.Fatal(err)
		}
	}
	if got := r.count("/keys"); got != 2 {
		t.Errorf("%d fetches", got)
	}
}

// TestN12KeysOutOfReach: while the issuer cannot be asked, it cannot be told whether a
// new key has signed; what an old one has signed is good.
//
// R-401-6
func TestN12KeysOutOfReach(t *testing.T) {
	for name, kids := range map[string][2]any{"another kid": {"a", "b"}, "same kid": {"a", "a"}, "no kid": {nil, nil}} {
		t.Run("N-12 "+name, func(t *testing.T) {
			r := newRotation(t, kids[0])
			wantReason(t, r.Verifier, signed(r.old, kids[0]), "")
			r.down()
			r.clock.forward(40 * time.Second)
			for range 2 { // the second does not ask
				refused := wantReason(t, r.Verifier, signed(r.new, kids[1]), authenticator.ReasonKeysUnavailable)
				if refused.BadSignature != (kids[0] == kids[1]) {
					t.Errorf("forged: %v", refused.BadSignature)
				}
			}
			if got := r.count("/keys"); got != 2 {
				t.Errorf("%d fetches", got)
			}
			wantReason(t, r.Verifier, signed(r.old, kids[0]), "")
			r.publish(r.new, kids[1])
			r.clock.forward(40 * time.Second)
			wantReason(t, r.Verifier, signed(r.new, kids[1]), "")
			wantReason(t, r.Verifier, signed(r.old, "elsewhere"), authenticator.ReasonTokenSignature)
		})
	}
}

// TestN12LoginKeysOutOfReach: nor can it be told of an ID token or a logout token, so
// that no session ends.
func TestN12LoginKeysOutOfReach(t *testing.T) {
	r := newRotation(t, "a")
	wantReason(t, r.Verifier, signed(r.old, "a"), "")
	r.down()
	r.clock.forward(40 * time.Second)
	c := testConfig(t, "ES256")
	c.Audiences, c.Keys, c.Now = []string{testClient}, r.remote, r.clock.now
	v, header := newVerifier(t, c), `{"alg":"ES256","kid":"b"}`
	_, byLogin := v.VerifyID(forge("ES256", r.new, header, claimsWith(map[string]any{"aud": testClient, "nonce": "n-1"})), expect(nil))
	_, byLogout := v.VerifyLogout(forge("ES256", r.new, header, logoutClaims(nil)))
	for _, err := range []error{byLogin, byLogout} {
		if reasonOf(t, err) != authenticator.ReasonKeysUnavailable {
			t.Error(err)
		}
	}
}

// TestN12StoredKeysRenewed: keys that were kept over a restart are fetched anew at
// their first use, though they are fresh.
//
// T-58
func TestN12StoredKeysRenewed(t *testing.T) {
	r := newRotation(t, "a")
	config := r.remote.config
	config.Store = &memory{kept: map[string][]byte{}}
	first := newRemote(t, config)
	if found(first, "a") != 1 {
		t.Fatal("no keys")
	}
	settled(first)
	looked := make(chan struct{})
	newer := jwks(ecJWK(&r.new.PublicKey, map[string]any{"kid": "b"}))
	r.spoil(func(w http.ResponseWriter, _ *http.Request) {
		<-looked // the fetch does not overtake the first look
		w.Header().Set("Cache-Control", "max-age=86400")
		_, _ = w.Write(newer)
	})
	restarted := newRemote(t, config)
	if found(restarted, "a") != 1 {
		t.Error("the stored keys do not count")
	}
	close(looked)
	settled(restarted)
	if found(restarted, "a") != 0 || found(restarted, "b") != 1 {
		t.Error("the stored keys still count")
	}
}
