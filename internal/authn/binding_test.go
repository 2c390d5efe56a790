package authn

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/dpop"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/token"
	"github.com/policyauth/caddy-policy-auth/test/vectors"
)

// bound is a jwt method with the key of an issuer and the key of a client.
type bound struct {
	*JWT
	t      testing.TB
	issuer *ecdsa.PrivateKey
	client *ecdsa.PrivateKey
	jwk    map[string]string
	leaf   *x509.Certificate
}

// newBound returns a method whose memory of proofs began a minute ago.
func newBound(t testing.TB, option BindingOption) *bound {
	t.Helper()
	b := &bound{t: t, issuer: newKey(t), client: newKey(t), leaf: &x509.Certificate{Raw: []byte("a certificate")}}
	set := keySetOf(t, &b.issuer.PublicKey)
	b.JWT = &JWT{Issuer: "https://id.example.com", Audience: []string{"api"}, BindingOption: option, sources: tokenSources, forged: newBadSignatureLimiter()}
	verifier, err := token.New(b.config(set))
	if err != nil {
		t.Fatal(err)
	}
	b.verifier = verifier
	clock := time.Now().Add(-time.Minute)
	b.proofs = dpop.New(dpop.Config{
		Store: store.NewMemory(nil), Now: func() time.Time { return clock },
		NonceKey: func(context.Context) ([]byte, error) { return make([]byte, 32), nil },
	})
	clock = time.Now()
	point, err := b.client.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	b.jwk = map[string]string{"kty": "EC", "crv": "P-256", "x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
	return b
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// jkt returns the thumbprint of the client's key.
func (b *bound) jkt() string {
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + b.jwk["x"] + `","y":"` + b.jwk["y"] + `"}`))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// x5t returns the thumbprint of the client's certificate.
func (b *bound) x5t() string {
	sum := sha256.Sum256(b.leaf.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// token returns a token of the issuer with a cnf of pairs of a name and a value.
func (b *bound) token(pairs ...string) string {
	b.t.Helper()
	claims := jwt.MapClaims{"iss": b.Issuer, "aud": "api", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
	cnf := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		cnf[pairs[i]] = pairs[i+1]
		claims["cnf"] = cnf
	}
	raw, err := jwt.NewWithClaims(jwt.SigningMethodES256, claims).SignedString(b.issuer)
	if err != nil {
		b.t.Fatal(err)
	}
	return raw
}

// proof returns a DPoP proof of the client for a token.
func (b *bound) proof(raw, method, uri string, changes map[string]any) string {
	b.t.Helper()
	claims := jwt.MapClaims{"jti": rand.Text(), "htm": method, "htu": uri, "iat": time.Now().Unix(), "ath": dpop.AccessTokenHash(raw)}
	maps.Copy(claims, changes)
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["jwk"] = "dpop+jwt", b.jwk
	signed, err := t.SignedString(b.client)
	if err != nil {
		b.t.Fatal(err)
	}
	return signed
}

// request returns a request over TLS with a certificate or none, in Caddy's context, from
// a trusted proxy or not.
func (b *bound) request(certificate, trusted bool, target string, proofs ...string) *http.Request {
	r := httptest.NewRequest("GET", target, nil)
	if certificate {
		r.TLS.PeerCertificates = []*x509.Certificate{b.leaf}
	}
	if len(proofs) > 0 {
		r.Header["Dpop"] = proofs
	}
	vars := map[string]any{caddyhttp.TrustedProxyVarKey: trusted}
	return r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, vars))
}

const ordersURL = "https://api.example.com/orders"

// TestBinding: a bound token counts only as it is bound, also when it was verified before.
//
// R-DP-1, R-DP-2, R-MT-1, R-MT-6, S-20
func TestBinding(t *testing.T) {
	plain, dpopOnly, certificateOnly := BindingOption{}, BindingOption{RequireDPoP: true}, BindingOption{RequireCertificateBinding: true}
	const unbound, unproven = authenticator.ReasonTokenUnbound, authenticator.ReasonProofInvalid
	tests := []struct {
		name                 string
		option               BindingOption
		jkt, x5t             bool // in cnf
		scheme               string
		proof, cert, proxied bool
		want                 authenticator.Reason
	}{
		{"no binding", plain, false, false, "Bearer", false, false, false, ""},
		{"no binding, with a certificate", plain, false, false, "Bearer", false, true, false, ""},
		{"with a proof", plain, true, false, "DPoP", true, false, false, ""},
		{"without a proof", plain, true, false, "DPoP", false, false, false, unproven},
		{"as a bearer token", plain, true, false, "Bearer", false, false, false, unbound},
		{"as a bearer token with a proof", plain, true, false, "Bearer", true, false, false, unbound},
		{"not bound, with a proof", plain, false, false, "DPoP", true, false, false, unbound},
		{"require_dpop, not bound", dpopOnly, false, false, "Bearer", false, false, false, unbound},
		{"require_dpop, bound to a certificate", dpopOnly, false, true, "Bearer", false, true, false, unbound},
		{"require_dpop, with a proof", dpopOnly, true, false, "DPoP", true, false, false, ""},
		{"with the certificate", plain, false, true, "Bearer", false, true, false, ""},
		{"without a certificate", plain, false, true, "Bearer", false, false, false, unbound},
		{"S-20 with a proxy's certificate", plain, false, true, "Bearer", false, true, true, unbound},
		{"required and not bound", certificateOnly, false, false, "Bearer", false, true, false, unbound},
		{"required and bound to a key", certificateOnly, true, false, "DPoP", true, true, false, unbound},
		{"required, with the certificate", certificateOnly, false, true, "Bearer", false, true, false, ""},
		{"both", plain, true, true, "DPoP", true, true, false, ""},
		{"both, without a proof", plain, true, true, "DPoP", false, true, false, unproven},
		{"both, without a certificate", plain, true, true, "DPoP", true, false, false, unbound},
		{"both, as a bearer token", plain, true, true, "Bearer", true, true, false, unbound},
	}
	for _, test := range tests {
		for method, opaque := range map[string]bool{"jwt": false, "introspection": true} {
			t.Run(method+": "+test.name, func(t *testing.T) {
				b := newBound(t, test.option)
				cnf := map[string]string{}
				if test.jkt {
					cnf["jkt"] = b.jkt()
				}
				if test.x5t {
					cnf["x5t#S256"] = b.x5t()
				}
				a, raw := b.accepting(opaque, cnf)
				for range 2 { // the second time the token is remembered, and its proof is verified all the same
					var proofs []string
					if test.proof {
						proofs = []string{b.proof(raw, "GET", ordersURL, nil)}
					}
					r := b.request(test.cert, test.proxied, ordersURL+"?a=b", proofs...)
					outcome := a.Authenticate(r, authenticator.Credential{Source: authenticator.FromScheme(test.scheme), Value: raw})
					if outcome.Reason != test.want || (outcome.Verdict == authenticator.Accepted) != (test.want == "") {
						t.Errorf("%+v", outcome)
					}
					if test.want != "" && outcome.Candidate != "alice" {
						t.Errorf("candidate %q", outcome.Candidate)
					}
				}
			})
		}
	}
}

// accepting returns a method and a token that it accepts, which is bound as cnf says: the
// jwt method, or one that asks about opaque tokens.
func (b *bound) accepting(opaque bool, cnf map[string]string) (authenticator.Authenticator, string) {
	b.t.Helper()
	if !opaque {
		var pairs []string
		for name, value := range cnf {
			pairs = append(pairs, name, value)
		}
		return b.JWT, b.token(pairs...)
	}
	response := map[string]any{"active": true, "sub": "alice", "aud": "api"}
	if len(cnf) > 0 {
		response["cnf"] = cnf
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(response)
	}))
	b.t.Cleanup(server.Close)
	i := newIntrospection(b.t, server.URL, func(i *Introspection) { i.BindingOption = b.BindingOption })
	return i, "an-opaque-token"
}

