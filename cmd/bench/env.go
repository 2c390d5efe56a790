//go:build linux

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"
)

const (
	issuer   = "https://id.example.com"
	audience = "https://api.example.com"
	// password is the one of the only user with a password, and key the only key.
	password = "a password of the benchmark"
	key      = "a-key-of-the-benchmark-and-of-nothing-else"
	// people is how many have bindings to roles.
	people = 1000
)

//go:embed policy/authz.rego opa/opa.rego
var policies embed.FS

// env is the files that the servers of a run read, and what signs tokens.
type env struct {
	dir  string
	key  *ecdsa.PrivateKey
	hash string // of the password
	// usual is the token of all requests that need no other: one that is signed anew
	// would be verified anew.
	usual string
}

// newEnv writes the files of a run into a directory.
func newEnv(dir string) (*env, error) {
	w := &env{dir: dir}
	var err error
	if w.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	w.usual = w.token(0)
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	w.hash = string(hash)
	point, err := x509.MarshalPKIXPublicKey(&w.key.PublicKey)
	if err != nil {
		return nil, err
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: point})
	authz, err := policies.ReadFile("policy/authz.rego")
	if err != nil {
		return nil, err
	}
	shim, err := policies.ReadFile("opa/opa.rego")
	if err != nil {
		return nil, err
	}
	return w, w.write(map[string][]byte{
		"key.pem": key, "policy/authz.rego": authz, "policy/data.json": data(), "access.yaml": table(),
		"three/authz.rego": []byte(threeConditions), "keys.yaml": keys(), "users.yaml": []byte("users:\n  alice: {password: \"" + w.hash + "\"}\n"),
		"opa/opa.rego": shim, "opa/bench/data.json": encode(map[string]any{"key": string(key), "issuer": issuer, "audience": audience}),
	})
}

func (w *env) write(contents map[string][]byte) error {
	for name, content := range contents {
		path := filepath.Join(w.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// encode encodes what can be encoded.
func encode(value any) []byte {
	encoded, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		panic(err)
	}
	return append(encoded, '\n')
}

// data is what the policy looks up: roles by person, grants by role.
func data() []byte {
	bindings := map[string][]string{}
	for i := range people {
		bindings[person(i)] = []string{"reader", fmt.Sprintf("team-%d", i%20)}
	}
	roles := map[string]any{"reader": []any{grant("GET HEAD", "/api/v1/documents/")}}
	for i := range 20 {
		roles[fmt.Sprintf("team-%d", i)] = []any{grant("GET HEAD POST", fmt.Sprintf("/api/v1/teams/%d/", i)), grant("GET", "/api/v1/orders/")}
	}
	return encode(map[string]any{
		"bindings": bindings, "roles": roles, "suspended": map[string]bool{"mallory": true}, "networks": []string{"10.0.0.0/8", "127.0.0.0/8"},
	})
}

// threeConditions is a policy as short as most are.
const threeConditions = `package caddy.authz

import data.caddy.helpers

allow if {
	helpers.under("/api/v1/orders")
	helpers.is_method("GET")
	helpers.has_role("member")
}
`

// keys has the only key.
func keys() []byte {
	return fmt.Appendf(nil, "keys:\n  - {id: bench, owner: bench, hash: \"sha256:%x\"}\n", sha256.Sum256([]byte(key)))
}

func person(i int) string { return fmt.Sprintf("user-%04d", i) }

func grant(methods, prefix string) map[string]any {
	return map[string]any{"methods": strings.Fields(methods), "prefix": prefix}
}

// table is an access table that lets the same in.
func table() []byte {
	var b strings.Builder
	b.WriteString("networks: {office: [10.0.0.0/8, 127.0.0.0/8]}\nrules:\n  - paths: [/healthz]\n    allow: [{anyone: true}]\n")
	for i := range 20 {
		fmt.Fprintf(&b, "  - paths: [/api/v1/teams/%d/*]\n    allow: [{roles: [team-%[1]d], methods: [GET, POST]}]\n", i)
	}
	b.WriteString("  - paths: [/api/v1/orders/*]\n    allow: [{roles: [member], methods: [GET], networks: [office]}]\n")
	return []byte(b.String())
}

// token signs a token of ten claims; serial makes it another one.
func (w *env) token(serial int64) string {
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{
		"iss": issuer, "aud": audience, "sub": person(7), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": fmt.Sprint(serial),
		"roles": []string{"member"}, "tenant": "north", "email": "user-0007@example.com", "name": "User Seven",
	}).SignedString(w.key)
	if err != nil {
		panic(err) // the key is good
	}
	return signed
}
