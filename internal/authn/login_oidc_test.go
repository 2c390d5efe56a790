package authn

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// writeClientKey writes a private key to a file, and returns its path.
func writeClientKey(t *testing.T, path string) string {
	t.Helper()
	encoded, err := x509.MarshalPKCS8PrivateKey(oidctest.NewKey("ES256").Private)
	if err == nil {
		err = os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// What a login oidc is told of its client is read and replaced when it loads; another
// key in the same file makes it another client.
func TestN29ClientOptions(t *testing.T) {
	t.Setenv("POLICY_AUTH_TEST_IDP", "a b")
	path := writeClientKey(t, filepath.Join(t.TempDir(), "client.pem"))
	l := &LoginOIDC{
		Issuer: "https://id.example.com", ClientID: "app", ClientAuthMethod: oidc.AuthPrivateKeyJWT, ClientKey: path,
		Parameters: map[string][]string{"kc_idp_hint": {"{env.POLICY_AUTH_TEST_IDP}"}},
	}
	if err := l.check(); err != nil {
		t.Fatal(err)
	}
	first, err := l.resolved()
	if err != nil || first.Parameters["kc_idp_hint"][0] != "a b" || first.ClientKey == nil || first.AuthMethod != "private_key_jwt" {
		t.Fatalf("%+v, %v", first, err)
	}
	writeClientKey(t, path)
	if second, err := l.resolved(); err != nil || second.ClientKey.Digest() == first.ClientKey.Digest() {
		t.Errorf("the new key is taken for the old one: %v", err)
	}
	for want, change := range map[string]func(*LoginOIDC){
		"client_key: " + filepath.Dir(path): func(l *LoginOIDC) { l.ClientKey = filepath.Dir(path) },
		"placeholders of a request":         func(l *LoginOIDC) { l.Parameters = map[string][]string{"a": {"{http.request.host}"}} },
		"parameters: a: ":                   func(l *LoginOIDC) { l.Parameters = map[string][]string{"a": {"{query.a}"}} },
		"client_secret is missing":          func(l *LoginOIDC) { l.ClientAuthMethod, l.ClientKey = oidc.AuthPost, "" },
	} {
		bad := *l
		change(&bad)
		err := bad.check()
		if err == nil {
			_, err = bad.resolved()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
