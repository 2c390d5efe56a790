package token

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// R-JWT-20, T-66: no token panics, none that was not signed with the key is accepted,
// and every refusal is bounded, printable and has a reason.
func FuzzVerify(f *testing.F) {
	set, err := NewKeySet(testKey(f, "HS256"))
	if err != nil {
		f.Fatal(err)
	}
	v := newVerifier(f, Config{Issuer: testIssuer, Audiences: []string{testAudience}, Keys: set, Now: func() time.Time { return testNow }})
	good := token("HS256", map[string]any{"roles": []string{"a"}, "scope": "b c"})
	f.Add(good)
	f.Add(good + "=")
	f.Add(forge("HS256", []byte("another secret of at least thirty-two bytes"), `{"alg":"HS256","kid":"x","crit":[]}`, `{"iss":1}`))
	f.Add(encode(`{"alg":"none"}`) + "." + encode(claimsWith(nil)) + ".")
	f.Add("..")
	f.Add(`{"payload":"","signatures":[]}`)
	f.Fuzz(func(t *testing.T, raw string) {
		id, err := v.Verify(raw)
		if err == nil {
			if raw != good || id.ID != "alice" {
				t.Fatalf("accepted %q as %v", raw, id)
			}
			return
		}
		var refused *Error
		if !errors.As(err, &refused) || refused.Reason == authenticator.ReasonNone || id != nil {
			t.Fatalf("refused with %v and identity %v", err, id)
		}
		for _, d := range refused.Details {
			if len(d.Value) > maxDetail+len("…") || strings.ContainsFunc(d.Value, func(r rune) bool { return !unicode.IsPrint(r) }) {
				t.Fatalf("detail %s is %q", d.Name, d.Value)
			}
		}
	})
}

// Issuer and Verify agree on what a token is.
func FuzzIssuer(f *testing.F) {
	f.Add(token("HS256", nil))
	f.Add("a.b.c")
	f.Add(encode(`{"alg":"x"}`) + "." + encode(`{"iss":"a","iss":"b"}`) + ".AA")
	f.Fuzz(func(t *testing.T, raw string) {
		issuer, ok := Parse(raw).Issuer()
		if !ok {
			return
		}
		opened, err := parse(raw, maxToken)
		if err != nil {
			t.Fatalf("an issuer of what is no token: %q", raw)
		}
		var claims map[string]any
		if json.Unmarshal(opened.payload, &claims) != nil || claims["iss"] != issuer {
			t.Fatalf("issuer %q of the claims %s", issuer, opened.payload)
		}
	})
}

// What is accepted as JSON means the same to encoding/json, and keeps doing so
// when it is written again.
func FuzzDecodeObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":[1,{"b":null}],"c":"\ud83d\ude00"}`, `{"a":1,"a":2}`, `{"\ud800":1}`, `{"a":1e309}`, `[]`, claimsWith(nil)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeObject(data)
		if err != nil {
			return
		}
		decoder := json.NewDecoder(strings.NewReader(string(data)))
		decoder.UseNumber()
		var want map[string]any
		if err := decoder.Decode(&want); err != nil || !reflect.DeepEqual(map[string]any(got), want) {
			t.Fatalf("decoded %v, encoding/json %v, %v", got, want, err)
		}
		again, err := decodeObject(must(json.Marshal(got)))
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("decoded again %v, %v, want %v", again, err, got)
		}
	})
}

// Claims of any shape make an identity with an id or a refusal.
func FuzzIdentify(f *testing.F) {
	v := newVerifier(f, Config{
		AnyAudience: true, Keys: testSet(f, testKey(f, "HS256")), Now: func() time.Time { return testNow },
		Map:     map[string][]string{"roles": {"realm_access.roles", "/groups/0"}, "id": {"/a~1b", "sub"}},
		Require: []Requirement{{Claim: "scope", Values: []string{"read"}}},
	})
	f.Add([]byte(claimsWith(map[string]any{"scope": "read"})))
	f.Add([]byte(`{"sub":"a","exp":1,"realm_access":{"roles":["x",1]}}`))
	f.Add([]byte(`{"a/b":"","groups":[["g"]],"amr":["pwd"],"auth_time":1.5}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		claims, err := decodeObject(data)
		if err != nil {
			return
		}
		_ = v.checkClaims(&jws{}, claims)
		_ = v.checkRequirements(claims)
		id, err := v.identify(claims, kindOf(claims), "none")
		if (err == nil) != (id != nil) {
			t.Fatalf("identity %v with %v", id, err)
		}
		if id != nil && (id.ID == "" || !id.Authenticated || id.Roles == nil || id.ExpiresAt < 0) {
			t.Fatalf("identity %v", id)
		}
	})
}

// Whatever a key server sends, the keys that come of it are fit for use.
func FuzzParseJWKSet(f *testing.F) {
	f.Add(jwks(ecJWK(&p256Key().PublicKey, map[string]any{"kid": "a"}), `{"kty":"oct"}`))
	f.Add(jwks(rsaJWK(&rsaKey().PublicKey, map[string]any{"alg": "RS256", "use": "sig", "key_ops": []string{"verify"}})))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{"keys":[[],{"kty":"RSA","n":"AQ","e":"AQ"}],"keys":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		set, _, err := ParseJWKSet(data)
		if (err == nil) != (set != nil) {
			t.Fatalf("set %v with %v", set, err)
		}
		if err == nil {
			useKeys(t, set.keys)
		}
	})
}

// Whatever a file holds, the keys that come of it are fit for use.
func FuzzParsePEM(f *testing.F) {
	f.Add(pemOf(rsaKey().Public()))
	f.Add(append(pemOf(p256Key().Public()), pemOf(edKey().Public())...))
	f.Add(certificateOf(p256Key()))
	f.Add([]byte("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n"))
	f.Add(block("PRIVATE KEY", []byte("x")))
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := ParsePEM("fuzz.pem", data)
		if (err == nil) != (len(keys) > 0) {
			t.Fatalf("%d keys with %v", len(keys), err)
		}
		useKeys(t, keys)
	})
}

// useKeys verifies something with each key, which must neither panic nor hold.
func useKeys(t *testing.T, keys []Key) {
	t.Helper()
	for _, k := range keys {
		for _, algorithm := range k.algorithms {
			if symmetric(algorithm) || k.verify(algorithm, "a.b", make([]byte, 64)) {
				t.Fatalf("a key %v for %s", k, algorithm)
			}
		}
		if len(k.algorithms) == 0 || len(k.thumbprint) != 43 {
			t.Fatalf("a key without use: %v", k)
		}
	}
}
