package authn

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestDecodeBasic: R-BA-3, R-BA-4, R-BA-5, R-BA-7.
func TestDecodeBasic(t *testing.T) {
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct {
		name, value, user, password string
		ok                          bool
	}{
		{"RFC 7617, section 2.1", "dGVzdDoxMjPCow==", "test", "123£", true},
		{"RFC 7617, section 2", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Aladdin", "open sesame", true},
		{"the first colon splits", encode("user:pa:ss"), "user", "pa:ss", true},
		{"no padding", strings.TrimRight(encode("a:bc"), "="), "a", "bc", true},
		{"both empty", encode(":"), "", "", true},
		{"no colon", encode("user"), "user", "", false},
		{"nothing", "", "", "", false},
		{"junk", "%%%", "", "", false},
		{"the alphabet of URLs", "-_8=", "", "", false},
		{"unused bits", "YTpiYy==", "", "", false},
		{"a line break", "YTpi\nYw==", "", "", false},
		{"a space", "YTpi Yw==", "", "", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			user, password, ok := decodeBasic(test.value)
			if ok != test.ok || ok && (user != test.user || password != test.password) {
				t.Errorf("got %q %q %v", user, password, ok)
			}
		})
	}
}

// FuzzDecodeBasic: whatever a stranger sends, nothing panics and a name never
// holds a colon (T-66).
func FuzzDecodeBasic(f *testing.F) {
	f.Add("dGVzdDoxMjPCow==")
	f.Add("Og==")
	f.Fuzz(func(t *testing.T, value string) {
		if user, _, ok := decodeBasic(value); ok && strings.Contains(user, ":") {
			t.Errorf("%q", user)
		}
	})
}

// TestBasicChallenge: R-BA-1, R-BA-2, R-CH-3.
func TestBasicChallenge(t *testing.T) {
	got := (&Basic{Realm: `say "hi"`}).Challenges(authenticator.ChallengeRequest{})
	if len(got) != 1 || got[0].Scheme != "Basic" || param(got[0], "realm") != `say "hi"` || param(got[0], "charset") != "UTF-8" {
		t.Errorf("got %v", got)
	}
}

// TestAPIKeyChallenge: R-KEY-4, R-CH-8.
func TestAPIKeyChallenge(t *testing.T) {
	for from, want := range map[string]string{"": "ApiKey", "header": "ApiKey", "bearer": "Bearer", "basic_password": "Basic"} {
		got := (&APIKey{From: from, Header: "X-Token"}).Challenges(authenticator.ChallengeRequest{})
		if len(got) != 1 || got[0].Scheme != want || want == "ApiKey" && param(got[0], "header") != "X-Token" {
			t.Errorf("%s: %v", from, got)
		}
	}
}
