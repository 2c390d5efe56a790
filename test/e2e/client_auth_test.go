//go:build e2e

package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// loginWithKey runs a site whose client proves itself by a key of an algorithm.
func loginWithKey(t *testing.T, w *env, fake *oidctest.Provider, algorithm, more string) (*server, string) {
	t.Helper()
	key := oidctest.NewKey(algorithm).Private
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	w.Write("client.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded})))
	fake.ClientKey = key.Public()
	return w.serve("policy_auth {\n login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_auth_method private_key_jwt\n client_key " + w.Dir + "/client.pem\n" + more + " }\n }\n respond \"reached {http.request.uri}\"")
}

// TestE2E_N29_S29_ClientAuth: a person signs in at a provider that takes client
// assertions for itself alone, pushed requests and extra parameters.
func TestE2E_N29_S29_ClientAuth(t *testing.T) {
	for _, algorithm := range []string{"Ed25519", "ES256", "RS256"} {
		t.Run("N-29 "+algorithm, func(t *testing.T) {
			w, fake := newEnv(t), oidctest.New(t)
			fake.Pushed = true
			s, site := loginWithKey(t, w, fake, algorithm, "parameters {\n audience https://api.example.com\n resource https://one.example.com\n resource https://two.example.com\n }\n")
			f := newFollower(t)
			pushed := ""
			f.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
				if r.URL.Path == "/authorize" {
					pushed = r.URL.RawQuery
				}
				return nil
			}
			if status, _, page := f.open(site+"/mail?folder=in", nil); status != 200 || page != "reached /mail?folder=in" {
				t.Fatalf("%d %s\n%s", status, page, s.logged())
			}
			asked := fake.Asked()
			if !strings.HasPrefix(fake.Style(), "assertion ") || len(asked) != 1 || asked[0].Get("audience") != "https://api.example.com" || len(asked[0]["resource"]) != 2 {
				t.Errorf("by %s, asked %v", fake.Style(), asked)
			}
			if strings.Contains(pushed, "nonce") || !strings.Contains(pushed, "request_uri=urn") || strings.Contains(s.logged(), "eyJ") {
				t.Errorf("the browser brought %s", pushed)
			}
		})
	}
}

// TestE2E_N29Refused: a provider that refuses the client says so in the log; the page
// does not speak of typing mistakes.
func TestE2E_N29Refused(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	fake.Pushed = true
	s, site := loginWithKey(t, w, fake, "ES256", "")
	fake.Set(func(p *oidctest.Provider) { p.ClientKey = oidctest.NewKey("ES256").Private.Public() })
	status, _, page := newFollower(t).open(site+"/mail", nil)
	if status != 502 || strings.Contains(page, "typing mistakes") {
		t.Errorf("%d %s", status, page)
	}
	eventually(t, "the log has what the provider said", func() bool {
		return strings.Contains(s.logged(), "the endpoint of pushed requests answered 400 invalid_client")
	})
	if strings.Contains(s.logged(), "eyJ") {
		t.Error("the log has an assertion")
	}
	w.Write("bad.Caddyfile", "http://127.0.0.1:"+port(t)+" {\n policy_auth {\n login oidc "+fake.URL+" {\n client_id app\n parameters {\n State x\n }\n }\n }\n}\n")
	if output, err := exec.Command(binary(t), "validate", "--config", w.Dir+"/bad.Caddyfile", "--adapter", "caddyfile").CombinedOutput(); err == nil || !strings.Contains(string(output), "parameters: State belongs to the protocol") {
		t.Errorf("%v %s", err, output)
	}
}
