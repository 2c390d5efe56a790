package dpop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// TestRDP3Checks: R-DP-3, each check of RFC 9449, section 4.3, refuses a proof that fails it
// alone, before a signature is verified unless it is that check.
func TestRDP3Checks(t *testing.T) {
	claims := func(name string, value any) string {
		return made{claims: map[string]any{name: value}}.sign(testStart)
	}
	header := func(name string, value any) string {
		return made{header: map[string]any{name: value}}.sign(testStart)
	}
	good := made{}.sign(testStart)
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	tests := map[string]struct {
		proof Proof
		turns int // how often a signature is verified
	}{
		"1 no header":              {proof(), 0},
		"1 two headers":            {proof(good, good), 0},
		"1 two in one header":      {proof(good + ", " + good), 0},
		"2 no JWT":                 {proof("a.b.c"), 0},
		"2 empty":                  {proof(""), 0},
		"2 huge":                   {proof(claims("x", strings.Repeat("x", 9<<10))), 0},
		"3 no jti":                 {proof(claims("jti", nil)), 0},
		"3 an empty jti":           {proof(claims("jti", "")), 0},
		"3 a jti that is a number": {proof(claims("jti", 1)), 0},
		// R-DP-6
		"a long jti":                 {proof(claims("jti", strings.Repeat("x", 257))), 0},
		"3 no htm":                   {proof(claims("htm", nil)), 0},
		"3 no htu":                   {proof(claims("htu", nil)), 0},
		"3 no iat":                   {proof(claims("iat", nil)), 0},
		"3 an iat that is a text":    {proof(claims("iat", "1800000000")), 0},
		"3 no ath":                   {proof(claims("ath", nil)), 0},
		"4 no typ":                   {proof(header("typ", nil)), 0},
		"4 another typ":              {proof(header("typ", "JWT")), 0},
		"5 alg none":                 {proof(header("alg", "none")), 0},
		"5 alg HS256":                {proof(header("alg", "HS256")), 0},
		"5 an alg that is not known": {proof(header("alg", "ES256K")), 0},
		"6 another signature":        {proof(good[:strings.LastIndexByte(good, '.')] + claims("jti", "x")[strings.LastIndexByte(claims("jti", "x"), '.'):]), 1},
		"7 a private key":            {proof(header("jwk", map[string]any{"kty": "EC", "crv": "P-256", "x": "AQ", "y": "AQ", "d": "AQ"})), 0},
		"7 a secret":                 {proof(header("jwk", map[string]any{"kty": "oct", "k": "AQ"})), 0},
		"8 htm in lower case":        {proof(claims("htm", "get")), 0},
		"8 another htm":              {proof(claims("htm", "POST")), 0},
		"9 another path":             {proof(claims("htu", "https://api.example.com/order")), 0},
		"9 another host":             {proof(claims("htu", "https://evil.example.com/orders")), 0},
		"9 another scheme":           {proof(claims("htu", "http://api.example.com/orders")), 0},
		"10 a nonce of another":      {proof(claims("nonce", "eyJ7S_zG.eyJH0-Z.HX4w-7v")), 1},
		"10 a nonce that is no text": {proof(claims("nonce", 1)), 1},
		"11 too old":                 {proof(claims("iat", testStart.Unix()-61)), 1},
		"11 from the future":         {proof(claims("iat", testStart.Unix()+6)), 1},
		"12 another ath":             {proof(claims("ath", AccessTokenHash("another"))), 0},
		"12 another key":             {proof(made{key: other}.sign(testStart)), 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e, memory := newMemory(t)
			turns := 0
			checked, err := e.Check(t.Context(), test.proof, func() (func(), error) { turns++; return func() {}, nil })
			var refusal *Error
			if !errors.As(err, &refusal) || refusal.Reason != authenticator.ReasonProofInvalid || checked != nil {
				t.Errorf("%+v, %v", checked, err)
			}
			if turns != test.turns || memory.Len() != 0 {
				t.Errorf("%d signatures verified, %d proofs remembered", turns, memory.Len())
			}
		})
	}
}

