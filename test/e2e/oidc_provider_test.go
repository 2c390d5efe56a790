//go:build e2e

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// elsewhere is a redirect URI of the certified provider's client at which nothing
// listens.
const elsewhere = "http://127.0.0.1:9/callback"

// certified is the certified provider, with its client's key.
type certified struct {
	t      *testing.T
	issuer string
	key    []byte // of its client, in PEM
}

// startCertified runs the provider for a site, with more arguments.
func startCertified(t *testing.T, site string, more ...string) *certified {
	t.Helper()
	jwk, key := clientKey(t)
	listen := firstLine(t, node(t, append([]string{"provider.mjs", site, elsewhere, jwk}, more...)...))
	return &certified{t, "http://localhost:" + listen, key}
}

// clientKey returns a key for client assertions: its public part as JWK, and all of it in PEM.
func clientKey(t *testing.T) (string, []byte) {
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
	jwk, _ := json.Marshal(map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])})
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(jwk), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})
}

// ask sends a request to the provider's controls.
func (c *certified) ask(method, path string) string {
	c.t.Helper()
	r, err := http.NewRequest(method, c.issuer+path, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer answer.Body.Close()
	content, _ := io.ReadAll(answer.Body)
	return string(content)
}

// TestE2E_N29OIDCProvider signs a person in at a certified provider in a real browser:
// pushed requests, client assertions, ID tokens signed by Ed25519; then in six tabs,
// with a stronger sign-in, with another signing key, and out in both ways.
func TestE2E_N29OIDCProvider(t *testing.T) {
	w, listen, admin := newEnv(t), port(t), "127.0.0.1:"+port(t)
	site := "http://127.0.0.1:" + listen
	p := startCertified(t, site)
	w.Write("client.pem", string(p.key))
	w.Write("Caddyfile", fmt.Sprintf(`{
	admin %s
	auto_https off
}
%s {
	policy_auth /tab/* {
		login oidc %s {
			client_id app
			client_auth_method private_key_jwt
			client_key %s/client.pem
		}
		identity_headers {
			X-User username
			X-ACR claims.acr
		}
	}
	header Content-Type text/html
	respond /public "<title>public</title>public"
	respond "<title>app</title>{http.request.uri} for {http.request.header.X-User} {http.request.header.X-ACR}."
}
`, admin, site, p.issuer, w.Dir))
	s := start(t, w.Dir, "Caddyfile", admin)
	b := openWindow(t)
	b.visit(site + "/tab/0?a=b")
	b.wantText("/tab/0?a=b for alice .")

	forget := func() { // the site's session, not the provider's
		b.visit(site + "/public")
		b.call("DELETE", "/cookie", nil, nil)
	}
	forget()
	got := b.run(`const tabs = [1, 2, 3, 4, 5, 6].map(i => [i, open("/tab/" + i)]);
const ready = ([i, w]) => { try { return w.document.body.innerText.includes("/tab/" + i + " for alice") } catch { return false } };
for (let i = 0; i < 100 && !tabs.every(ready); i++) await new Promise(done => setTimeout(done, 100));
const seen = tabs.map(t => ready(t) ? "in" : t[1].location.href + " " + t[1].document.body.innerText);
tabs.forEach(([, w]) => w.close());
return seen.join(", ")`)
	if got != "in, in, in, in, in, in" {
		t.Errorf("six tabs: %v\n%s", got, s.logged())
	}

	b.call("DELETE", "/cookie/policy_auth_completed", nil, nil) // on a slow machine, three tabs may have signed in one after the other
	b.visit(site + "/.policy_auth/login?acr_values=phr&max_age=0&return_to=%2Ftab%2Fstep")
	b.wantText("/tab/step for alice phr.")

	p.ask("POST", "/rotate")
	forget()
	b.visit(site + "/tab/rotated")
	b.wantText("/tab/rotated for alice")

	b.visit(site + "/.policy_auth/logout")
	b.click("button")
	b.wantText("Yes") // the provider asks
	b.click("button")
	b.wantText("You are not signed in to this site.")

	b.visit(site + "/tab/again")
	b.wantText("/tab/again for alice")
	before := p.ask("GET", "/notices")
	b.visit(p.issuer + "/session/end")
	b.click("button")
	b.wantText("signed out at the provider")
	eventually(t, "the provider's notice", func() bool { return p.ask("GET", "/notices") != before })
	b.visit(site + "/public")
	if status := b.run(`return fetch("/tab/x", {headers: {Accept: "application/json"}}).then(a => a.status)`); status != 401.0 {
		t.Errorf("after the provider's notice: %v", status)
	}
	if log := s.logged(); strings.Contains(log, "eyJ") {
		t.Error("the log has a token")
	}
}

// TestE2E_N29Refresh: a certified provider rotates refresh tokens, and takes one that
// comes twice for stolen.
func TestE2E_N29Refresh(t *testing.T) {
	p := startCertified(t, "http://127.0.0.1:"+port(t))
	key, err := oidc.ParseClientKey("client.pem", p.key)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := token.NewRemoteKeySet(token.RemoteKeySetConfig{Issuer: p.issuer})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = keys.Close() }()
	client, err := oidc.New(oidc.Config{Issuer: p.issuer, ClientID: "app", AuthMethod: oidc.AuthPrivateKeyJWT, ClientKey: key, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	to, pending, err := client.Authorize(t.Context(), "a-state", elsewhere, oidc.NoStepUp)
	if err == nil {
		to, err = client.PushAuthorization(t.Context(), to, "a-state", pending)
	}
	if err != nil {
		t.Fatal(err)
	}
	var answer url.Values
	f := newFollower(t)
	f.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), elsewhere) {
			answer = r.URL.Query()
			return http.ErrUseLastResponse
		}
		return nil
	}
	status, end, page := f.open(to, nil)
	g, err := client.Exchange(t.Context(), answer, pending)
	if err != nil {
		t.Fatal(status, end, page, err)
	}
	renewed, err := client.Refresh(t.Context(), g)
	if err != nil || renewed.RefreshToken == g.RefreshToken || renewed.Subject != "user-1" || renewed.Identity == nil {
		t.Fatalf("%+v, %v", renewed, err)
	}
	if _, err := client.Refresh(t.Context(), renewed); err != nil {
		t.Error(err)
	}
	if _, err := client.Refresh(t.Context(), g); err == nil || strings.Contains(err.Error(), g.RefreshToken) {
		t.Errorf("the first refresh token, a second time: %v", err)
	}
}
