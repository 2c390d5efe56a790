package users

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

// TestHashPassword: a hash that is made is one that a file may have, and the
// verifier finds the password right, however its letters are put together
// (R-BA-8).
func TestHashPassword(t *testing.T) {
	const composed, combined = "Schl\u00fcssel", "Schlu\u0308ssel"
	for name, hash := range map[string]func(string) (string, error){"argon2id": HashArgon2id, "bcrypt": HashBcrypt} {
		stored, err := hash(combined)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckHash(stored); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if again, err := hash(combined); err != nil || again == stored {
			t.Errorf("%s: two hashes are the same", name)
		}
		user, err := NewUser("alice", stored)
		if err != nil {
			t.Fatal(err)
		}
		set, err := NewUsers(user)
		if err != nil {
			t.Fatal(err)
		}
		verifier := NewVerifier(Hashes{Bcrypt: caddyauth.BcryptHash{}, Argon2id: caddyauth.Argon2idHash{}}, nil, nil, nil)
		for password, want := range map[string]bool{composed: true, combined: true, "Schlussel": false} {
			if got := verifier.Verify(t.Context(), set, "alice", password, netip.Addr{}); (got.User != nil) != want {
				t.Errorf("%s: %q: %+v", name, password, got)
			}
		}
	}
}

// TestHashRefused: no hash is made of what could never be sent or would be cut off.
func TestHashRefused(t *testing.T) {
	for _, password := range []string{"", "a\nb", "\xff", strings.Repeat("a", maxPassword+1)} {
		if _, err := HashArgon2id(password); err == nil {
			t.Errorf("%.10q was hashed", password)
		}
	}
	if _, err := HashBcrypt(strings.Repeat("a", maxBcrypt+1)); err == nil {
		t.Error("bcrypt cut a password off")
	}
	if _, err := HashBcrypt(""); err == nil {
		t.Error("bcrypt hashed nothing")
	}
}

// TestNewSecret: keys begin with their id, differ, and have 256 random bits.
func TestNewSecret(t *testing.T) {
	secret, hash, err := GenerateAPIKey("ci")
	if err != nil || !strings.HasPrefix(secret, "ci_") || len(secret) != len("ci_")+43 || !digestForm.MatchString(hash) {
		t.Errorf("got %d characters, %q, %v", len(secret), hash, err)
	}
	if other, _, _ := GenerateAPIKey("ci"); other == secret {
		t.Error("two keys are the same")
	}
	for _, id := range []string{"", "a b", "ä", "-a", "a_b", strings.Repeat("a", 65)} {
		if _, _, err := GenerateAPIKey(id); err == nil {
			t.Errorf("%q is an id", id)
		}
	}
}