// TestAnotherCertificate: R-MT-1, a token that is bound to another certificate.
func TestAnotherCertificate(t *testing.T) {
	b := newBound(t, BindingOption{})
	raw := b.token("x5t#S256", "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0")
	outcome := b.Authenticate(b.request(true, false, ordersURL), authenticator.Credential{Source: bearerSources[0], Value: raw})
	if outcome.Reason != authenticator.ReasonTokenUnbound {
		t.Errorf("%+v", outcome)
	}
}

// TestRMT2Thumbprint: R-MT-2, the certificate of RFC 8705, appendix A.
func TestRMT2Thumbprint(t *testing.T) {
	var published struct {
		Certificate map[string]string `json:"rfc8705_appendix_a"`
	}
	if err := json.Unmarshal(vectors.Read(t, "rfc-examples", "http-auth-rfc-examples.json"), &published); err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(published.Certificate["certificate_pem"]))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}
	if got := certificateThumbprint(r); got != published.Certificate["x5t#S256"] || got == "" {
		t.Errorf("%s, want %s", got, published.Certificate["x5t#S256"])
	}
}

// TestRDP5URI: R-DP-5, the URI that a proof has to name is the one that the client used, by what
// the connection and trusted proxies say alone.
func TestRDP5URI(t *testing.T) {
	b := newBound(t, BindingOption{})
	raw := b.token("jkt", b.jkt())
	forwarded := http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"evil.example.com"}, "X-Forwarded-Port": {"444"}}
	for name, test := range map[string]struct {
		target  string
		trusted bool
		header  http.Header
		uri     string
		want    bool
	}{
		"TLS":                              {ordersURL, false, nil, ordersURL, true},
		"another port":                     {"https://api.example.com:8443/orders", false, nil, "https://api.example.com:8443/orders", true},
		"plain HTTP":                       {"http://api.example.com/orders", false, nil, "http://api.example.com/orders", true},
		"a trusted proxy":                  {"http://api.example.com/orders", true, forwarded, ordersURL, true},
		"another peer":                     {"http://api.example.com/orders", false, forwarded, ordersURL, false},
		"a trusted proxy's forwarded host": {"http://api.example.com/orders", true, forwarded, "https://evil.example.com/orders", false},
	} {
		r := b.request(false, test.trusted, test.target, b.proof(raw, "GET", test.uri, nil))
		if r.TLS != nil && strings.HasPrefix(test.target, "http:") {
			r.TLS = nil
		}
		maps.Copy(r.Header, test.header)
		outcome := b.Authenticate(r, authenticator.Credential{Source: dpopSource, Value: raw})
		if (outcome.Verdict == authenticator.Accepted) != test.want {
			t.Errorf("%s: %+v", name, outcome)
		}
	}
}

