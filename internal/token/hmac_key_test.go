package token

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// R-JWT-6: a secret is at least as long as the hash, and not nothing.
func TestNewSecretLengths(t *testing.T) {
	random := make([]byte, 80)
	_, _ = rand.Read(random)
	for length, want := range map[int]string{
		0: "", 1: "", 31: "", 32: "HS256", 47: "HS256", 48: "HS256 HS384", 63: "HS256 HS384", 64: "HS256 HS384 HS512", 80: "HS256 HS384 HS512",
	} {
		key, _, err := NewHMACKey(random[:length])
		if got := strings.Join(key.algorithms, " "); got != want || (err == nil) != (want != "") {
			t.Errorf("a secret of %d bytes fits %q, %v, want %q", length, got, err, want)
		}
	}
	for _, length := range []int{32, 64, 1000} {
		if _, _, err := NewHMACKey(make([]byte, length)); err == nil || !strings.Contains(err.Error(), "zeros") {
			t.Errorf("%d zeros: %v", length, err)
		}
	}
}

// R-JWT-6: an algorithm for which the secret is too short is a config error.
func TestNewSecretTooShortForAlgorithm(t *testing.T) {
	key, _, err := NewHMACKey(testSecret[:40])
	if err != nil {
		t.Fatal(err)
	}
	_, err = New(Config{AnyAudience: true, Keys: testSet(t, key), Algorithms: []string{"HS512"}})
	if err == nil || !strings.Contains(err.Error(), "no key fits HS512 (allowed: HS256)") {
		t.Errorf("New: %v", err)
	}
}

// R-JWT-6: what looks made up is warned about (RFC 8725, section 3.5).
func TestNewSecretWarnings(t *testing.T) {
	for _, secret := range []string{
		"correct horse battery staple and so on",
		"your-256-bit-secret-your-256-bit-secret",
		"MySuperPassword1234567890!!!!!!!",
		"abababababababababababababababababab",
		"12345678123456781234567812345678",
		"thequickbrownfoxjumpsoverthelazydog",
	} {
		_, warnings, err := NewHMACKey([]byte(secret))
		if err != nil || len(warnings) != 1 {
			t.Errorf("%q: %d warnings, %v, want one warning", secret, len(warnings), err)
			continue
		}
		if strings.Contains(warnings[0], secret) {
			t.Errorf("the warning %q holds the secret", warnings[0])
		}
	}
	random := make([]byte, 48)
	warned := 0
	for range 300 {
		_, _ = rand.Read(random)
		for _, secret := range [][]byte{random, []byte(base64.StdEncoding.EncodeToString(random)), []byte(hex.EncodeToString(random))} {
			if _, warnings, err := NewHMACKey(secret); err != nil || len(warnings) > 0 {
				warned++
			}
		}
	}
	if warned > 9 {
		t.Errorf("%d of 900 random secrets were warned about", warned)
	}
}

// The key does not change with the bytes that it was made of.
func TestNewSecretCopies(t *testing.T) {
	secret := bytes.Clone(testSecret)
	key, _, err := NewHMACKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	clear(secret)
	if !bytes.Equal(key.material.([]byte), testSecret) {
		t.Error("the key changed")
	}
}
