package token

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// exampleKey returns the verifying key of an example, which is often private.
// A secret does not go through a key set, so it is taken from the JWK here.
func exampleKey(t *testing.T, data []byte) (Key, error) {
	t.Helper()
	var members map[string]any
	check(json.Unmarshal(data, &members))
	if members["kty"] == "oct" {
		key, _, err := NewHMACKey(must(base64.RawURLEncoding.DecodeString(members["k"].(string))))
		return key, err
	}
	maps.DeleteFunc(members, func(name string, _ any) bool { return slices.Contains(privateMembers, name) })
	return parseJWK(must(json.Marshal(members)))
}

// verifyJWS verifies a signature over any payload, which need not be claims.
func verifyJWS(t *testing.T, key Key, raw string) error {
	t.Helper()
	v := newVerifier(t, Config{AnyAudience: true, Keys: testSet(t, key)})
	if v.algorithms[0] == "HS256" {
		v.algorithms = hmacAlgorithms
	}
	opened, err := v.parse(raw, maxToken, v.algorithms)
	if err != nil {
		return err
	}
	return v.checkSignature(opened)
}

// wycheproofDeviations are the labels that RFCs or our own rules overrule.
var wycheproofDeviations = map[int]struct {
	accept bool
	reason string
}{
	346: {false, "the JWK is for PS256, the token is PS384 (RFC 7517, section 4.4)"},
	350: {false, "the JWK is for PS256, the token is PS384 (RFC 7517, section 4.4)"},
	347: {false, "the JWK is for ES521, which does not exist"},
	351: {false, "the JWK is for ES521, which does not exist"},
	367: {true, "byte for byte the token of 357, which is labelled valid"},
	370: {true, "byte for byte the token of 357, which is labelled valid"},
	372: {false, "there is a ? in the header's segment (RFC 7515, sections 2 and 5.2)"},
	373: {false, "there is a ? in the payload's segment (RFC 7515, sections 2 and 5.2)"},
}

// R-JWT-1 to R-JWT-8 and R-JWT-10 to R-JWT-12: wycheproof's 401 signatures.
func TestVectorsWycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Comment         string
			Public, Private json.RawMessage
			Tests           []struct {
				TcID                 int
				Comment, JWS, Result string
			}
		}
	}
	check(json.Unmarshal(vectors.Read(t, "wycheproof", "json_web_signature_test.json"), &file))
	count := 0
	for _, group := range file.TestGroups {
		data := group.Public
		if data == nil {
			data = group.Private
		}
		key, keyErr := exampleKey(t, data)
		if group.Comment == "base64" {
			key, keyErr = zeroKey(t, keyErr), nil
		}
		for _, test := range group.Tests {
			count++
			accept, why := test.Result == "valid", "as labelled"
			if deviation, ok := wycheproofDeviations[test.TcID]; ok {
				if deviation.accept == accept {
					t.Errorf("%d: the deviation agrees with the label", test.TcID)
				}
				accept, why = deviation.accept, deviation.reason
			}
			err := keyErr
			if err == nil {
				err = verifyJWS(t, key, test.JWS)
			}
			if (err == nil) != accept {
				t.Errorf("%d %s: %v, want accepted %v: %s", test.TcID, test.Comment, err, accept, why)
			}
		}
	}
	if count != 401 {
		t.Errorf("%d tests, want 401", count)
	}
}

// zeroKey returns the key of wycheproof's group base64, 32 zeros. We refuse to
// load it, so it is made by hand to get at what the group is about.
func zeroKey(t *testing.T, loading error) Key {
	t.Helper()
	if loading == nil || !strings.Contains(loading.Error(), "zeros") {
		t.Errorf("a secret of zeros: %v, want it refused", loading)
	}
	return Key{pinned: true, material: make([]byte, 32), algorithms: []string{"HS256"}}
}

