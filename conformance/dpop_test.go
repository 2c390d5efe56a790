package conformance

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/internal/dpop"
)

// prover is a DPoP client.
type prover struct {
	t     *testing.T
	key   *ecdsa.PrivateKey
	jwk   map[string]string
	nonce string
}

func newProver(t *testing.T) *prover {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, err := key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return &prover{t: t, key: key, jwk: map[string]string{"kty": "EC", "crv": "P-256", "x": encode(point[1:33]), "y": encode(point[33:])}}
}

// token returns a token of the site that is bound to the client's key.
func (p *prover) token() string {
	sum := sha256.Sum256([]byte(`{"crv":"P-256","kty":"EC","x":"` + p.jwk["x"] + `","y":"` + p.jwk["y"] + `"}`))
	return jwtOf(p.t, jwt.MapClaims{"cnf": map[string]string{"jkt": base64.RawURLEncoding.EncodeToString(sum[:])}})
}

// proof returns a proof for a token and a URI, with the latest nonce.
func (p *prover) proof(token, uri string, changes jwt.MapClaims) string {
	p.t.Helper()
	claims := jwt.MapClaims{"jti": rand.Text(), "htm": "GET", "htu": uri, "iat": time.Now().Unix(), "ath": dpop.AccessTokenHash(token), "nonce": p.nonce}
	maps.Copy(claims, changes)
	maps.DeleteFunc(claims, func(_ string, value any) bool { return value == "" })
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims)
	t.Header["typ"], t.Header["jwk"] = "dpop+jwt", p.jwk
	signed, err := t.SignedString(p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return signed
}

// TestDPoP: a DPoP client at a site, from the first challenge to the next handler, which
// gets neither token nor proof (R-DP-1, R-DP-7, R-DP-8, R-DP-9, R-DP-10, R-BR-12, S-24).
func TestDPoP(t *testing.T) {
	for name, more := range map[string]string{"removed": "", "forwarded": "forward_credentials\n"} {
		t.Run(name, func(t *testing.T) {
			h, logs := newEnv(t).site(basicSite + jwtSite + corsSite + more)
			recorder, _ := ask(h, get("/"), new(reached))
			if got := recorder.Header()["Www-Authenticate"]; recorder.Code != 401 || !slices.Equal(got, []string{basicLine, bearerLine, dpopLine}) {
				t.Errorf("%d %q", recorder.Code, got)
			}
			p := newProver(t)
			token := p.token()
			call := func(proof string, next *reached) (int, http.Header) {
				recorder, err := ask(h, get("https://example.com/orders?a=b", "Authorization", "DPoP "+token, "DPoP", proof, "Origin", origin), next)
				if err != nil {
					t.Fatal(err)
				}
				return recorder.Code, recorder.Header()
			}
			status, header := call(p.proof(token, "https://example.com/orders", jwt.MapClaims{"iat": time.Now().Add(-time.Hour).Unix()}), new(reached))
			p.nonce = header.Get("DPoP-Nonce")
			lines := header["Www-Authenticate"]
			if status != 401 || p.nonce == "" || !slices.Contains(lines, strings.Replace(dpopLine, `, algs`, `, error="use_dpop_nonce", algs`, 1)) || !slices.Contains(lines, bearerLine) {
				t.Errorf("%d %q", status, header)
			}
			if exposed := header.Get("Access-Control-Expose-Headers"); !strings.Contains(exposed, "dpop-nonce") || !strings.Contains(exposed, "www-authenticate") {
				t.Errorf("scripts read %q", exposed)
			}
			next, proof := new(reached), p.proof(token, "https://example.com/orders", nil)
			if status, header := call(proof, next); status != 200 || next.Request == nil || header.Get("DPoP-Nonce") != "" {
				t.Fatalf("%d %q", status, header)
			}
			kept := next.Request.Header.Get("Authorization") == "DPoP "+token && next.Request.Header.Get("DPoP") == proof
			gone := next.Request.Header["Authorization"] == nil && next.Request.Header["Dpop"] == nil
			if kept != (more != "") || gone != (more == "") {
				t.Errorf("the next handler gets %q", next.Request.Header)
			}
			if status, header := call(proof, new(reached)); status != 401 || header.Get("DPoP-Nonce") != "" || !strings.Contains(strings.Join(header["Www-Authenticate"], "\n"), `DPoP realm="restricted", error="invalid_dpop_proof"`) {
				t.Errorf("the same proof: %d %q", status, header)
			}
			for _, entry := range logs.All() {
				for key, value := range entry.ContextMap() {
					if text, ok := value.(string); ok && (strings.Contains(text, token) || strings.Contains(text, proof)) {
						t.Errorf("the log has a credential in %s", key)
					}
				}
			}
		})
	}
}

// TestDPoPTwice: two handlers verify one proof, which counts as used once (S-24).
func TestDPoPTwice(t *testing.T) {
	w := newEnv(t)
	first, _ := w.site(jwtSite)
	second, _ := w.site(jwtSite)
	p := newProver(t)
	token := p.token()
	var status int
	for range 2 { // the first time for a nonce
		next := new(reached)
		r := get("https://example.com/", "Authorization", "DPoP "+token, "DPoP", p.proof(token, "https://example.com/", nil))
		recorder, err := ask(first, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error { return second.ServeHTTP(w, r, next) }))
		if err != nil {
			t.Fatal(err)
		}
		p.nonce, status = recorder.Header().Get("DPoP-Nonce"), recorder.Code
		if status == 200 && (next.Request == nil || next.Request.Header["Dpop"] != nil) {
			t.Error("the next handler gets the proof")
		}
		if status == 200 {
			break
		}
	}
	if status != 200 {
		t.Errorf("status %d", status)
	}
}

// TestDPoPPreflight: scripts of allowed origins may send proofs (R-DP-9, R-CORS-8).
func TestDPoPPreflight(t *testing.T) {
	h, _ := newEnv(t).site(jwtSite + corsSite)
	r := get("/", "Origin", origin, "Access-Control-Request-Method", "GET", "Access-Control-Request-Headers", "authorization,dpop")
	r.Method = http.MethodOptions
	recorder, _ := ask(h, r, new(reached))
	if allowed := recorder.Header().Get("Access-Control-Allow-Headers"); recorder.Code >= 300 || !strings.Contains(allowed, "dpop") {
		t.Errorf("%d %q", recorder.Code, recorder.Header())
	}
}

// TestBoundMetadata: the metadata says which tokens the resource takes (R-PRM-7).
func TestBoundMetadata(t *testing.T) {
	h, _ := newEnv(t).site("jwt https://id.example.com {\n secret " + jwtSecret + "\n resource https://api.example.com\n require_dpop\n require_certificate_binding\n }\n")
	recorder, _ := ask(h, get("/.well-known/oauth-protected-resource"), new(reached))
	for _, member := range []string{`"tls_client_certificate_bound_access_tokens":true`, `"dpop_bound_access_tokens_required":true`, `"dpop_signing_alg_values_supported":["ES256",`} {
		if !strings.Contains(recorder.Body.String(), member) {
			t.Errorf("no %s in %s", member, recorder.Body)
		}
	}
}
