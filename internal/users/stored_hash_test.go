package users

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"
)

// same is a hash that hashes nothing: whoever knows the hash has the password.
type same struct{}

func (same) Compare(hashed, plaintext []byte) (bool, error) {
	return string(hashed) == string(plaintext), nil
}

// broken is a hash that cannot be read, although it says that all is well.
type broken struct{}

func (broken) Compare(_, _ []byte) (bool, error) { return true, errors.New("unreadable") }

// TestCompare: R-BA-6, R-BA-10. The right kind of hash is asked, bcrypt is never
// given more than it looks at, and an unreadable hash lets nobody in.
func TestCompare(t *testing.T) {
	bcrypts, argons := &counting{Hash: same{}}, &counting{Hash: same{}}
	h := hashes(bcrypts, argons)
	long := "$2a$" + strings.Repeat("x", 200)
	tests := []struct {
		name, hash, password string
		want                 bool
		bcrypts, argons      int64
	}{
		{"bcrypt", "$2a$x", "$2a$x", true, 1, 0},
		{"bcrypt, another", "$2a$x", "$2a$y", false, 1, 0},
		{"argon2id", "$argon2id$x", "$argon2id$x", true, 0, 1},
		{"argon2id, another", "$argon2id$x", "", false, 0, 1},
		{"72 bytes", long[:72], long[:72], true, 1, 0},
		{"more, whose first 72 are right", long[:72], long[:73], false, 1, 0},
		{"argon2id takes long ones", "$argon2id$" + long, "$argon2id$" + long, true, 0, 1},
		{"no hash", "", "x", false, 0, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			bcrypts.n.Store(0)
			argons.n.Store(0)
			if got := h.compare(test.hash, test.password); got != test.want || bcrypts.n.Load() != test.bcrypts || argons.n.Load() != test.argons {
				t.Errorf("got %t after %d and %d", got, bcrypts.n.Load(), argons.n.Load())
			}
		})
	}
	if hashes(broken{}, broken{}).compare(testHash, testPassword) {
		t.Error("a hash that cannot be read lets somebody in")
	}
}

// TestDummyCost: T-36, R-BA-10. Unknown names cost what users cost, in their
// mixture, and the same name always the same.
func TestDummyCost(t *testing.T) {
	costly, err := bcrypt.GenerateFromPassword([]byte(testPassword), minCost+1)
	if err != nil {
		t.Fatal(err)
	}
	var users []*User
	for name, hash := range map[string]string{"cheap": testHash, "costly": string(costly), "argon": testArgon2id} {
		user, err := NewUser(name, hash)
		if err != nil {
			t.Fatal(err)
		}
		users = append(users, user)
	}
	set, err := NewUsers(users...)
	if err != nil {
		t.Fatal(err)
	}
	counter := &counting{Hash: same{}}
	v := NewVerifier(hashes(counter, counter), nil, nil, nil)
	costs := map[string]int{}
	for i := range 300 {
		var seen [2]string
		for j := range seen {
			counter.on = nil
			if got := v.Verify(t.Context(), set, fmt.Sprint("nobody", i), "x", home); got.User != nil || len(counter.on) != 1 {
				t.Fatalf("%+v after %q", got, counter.on)
			}
			if CheckHash(counter.on[0]) != nil {
				t.Fatalf("not a hash: %s", counter.on[0])
			}
			seen[j] = costOf(counter.on[0])
		}
		if seen[0] != seen[1] {
			t.Errorf("name %d costs %s, then %s", i, seen[0], seen[1])
		}
		costs[seen[0]]++
	}
	for _, user := range users {
		if costs[costOf(user.Hash)] < 50 {
			t.Errorf("%s: only %d of 300 unknown names cost the same", user.Name, costs[costOf(user.Hash)])
		}
	}
}

// costOf is what stands before a hash's salt.
func costOf(hash string) string {
	parts := strings.Split(hash, "$")
	return strings.Join(parts[:len(parts)-1-len(parts)/5], "$")
}

// TestDummyMatchesNoUser: T-36. No two are alike, so that none can be prepared for;
// and it is never the user's own hash.
func TestDummyMatchesNoUser(t *testing.T) {
	for _, hash := range []string{testHash, testArgon2id} {
		seen := map[string]bool{hash: true}
		for range 100 {
			made := dummyHash(hash)
			if seen[made] || len(made) != len(hash) || CheckHash(made) != nil {
				t.Fatalf("%s became %s", hash, made)
			}
			seen[made] = true
		}
	}
}

// FuzzCheckHash: R-BA-8. Whatever is taken for a hash can be compared by the
// real thing, without error, and so can what stands in for it.
func FuzzCheckHash(f *testing.F) {
	f.Add(testHash)
	f.Add(testArgon2id)
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add(strings.Replace(testHash, "$2a$", "$2y$", 1))
	f.Fuzz(func(t *testing.T, hash string) {
		if err := CheckHash(hash); err != nil {
			if hash != "" && len(hash) > 8 && strings.Contains(err.Error(), hash) {
				t.Errorf("the error repeats the hash: %v", err)
			}
			return
		}
		made := dummyHash(hash)
		if len(made) != len(hash) || costOf(made) != costOf(hash) || CheckHash(made) != nil {
			t.Errorf("%s became %s", hash, made)
		}
		if !cheap(hash) {
			return
		}
		for _, stored := range []string{hash, made} {
			kind := Hash(caddyauth.Argon2idHash{})
			if isBcrypt(stored) {
				kind = caddyauth.BcryptHash{}
			}
			if _, err := kind.Compare([]byte(stored), []byte("x")); err != nil {
				t.Errorf("%s: %v", stored, err)
			}
		}
	})
}

// cheap reports whether a fuzzer may compute a hash.
func cheap(hash string) bool {
	return strings.Contains(hash, "$08$") || strings.Contains(hash, "$m=64,t=1,p=1$") || strings.Contains(hash, "$m=8,t=1,p=1$")
}