// TestRewrittenProof: a proof is for the method and the path that the client sent, before
// a rewrite.
func TestRewrittenProof(t *testing.T) {
	b := newBound(t, BindingOption{})
	raw := b.token("jkt", b.jkt())
	r := b.request(false, false, ordersURL, b.proof(raw, "GET", ordersURL, nil))
	rewritten := r.WithContext(context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, *r))
	rewritten.URL = httptest.NewRequest("GET", "/internal/orders", nil).URL
	rewritten.Method = "POST"
	if outcome := b.Authenticate(rewritten, authenticator.Credential{Source: dpopSource, Value: raw}); outcome.Verdict != authenticator.Accepted {
		t.Errorf("%+v", outcome)
	}
}

// TestS24Once: one proof is for one request, which several handlers may verify.
func TestS24Once(t *testing.T) {
	b := newBound(t, BindingOption{})
	raw := b.token("jkt", b.jkt())
	proof := b.proof(raw, "GET", ordersURL, nil)
	r, credential := b.request(false, false, ordersURL, proof), authenticator.Credential{Source: dpopSource, Value: raw}
	for range 2 {
		if outcome := b.Authenticate(r, credential); outcome.Verdict != authenticator.Accepted {
			t.Errorf("the same request: %+v", outcome)
		}
	}
	if outcome := b.Authenticate(b.request(false, false, ordersURL, proof), credential); outcome.Reason != authenticator.ReasonProofInvalid {
		t.Errorf("another request: %+v", outcome)
	}
	forged := b.request(false, false, ordersURL, proof)
	caddyhttp.SetVar(forged.Context(), provenKey, "set by a directive")
	if outcome := b.Authenticate(forged, credential); outcome.Reason != authenticator.ReasonProofInvalid {
		t.Errorf("another request with a variable: %+v", outcome)
	}
	if outcome := b.Authenticate(b.request(false, false, ordersURL, "a.b.c"), authenticator.Credential{Source: dpopSource, Value: raw + "x"}); outcome.Reason != authenticator.ReasonTokenSignature && outcome.Reason != authenticator.ReasonTokenMalformed {
		t.Errorf("S-24 a bad token with a bad proof: %+v", outcome)
	}
}

