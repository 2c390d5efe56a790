package users

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const testKey = "test-material-only-0123456789abcdef"

func hashOf(key string) string {
	digest := sha256.Sum256([]byte(key))
	return "sha256:" + hex.EncodeToString(digest[:])
}

func keysOf(t testing.TB, content string) *APIKeys {
	t.Helper()
	parsed, err := ParseAPIKeys("keys.yaml", []byte(content))
	if err != nil {
		t.Fatal(err)
	}
	keys, err := NewAPIKeys(parsed...)
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
		reason               authenticator.Reason
	}{
		{"good", testKey, "198.51.100.1", "ci", ""},
		{"unknown", testKey + "x", "198.51.100.1", "", authenticator.ReasonCredentialsInvalid},
		{"a prefix", testKey[:30], "198.51.100.1", "", authenticator.ReasonCredentialsInvalid},
		{"empty", "", "198.51.100.1", "", authenticator.ReasonCredentialsInvalid},
		{"too short to be a key", "short", "198.51.100.1", "", authenticator.ReasonCredentialsInvalid},
		{"too long", strings.Repeat("x", maxKey+1), "198.51.100.1", "", authenticator.ReasonCredentialsInvalid},
		{"disabled", testKey + "off", "198.51.100.1", "off", authenticator.ReasonAccountDisabled},
		{"expired", testKey + "old", "198.51.100.1", "old", authenticator.ReasonAccountDisabled},
		{"in a network", testKey + "near", "10.1.2.3", "near", ""},
		{"an address", testKey + "near", "192.0.2.7", "near", ""},
		{"IPv6", testKey + "near", "fd00::1", "near", ""},
		{"out of the networks", testKey + "near", "192.0.2.8", "near", authenticator.ReasonAccountDisabled},
		{"no address", testKey + "near", "", "near", authenticator.ReasonAccountDisabled},
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
	if id := key.Identity; id.ID != "build" || id.Kind != authenticator.KindClient || id.Username != "" || id.Roles[0] != "deployer" || id.Scopes[0] != "deploy" || id.Claims["key_id"] != "ci" || id.Method != "api_key" {
		t.Errorf("got %+v", id)
	}
	client := netip.MustParseAddr("198.51.100.1")
	if got := testing.AllocsPerRun(100, func() { keys.Verify(testKey, client, now) }); got > 0 {
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
		{"no owner", "keys:\n  - {id: a, hash: \"" + hashOf("x") + "\"}\n", `key "a" has no owner, which is required`},
		{"no id", "keys:\n  - {owner: b, hash: \"" + hashOf("x") + "\"}\n", `a key of the owner "b" has no id`},
		{"no id and no owner", "keys:\n  - {hash: \"" + hashOf("x") + "\"}\n", "a key has neither id nor owner"},
		{"no hash", "keys:\n  - {id: a, owner: b}\n", "hash: want sha256: and 64 hexadecimal digits"},
		{"the key itself", "keys:\n  - {id: a, owner: b, hash: " + testKey + "}\n", "hash: want sha256:"},
		{"networks empty", key(", networks: []"), "networks: the list is empty"},
		{"networks null", key(", networks: "), "networks has no value"},
		{"a bad network", key(", networks: [10.0.0.1/8]"), `"10.0.0.1/8" is not a network`},
		{"a bad time", key(", expires: soon"), "keys.yaml:2"},
		{"roles a word", key(", roles: x"), "keys.yaml:2"},
		{"a word", "keys: [x]\n", "a key: want a mapping"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseAPIKeys("keys.yaml", []byte(test.content))
			if err == nil {
				t.Fatalf("it was taken: %+v", keys[0])
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testKey) {
				t.Errorf("%q lacks %q, or holds a secret", err, test.want)
			}
		})
	}
	for _, again := range []string{"{id: a, owner: b, hash: \"" + hashOf("y") + "\"}", "{id: c, owner: b, hash: \"" + hashOf("x") + "\"}"} {
		parsed, err := ParseAPIKeys("keys.yaml", []byte(key("")+"  - "+again+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := NewAPIKeys(parsed...); err == nil {
			t.Errorf("%s passes", again)
		}
	}
}

// TestKeyFields: R-KEY-2, R-KEY-3, T-63. A field that lost its value never means
// the wider thing, and networks are what they say.
func TestKeyFields(t *testing.T) {
	tests := []struct{ name, more, want string }{
		{"disabled, cut off", "disabled: ", "keys.yaml:2: a key: disabled has no value"},
		{"disabled, another word", `disabled: "really"`, "disabled: want true or false"},
		{"expires, null", "expires: null", "expires has no value"},
		{"expires, the zero time", "expires: 0001-01-01", "no time to expire at"},
		{"networks, a word", "networks: 10.0.0.0/8", "networks: want a list"},
		{"networks, a mapping", "networks: {10.0.0.0/8: true}", "networks: want a list"},
		{"networks, of nothing", "networks: [~]", "networks: the list is empty"},
		{"networks, a name", "networks: [localhost]", `"localhost" is not a network`},
		{"networks, a range", "networks: [10.0.0.1-10.0.0.9]", "is not a network"},
		{"networks, IPv4 within IPv6", `networks: ["::ffff:10.0.0.0/104"]`, "is not a network"},
		{"networks, too long a prefix", "networks: [10.0.0.0/33]", "is not a network"},
		{"networks, one bad among good ones", "networks: [10.0.0.0/8, x]", `"x" is not a network`},
		{"scopes, a word", "scopes: deploy", "scopes: want a list"},
		{"a field twice", "owner: c", `"owner" is duplicated`},
		{"an unknown field", "role: [x]", `unknown key "role"; did you mean roles?; allowed: id hash owner`},
		{"a user's field", "password: x", `unknown key "password"; allowed: id hash owner`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			keys, err := ParseAPIKeys("keys.yaml", []byte("keys:\n  - {id: a, owner: b, hash: \""+hashOf("x")+"\", "+test.more+"}\n"))
			if err == nil {
				t.Fatalf("it was taken: %+v", keys[0])
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "keys.yaml:2: ") {
				t.Errorf("%q lacks %q", err, test.want)
			}
		})
	}
	for _, entry := range []string{"id: \"a\\nb\", owner: b", "id: a, owner: \"b\\r\\n\"", "id: \"\", owner: b", "id: a, owner: \"\""} {
		if _, err := ParseAPIKeys("keys.yaml", []byte("keys:\n  - {"+entry+", hash: \""+hashOf("x")+"\"}\n")); err == nil {
			t.Errorf("%s passes", entry)
		}
	}
	for _, hash := range []string{"md5:" + hashOf("x")[7:], hashOf("x")[7:], strings.ToUpper(hashOf("x")), hashOf("x") + "00", hashOf("x")[:70], "sha256:"} {
		if _, err := ParseAPIKeys("keys.yaml", []byte("keys:\n  - {id: a, owner: b, hash: \""+hash+"\"}\n")); err == nil || strings.Contains(err.Error(), hash) && len(hash) > 7 {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

// TestKeyNetworks: R-KEY-3. Where a key counts, for clients however they are
// written.
func TestKeyNetworks(t *testing.T) {
	tests := []struct {
		network, client string
		within          bool
	}{
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "::ffff:10.0.0.1", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "", false},
		{"0.0.0.0/0", "192.0.2.1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"0.0.0.0/0", "", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "192.0.2.1", false},
		{"::ffff:192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.8", false},
		{"fe80::/10", "fe80::1%eth0", true},
		{"fe80::1%eth0", "fe80::1", true},
	}
	for _, test := range tests {
		t.Run(test.network+" "+test.client, func(t *testing.T) {
			prefix, err := parseNetwork(test.network)
			if err != nil {
				t.Fatal(err)
			}
			client, _ := netip.ParseAddr(test.client)
			key := &APIKey{Networks: []netip.Prefix{prefix}}
			if got := key.within(client); got != test.within {
				t.Errorf("got %t", got)
			}
		})
	}
}

// TestKeyExpiry: R-KEY-3, to the second.
func TestKeyExpiry(t *testing.T) {
	keys := keysOf(t, "keys:\n  - {id: a, owner: b, expires: 2026-01-02T03:04:05Z, hash: \""+hashOf(testKey)+"\"}\n")
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for now, want := range map[time.Time]authenticator.Reason{
		at.Add(-1): "", at: authenticator.ReasonAccountDisabled, at.Add(time.Hour): authenticator.ReasonAccountDisabled, {}: "",
	} {
		key, reason := keys.Verify(testKey, netip.Addr{}, now)
		if key == nil || reason != want || key.Identity.ExpiresAt != at.Unix() {
			t.Errorf("at %s: %q", now, reason)
		}
	}
}

func BenchmarkKeysVerify(b *testing.B) {
	keys := keysOf(b, "keys:\n  - {id: a, owner: b, networks: [192.0.2.0/24], hash: \""+hashOf(testKey)+"\"}\n")
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, reason := keys.Verify(testKey, home, now); reason != "" {
			b.Fatal(reason)
		}
	}
}

// FuzzParseKeys: no file panics the parser (T-66).
func FuzzParseKeys(f *testing.F) {
	f.Add("keys:\n  - {id: a, owner: b, hash: \"" + hashOf("x") + "\"}\n")
	f.Add("keys: [&a {id: *a}]")
	f.Fuzz(func(t *testing.T, content string) {
		keys, err := ParseAPIKeys("keys.yaml", []byte(content))
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
