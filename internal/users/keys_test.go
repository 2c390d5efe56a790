package users

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

const testKey = "test-material-only-0123456789abcdef"

func hashOf(key string) string {
	digest := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(digest[:])
}

func keysOf(t testing.TB, content string) *Keys {
	t.Helper()
	parsed, err := ParseKeys("keys.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewKeys(parsed...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// TestKeysVerify: R-KEY-2, R-KEY-3. Each field of keys.yaml.
func TestKeysVerify(t *testing.T) {
	keys := keysOf(t, "keys:\n"+
		"  - {id: ci, owner: build, roles: [deployer], scopes: [deploy], hash: \""+hashOf(testKey)+"\"}\n"+
		"  - {id: off, owner: build, disabled: true, hash: \""+hashOf(testKey+"off")+"\"}\n"+
		"  - {id: old, owner: build, expires: 2020-01-01T00:00:00Z, hash: \""+hashOf(testKey+"old")+"\"}\n"+
		"  - {id: near, owner: build, networks: [10.0.0.0/8, 192.0.2.7, \"fd00::/8\"], hash: \""+hashOf(testKey+"near")+"\"}\n"+
		"  - {id: short, owner: build, hash: \""+hashOf("short")+"\"}\n")
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name, secret, client string
		id                   string
		reason               identity.Reason
	}{
		{"good", testKey, "198.51.100.1", "ci", ""},
		{"unknown", testKey + "x", "198.51.100.1", "", identity.ReasonCredentialsInvalid},
		{"a prefix", testKey[:30], "198.51.100.1", "", identity.ReasonCredentialsInvalid},
		{"empty", "", "198.51.100.1", "", identity.ReasonCredentialsInvalid},
		{"too short to be a key", "short", "198.51.100.1", "", identity.ReasonCredentialsInvalid},
		{"too long", strings.Repeat("x", maxKey+1), "198.51.100.1", "", identity.ReasonCredentialsInvalid},
		{"disabled", testKey + "off", "198.51.100.1", "off", identity.ReasonAccountDisabled},
		{"expired", testKey + "old", "198.51.100.1", "old", identity.ReasonAccountDisabled},
		{"in a network", testKey + "near", "10.1.2.3", "near", ""},
		{"an address", testKey + "near", "192.0.2.7", "near", ""},
		{"IPv6", testKey + "near", "fd00::1", "near", ""},
		{"out of the networks", testKey + "near", "192.0.2.8", "near", identity.ReasonAccountDisabled},
		{"no address", testKey + "near", "", "near", identity.ReasonAccountDisabled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, _ := netip.ParseAddr(test.client)
			key, reason := keys.Verify(test.secret, client, now)
			id := ""
			if key != nil {
				id = key.ID
			}
			if id != test.id || reason != test.reason {
				t.Errorf("got %q %q", id, reason)
			}
		})
	}
	key, _ := keys.Verify(testKey, netip.Addr{}, now)
	if id := key.Identity; id.ID != "build" || id.Kind != identity.KindClient || id.Username != "" || id.Roles[0] != "deployer" || id.Scopes[0] != "deploy" || id.Claims["key_id"] != "ci" || id.Method != "api_key" {
		t.Errorf("got %+v", id)
	}
	client := netip.MustParseAddr("198.51.100.1")
	if got := testing.AllocsPerRun(100, func() { keys.Verify(testKey, client, now) }); got > 1 {
		t.Errorf("%v allocations", got)
	}
}

// TestParseKeysErrors: nothing that is wrong widens where or whom a key is for.
func TestParseKeysErrors(t *testing.T) {
	key := func(more string) string {
		return "keys:\n  - {id: a, owner: b, hash: \"" + hashOf("x") + "\"" + more + "}\n"
	}
	tests := []struct{ name, content, want string }{
		{"empty", "", "keys.yaml: the file is empty"},
		{"cut off", "keys:\n", "keys.yaml:1: keys: want a list"},
		{"none", "keys: []\n", "at least one key"},
		{"another key", "key: []\n", `unknown key "key"; did you mean keys?`},
		{"misspelt", key(", netwroks: [10.0.0.0/8]"), `unknown key "netwroks"; did you mean networks?`},
		{"no owner", "keys:\n  - {id: a, hash: \"" + hashOf("x") + "\"}\n", "id and owner are required"},
		{"no hash", "keys:\n  - {id: a, owner: b}\n", "hash: want sha256: and 64 hexadecimal digits"},
		{"the key itself", "keys:\n  - {id: a, owner: b, hash: " + testKey + "}\n", "hash: want sha256:"},
		{"networks empty", key(", networks: []"), "networks: the list is empty"},
		{"networks null", key(", networks: "), "networks: the list is empty"},
		{"a bad network", key(", networks: [10.0.0.1/8]"), `"10.0.0.1/8" is no network`},
		{"a bad time", key(", expires: soon"), "keys.yaml:2"},
		{"roles a word", key(", roles: x"), "keys.yaml:2"},
		{"a word", "keys: [x]\n", "a key: want a mapping"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseKeys("keys.yaml", []byte(test.content))
			if err == nil {
				t.Fatalf("it was taken: %+v", keys[0])
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testKey) {
				t.Errorf("%q lacks %q, or holds a secret", err, test.want)
			}
		})
	}
	for _, again := range []string{"{id: a, owner: b, hash: \"" + hashOf("y") + "\"}", "{id: c, owner: b, hash: \"" + hashOf("x") + "\"}"} {
		parsed, err := ParseKeys("keys.yaml", []byte(key("")+"  - "+again+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewKeys(parsed...); err == nil {
			t.Errorf("%s passes", again)
		}
	}
}

// FuzzParseKeys: no file panics the parser (T-66).
func FuzzParseKeys(f *testing.F) {
	f.Add("keys:\n  - {id: a, owner: b, hash: \"" + hashOf("x") + "\"}\n")
	f.Add("keys: [&a {id: *a}]")
	f.Fuzz(func(t *testing.T, content string) {
		keys, err := ParseKeys("keys.yaml", []byte(content))
		if err != nil {
			return
		}
		for _, key := range keys {
			if key.ID == "" || key.Identity.ID == "" {
				t.Errorf("taken: %+v", key)
			}
		}
	})
}