// TestNoProofStore: without a store, and with one that fails, a proof is neither good nor bad.
func TestNoProofStore(t *testing.T) {
	b := newBound(t, BindingOption{})
	raw := b.token("jkt", b.jkt())
	closed := store.NewMemory(nil)
	_ = closed.Close()
	for name, proofs := range map[string]*dpop.Verifier{
		"none":   nil,
		"closed": dpop.New(dpop.Config{Store: closed, Now: b.longAgo()}),
	} {
		b.proofs = proofs
		outcome := b.Authenticate(b.request(false, false, ordersURL, b.proof(raw, "GET", ordersURL, nil)), authenticator.Credential{Source: dpopSource, Value: raw})
		if outcome.Verdict != authenticator.Unavailable || outcome.Reason != authenticator.ReasonStoreUnavailable || outcome.Err == nil {
			t.Errorf("%s: %+v", name, outcome)
		}
	}
}

// longAgo returns a clock that is a minute slow when it is first read.
func (b *bound) longAgo() func() time.Time {
	read := false
	return func() time.Time {
		if !read {
			read = true
			return time.Now().Add(-time.Minute)
		}
		return time.Now()
	}
}

// TestTokenChallenges: which challenges a 401 has, and in which one the error stands.
//
// R-DP-7, R-DP-8, R-DP-9, R-SU-1, S-24
func TestTokenChallenges(t *testing.T) {
	algs := ` algs="` + strings.Join(dpop.Algorithms(), " ") + `"`
	bearer, withProof := "Bearer", "DPoP"+algs
	denied := func(scheme string, reason authenticator.Reason) authenticator.ChallengeRequest {
		return authenticator.ChallengeRequest{Method: "jwt", Scheme: scheme, Verdict: authenticator.Rejected, Reason: reason, MaxAge: -1}
	}
	nonce := denied("dpop", authenticator.ReasonProofInvalid)
	nonce.DPoPNonce = "n"
	stepUp := denied("dpop", authenticator.ReasonStepUpRequired)
	stepUp.ACRValues, stepUp.MaxAge = []string{"phr"}, 300
	ambiguous := authenticator.ChallengeRequest{Verdict: authenticator.Malformed, Reason: authenticator.ReasonCredentialsAmbiguous, Scheme: "dpop", MaxAge: -1}
	off := JWT{ChallengeOption: ChallengeOption{Challenge: off}}
	for name, test := range map[string]struct {
		jwt  JWT
		d    authenticator.ChallengeRequest
		want []string
	}{
		"no credential":                {JWT{}, authenticator.ChallengeRequest{MaxAge: -1}, []string{bearer, withProof}},
		"a bad bearer token":           {JWT{}, denied("bearer", authenticator.ReasonTokenExpired), []string{`Bearer error="invalid_token"`, withProof}},
		"a bad DPoP token":             {JWT{}, denied("dpop", authenticator.ReasonTokenExpired), []string{bearer, `DPoP error="invalid_token"` + algs}},
		"a bound bearer token":         {JWT{}, denied("bearer", authenticator.ReasonTokenUnbound), []string{`Bearer error="invalid_token"`, withProof}},
		"a bad proof":                  {JWT{}, denied("dpop", authenticator.ReasonProofInvalid), []string{bearer, `DPoP error="invalid_dpop_proof"` + algs}},
		"a nonce is wanted":            {JWT{}, nonce, []string{bearer, `DPoP error="use_dpop_nonce"` + algs}},
		"two credentials":              {JWT{}, ambiguous, []string{`Bearer error="invalid_request"`, `DPoP error="invalid_request"` + algs}},
		"a step-up":                    {JWT{}, stepUp, []string{bearer, `DPoP error="insufficient_user_authentication" acr_values="phr" max_age="300"` + algs}},
		"require_dpop":                 {JWT{BindingOption: BindingOption{RequireDPoP: true}}, authenticator.ChallengeRequest{MaxAge: -1}, []string{withProof}},
		"require_dpop, a bearer token": {JWT{BindingOption: BindingOption{RequireDPoP: true}}, denied("bearer", authenticator.ReasonTokenUnbound), []string{`DPoP error="invalid_token"` + algs}},
		"challenge off":                {off, denied("dpop", authenticator.ReasonProofInvalid), nil},
		"S-24 challenge off, a nonce":  {off, nonce, []string{`DPoP error="use_dpop_nonce"` + algs}},
	} {
		test.jwt.sources = tokenSources
		var got []string
		for _, challenge := range test.jwt.Challenges(test.d) {
			text := challenge.Scheme
			for _, p := range challenge.Params {
				if p.Name != "realm" {
					text += " " + p.Name + `="` + p.Value + `"`
				}
			}
			got = append(got, text)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
	cookie := JWT{TokenPlace: TokenPlace{From: "cookie", Name: "token"}, sources: []authenticator.Source{authenticator.FromCookie("token")}}
	if got := cookie.Challenges(authenticator.ChallengeRequest{MaxAge: -1}); len(got) != 1 || got[0].Scheme != "Bearer" {
		t.Errorf("from cookie: %+v", got)
	}
}

// TestProofHeaders: the header with the proof is a credential of the site where one is read.
func TestProofHeaders(t *testing.T) {
	for name, test := range map[string]struct {
		sources []authenticator.Source
		want    []string
	}{
		"bearer and DPoP": {tokenSources, []string{"Authorization", "Dpop"}},
		"bearer alone":    {bearerSources, []string{"Authorization"}},
	} {
		c := &Chain{sources: test.sources}
		if got := c.Headers(); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q", name, got)
		}
	}
	c, err := NewChain([]Method{{Name: "jwt", Authenticator: newBound(t, BindingOption{}).JWT}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]authenticator.Reason{
		"DPoP a b": authenticator.ReasonTokenMalformed, "DPoP": authenticator.ReasonTokenMalformed, "DPoP \ta": authenticator.ReasonTokenMalformed,
	} {
		r := newBound(t, BindingOption{}).request(false, false, ordersURL)
		r.Header.Set("Authorization", value)
		if got := c.Identify(r, true); got.Reason != want || got.Verdict != authenticator.Malformed {
			t.Errorf("%q: %+v", value, got.Outcome)
		}
	}
}

// TestNonceOfMethods: a nonce that cannot be sent is left out.
func TestNonceOfMethods(t *testing.T) {
	m := &Method{Name: "x"}
	for nonce, want := range map[string]string{"eyJ7S_zG.eyJH0-Z": "eyJ7S_zG.eyJH0-Z", "a\r\nb": "", "a b": "", `a"b`: "", strings.Repeat("a", 300): ""} {
		outcome := authenticator.Reject(authenticator.ReasonProofInvalid)
		outcome.DPoPNonce = nonce
		if got := m.checked(outcome, authenticator.Credential{}); got.DPoPNonce != want {
			t.Errorf("%q: %q", nonce, got.DPoPNonce)
		}
	}
}