// RFC 7515, appendix A, and RFC 7520, section 4, in compact serialization.
func TestVectorsRFCCompact(t *testing.T) {
	for name, accept := range map[string]bool{
		"rfc7515_A.1": true, "rfc7515_A.2": true, "rfc7515_A.3": true, "rfc7515_A.4": true,
		"rfc7520_4.1": true, "rfc7520_4.2": true, "rfc7520_4.3": true, "rfc7520_4.4": true,
		"rfc7520_4.5": false, // its payload is detached, so the signature is not over what is there
	} {
		t.Run(name, func(t *testing.T) {
			raw := string(vectors.Read(t, "latchset-jose-rfc", name+".jwsc"))
			key := exampleFile(t, name)
			err := verifyJWS(t, key, strings.TrimSpace(raw))
			if (err == nil) != accept {
				t.Errorf("verify: %v, want accepted %v", err, accept)
			}
			if err := verifyJWS(t, testKey(t, key.algorithms[0]), strings.TrimSpace(raw)); err == nil {
				t.Error("another key verifies it")
			}
		})
	}
}

// exampleFile returns the key of an example, which may be the name of a file.
func exampleFile(t *testing.T, name string) Key {
	t.Helper()
	data := vectors.Read(t, "latchset-jose-rfc", name+".jwk")
	if other := strings.TrimSpace(string(data)); !strings.HasPrefix(other, "{") {
		data = vectors.Read(t, "latchset-jose-rfc", other)
	}
	key, err := exampleKey(t, data)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// R-JWT-2, R-JWT-12: RFC 7515, appendix A.5 (alg none), and the serializations
// as JSON of A.6, A.7 and RFC 7520 are refused.
func TestVectorsRFCRefused(t *testing.T) {
	key := testKey(t, "ES256")
	for _, name := range []string{
		"rfc7515_A.5.jwsc", "rfc7515_A.6.jwsg", "rfc7515_A.7.jwsf", "rfc7520_4.1.jwsf", "rfc7520_4.1.jwsg",
		"rfc7520_4.4.jwsf", "rfc7520_4.4.jwsg", "rfc7520_4.6.jwsf", "rfc7520_4.7.jwsf", "rfc7520_4.8.jwsg",
	} {
		raw := string(vectors.Read(t, "latchset-jose-rfc", name))
		if got := reasonOf(t, verifyJWS(t, key, raw)); got != authenticator.ReasonTokenMalformed {
			t.Errorf("%s: reason %q, want token_malformed", name, got)
		}
	}
}

// The claims of RFC 7515, appendices A.1 to A.3, verified as tokens.
func TestVectorsRFCClaims(t *testing.T) {
	for _, name := range []string{"rfc7515_A.1", "rfc7515_A.2", "rfc7515_A.3"} {
		raw := strings.TrimSpace(string(vectors.Read(t, "latchset-jose-rfc", name+".jwsc")))
		for now, want := range map[int64]authenticator.Reason{1300819379: "", 1300819439: "", 1300819440: authenticator.ReasonTokenExpired} {
			v := newVerifier(t, Config{
				Issuer: "joe", AnyAudience: true, Keys: testSet(t, exampleFile(t, name)), Map: map[string][]string{"id": {"iss"}},
				Require: []Requirement{{Claim: "/http:~1~1example.com~1is_root", Values: []string{"true"}}},
				Now:     func() time.Time { return time.Unix(now, 0) },
			})
			wantReason(t, v, raw, want)
		}
	}
}

// RFC 7520, RFC 8037 (Ed25519) and RFC 7797 (unencoded payloads) as the
// working group published them.
func TestVectorsCookbook(t *testing.T) {
	for path, accept := range map[string]bool{
		"jws/4_1.rsa_v15_signature.json":               true,
		"jws/4_2.rsa-pss_signature.json":               true,
		"jws/4_3.ecdsa_signature.json":                 true,
		"jws/4_4.hmac-sha2_integrity_protection.json":  true,
		"jws/4_5.signature_with_detached_content.json": false,
		"curve25519/jws.json":                          true,
		"rfc7797/hmac-sha2_b64_false.json":             false,
		"rfc7797/4.2.hmac-sha2_b64_false.json":         false, // there is no compact form of it
	} {
		t.Run(path, func(t *testing.T) {
			var example struct {
				Input  struct{ Key json.RawMessage }
				Output struct{ Compact string }
			}
			check(json.Unmarshal(vectors.Read(t, "ietf-jose-cookbook", filepath.FromSlash(path)), &example))
			key, err := exampleKey(t, example.Input.Key)
			if err != nil {
				t.Fatal(err)
			}
			if err := verifyJWS(t, key, example.Output.Compact); (err == nil) != accept {
				t.Errorf("verify: %v, want accepted %v", err, accept)
			}
		})
	}
}

// R-JWT-8: the example of RFC 7797 is signed well; crit is what refuses it.
func TestVectorsCritB64(t *testing.T) {
	raw := encode(`{"alg":"HS256","b64":false,"crit":["b64"]}`) + "." + encode("$.02")
	if got := reasonOf(t, verifyJWS(t, testKey(t, "HS256"), forgeRaw("HS256", testSecret, raw))); got != authenticator.ReasonTokenMalformed {
		t.Errorf("reason %q, want token_malformed", got)
	}
}

// RFC 7517, appendix A: the public set has one key for verifying; private and
// secret ones are refused.
func TestVectorsKeySets(t *testing.T) {
	set, skipped, err := ParseJWKSet(vectors.Read(t, "latchset-jose-rfc", "rfc7517_A.1.jwkset"))
	if err != nil || len(set.keys) != 1 || set.keys[0].id != "2011-04-29" || len(skipped) != 1 {
		t.Errorf("A.1: %v, skipped %v, %v, want the RSA key", set, skipped, err)
	}
	for _, name := range []string{"rfc7517_A.2.jwkset", "rfc7517_A.3.jwkset", "rfc7515_A.6.jwkset"} {
		if set, skipped, err := ParseJWKSet(vectors.Read(t, "latchset-jose-rfc", name)); err == nil || set != nil || len(skipped) != 2 {
			t.Errorf("%s: %v, skipped %v, %v, want both refused", name, set, skipped, err)
		}
	}
}

// R-JWK-9: RFC 7638, section 3.1, and RFC 8037, appendix A.3.
func TestVectorsThumbprint(t *testing.T) {
	key, err := parseJWK(vectors.Read(t, "latchset-jose-rfc", "rfc7638_3.1.jwk"))
	if want := strings.TrimSpace(string(vectors.Read(t, "latchset-jose-rfc", "rfc7638_3.1.thp"))); err != nil || key.thumbprint != want {
		t.Errorf("thumbprint %s, %v, want %s", key.thumbprint, err, want)
	}
}

// R-JWK-9: the thumbprints that the RFCs print, for checkouts without vectors,
// and that of a P-256 key, hashed here over its canonical form.
func TestThumbprint(t *testing.T) {
	const ed = `{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"ignored"}`
	if key, err := parseJWK([]byte(ed)); err != nil || key.thumbprint != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("thumbprint %s, %v, want RFC 8037's", key.thumbprint, err)
	}
	public := &p256Key().PublicKey
	point := must(public.Bytes())
	want := thumbprint("%s", nil) // the hash of nothing
	if want != "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" {
		t.Errorf("the hash of nothing is %s", want)
	}
	canonical := `{"crv":"P-256","kty":"EC","x":"` + b64(point[1:33]) + `","y":"` + b64(point[33:]) + `"}`
	if key := must(newPublicKey(public)); key.thumbprint != thumbprint(canonical) {
		t.Errorf("thumbprint %s, want %s", key.thumbprint, thumbprint(canonical))
	}
}