// TestRDP1Accepted: a proof that passes every check is accepted once.
func TestRDP1Accepted(t *testing.T) {
	for name, m := range map[string]made{
		"as it is":            {},
		"typ in another case": {header: map[string]any{"typ": "application/DPoP+JWT"}},
		"60 s old":            {claims: map[string]any{"iat": testStart.Unix() - 60}},
		"5 s ahead":           {claims: map[string]any{"iat": testStart.Unix() + 5}},
		"a fraction":          {claims: map[string]any{"iat": float64(testStart.Unix()) + 0.5}},
		// R-DP-4
		"another htu": {claims: map[string]any{"htu": "HTTPS://API.example.com:443/x/../%6Frders?a=b#c"}},
		// R-DP-6
		"a jti of 256": {claims: map[string]any{"jti": strings.Repeat("x", 256)}},
		"more claims":  {claims: map[string]any{"exp": 1, "x": []int{1}}},
		"a kid":        {header: map[string]any{"kid": "1"}},
	} {
		t.Run(name, func(t *testing.T) {
			e, _ := newMemory(t)
			p := proof(m.sign(testStart))
			e.want(p, authenticator.ReasonNone)
			if again := e.want(p, authenticator.ReasonProofInvalid); again.Nonce != "" {
				t.Error("a replay is answered with a nonce")
			}
		})
	}
}

// TestBusy: where no processor is free, the proof may be valid.
func TestBusy(t *testing.T) {
	e, _ := newMemory(t)
	_, err := e.Check(t.Context(), proof(made{}.sign(testStart)), func() (func(), error) { return nil, errors.New("full") })
	if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Reason != authenticator.ReasonBusy {
		t.Error(err)
	}
}

// TestRDP10Vector: the proof of RFC 9449, section 7.1, at its time and an hour later, and
// with one second too much.
func TestRDP10Vector(t *testing.T) {
	var published struct {
		DPoP struct {
			Token  string `json:"access_token"`
			ATH    string
			Proofs []struct {
				Proof  string
				JKT    string
				Claims struct{ Iat int64 }
			}
		} `json:"rfc9449_dpop"`
	}
	if err := json.Unmarshal(vectors.Read(t, "rfc-examples", "http-auth-rfc-examples.json"), &published); err != nil {
		t.Fatal(err)
	}
	if got := AccessTokenHash(published.DPoP.Token); got != published.DPoP.ATH {
		t.Errorf("ath %s", got)
	}
	last := published.DPoP.Proofs[len(published.DPoP.Proofs)-1]
	for after, want := range map[time.Duration]authenticator.Reason{
		0: "", time.Minute: "", time.Minute + time.Second: authenticator.ReasonProofInvalid, time.Hour: authenticator.ReasonProofInvalid,
		-5 * time.Second: "", -6 * time.Second: authenticator.ReasonProofInvalid,
	} {
		e, _ := newMemory(t)
		e.now = time.Unix(1562262618, 0).Add(after)
		e.complete.Store(e.now.Add(-time.Hour).UnixNano())
		p := Proof{Lines: []string{last.Proof}, Method: "GET", URI: "https://resource.example.org/protectedresource", Token: published.DPoP.Token, Thumbprint: last.JKT}
		if refusal := e.want(p, want); want != "" && refusal.Nonce == "" {
			t.Errorf("after %s: no nonce to try again with", after)
		}
	}
}

// FuzzCheck: whatever a client sends as a proof, Check does not panic, and what it
// accepts is a proof for this request.
func FuzzCheck(f *testing.F) {
	f.Add(made{}.sign(testStart))
	f.Add(made{claims: map[string]any{"nonce": "x", "iat": 1e300}}.sign(testStart))
	f.Add("..")
	e, _ := newMemory(f)
	f.Fuzz(func(t *testing.T, line string) {
		checked, err := e.Check(t.Context(), proof(line), nil)
		if refusal, ok := errors.AsType[*Error](err); err != nil && (!ok || refusal.Reason != authenticator.ReasonProofInvalid) {
			t.Error(err)
		}
		if err == nil && (checked.left <= 0 || checked.left > shareWindow) {
			t.Errorf("%+v", checked)
		}
	})
}
