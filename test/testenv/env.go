// Package testenv is what the in-process tests of the handler and the end-to-end
// tests share: a folder with users and an access table, sites to configure, and
// the rules that each of the handler's answers keeps.
package testenv

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// Canary is a password and a part of each secret in these tests: it must not
// turn up in any log, page or upstream request.
const Canary = "canary-4711-test-material-only"

// Blocks of policy_auth, in which DIR stands for the folder of an Env.
const (
	BasicSite = "basic {\n users DIR/users.yaml\n }\n access DIR/access.yaml\n"
	// PatientSite is BasicSite for tests with many failures.
	PatientSite = "basic {\n users DIR/users.yaml\n throttle 1000 5m\n }\n access DIR/access.yaml\n"
	FormSite    = "login form {\n users DIR/users.yaml\n }\n session {\n store file DIR/store.db\n }\n access DIR/access.yaml\n"
	KeySite     = "api_key {\n keys DIR/keys.yaml\n }\n"
	JWTSecret   = "test-material-" + Canary + "-32-bytes-and-more"
	JWTSite     = "jwt https://id.example.com {\n secret " + JWTSecret + "\n audience api\n }\n"
	CORSSite    = "cors {\n origins " + Origin + "\n }\n"
)

// Origin is the page that may read what a CORSSite answers.
const Origin = "https://app.example.com"

// The challenges of a BasicSite and a JWTSite, which has two.
const (
	BasicLine  = `Basic realm="restricted", charset="UTF-8"`
	BearerLine = `Bearer realm="restricted"`
	DPoPLine   = `DPoP realm="restricted", algs="ES256 ES384 ES512 Ed25519 EdDSA PS256 PS384 PS512 RS256 RS384 RS512"`
)

// FormToken finds the token of a sign-in form.
var FormToken = regexp.MustCompile(`name="token" value="([^"]+)"`)

// Env is a folder with what a site's configuration names.
type Env struct {
	T   testing.TB
	Dir string
	// Match is the JSON of the matcher sets of the handlers that Site and Provision
	// make, such as [{"path": ["/private/*"]}]; "" is none.
	Match string
}

// New returns a folder with users and an access table.
func New(t testing.TB) *Env {
	t.Helper()
	w := &Env{T: t, Dir: t.TempDir()}
	hash, err := bcrypt.GenerateFromPassword([]byte(Canary), 8)
	if err != nil {
		t.Fatal(err)
	}
	account := func(name, more string) string { return "  " + name + ":\n    password: " + string(hash) + "\n" + more }
	w.Write("users.yaml", "users:\n"+account("alice", "    roles: [admin, member]\n")+account("bob", "    roles: [member]\n")+
		account("carol", "    disabled: true\n")+account("dave", "    expires: 2001-01-01T00:00:00Z\n"))
	w.Write("access.yaml", "rules:\n  - paths: [/public/*]\n    allow: [{anyone: true}]\n  - paths: [/admin/*]\n    allow: [{roles: [admin]}]\n  - paths: [/*]\n    allow: [{authenticated: true}]\n")
	return w
}

// Write puts a file in the folder, old enough to count as settled.
func (w *Env) Write(name, content string) {
	w.T.Helper()
	path := filepath.Join(w.Dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.T.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		w.T.Fatal(err)
	}
	past := time.Now().Add(-time.Minute)
	if err := os.Chtimes(path, past, past); err != nil {
		w.T.Fatal(err)
	}
}

// BasicOf returns the Authorization of a user of New.
func BasicOf(name string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+Canary))
}

// SHA returns the digest of a key as keys.yaml has it.
func SHA(key string) string {
	digest := sha256.Sum256([]byte(key))
	return hex.EncodeToString(digest[:])
}

// JWTOf returns a token that a JWTSite accepts, but for the claims given.
func JWTOf(t testing.TB, claims jwt.MapClaims) string {
	t.Helper()
	all := jwt.MapClaims{"iss": "https://id.example.com", "aud": "api", "sub": "svc", "exp": time.Now().Add(time.Hour).Unix()}
	maps.Copy(all, claims)
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, all).SignedString([]byte(JWTSecret))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// OIDCSite is a site where people sign in at a provider.
func OIDCSite(fake *oidctest.Provider, more string) string {
	return "login oidc " + fake.URL + " {\n client_id " + fake.ClientID + "\n client_secret " + fake.ClientSecret + "\n" + more + "}\n session {\n store file DIR/store.db\n }\n access DIR/access.yaml\n"
}
