package token_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// A verifier over a file of PEM keys.
func Example() {
	public, private, _ := ed25519.GenerateKey(rand.Reader)
	der, _ := x509.MarshalPKIXPublicKey(public)
	file := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	keys, err := token.ParsePEM("keys.pem", file)
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := token.NewKeySet(keys...)
	if err != nil {
		fmt.Println(err)
		return
	}
	verifier, err := token.New(token.Config{
		Issuer:    "https://id.example.com",
		Audiences: []string{"https://api.example.com"},
		Map:       map[string][]string{"roles": {"realm_access.roles", "roles"}},
		Keys:      set,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, audience := range []string{"https://api.example.com", "https://shop.example.com"} {
		raw, _ := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{
			"iss": "https://id.example.com", "aud": audience, "sub": "alice",
			"exp": time.Now().Add(time.Minute).Unix(), "roles": []string{"admin"},
		}).SignedString(private)
		id, err := verifier.Verify(raw)
		if refused := new(token.Error); errors.As(err, &refused) {
			fmt.Println(refused.Reason, refused.Details)
			continue
		}
		fmt.Println(id.ID, id.Roles, id.Kind)
	}
	// Output:
	// alice [admin] user
	// token_audience [{expected_audience https://api.example.com} {received_audience https://shop.example.com}]
}

// A secret that somebody thought up comes with a warning.
func ExampleNewHMACKey() {
	_, warnings, err := token.NewHMACKey([]byte("correct horse battery staple, and more of it"))
	fmt.Println(warnings, err)
	_, _, err = token.NewHMACKey([]byte("hunter2"))
	fmt.Println(err)
	// Output:
	// [the secret looks like words or a password and may be guessed from any token: make one with openssl rand -base64 48] <nil>
	// a secret of 7 bytes is too short (HS256 needs 32, HS384 48, HS512 64): make one with openssl rand -base64 48
}

// Several issuers share a header: the token's own word only chooses who judges it.
func ExampleUnverified_Issuer() {
	raw := "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIn0.AAAA"
	fmt.Println(token.Parse(raw).Issuer())
	fmt.Println(token.Parse("not a token").Issuer())
	// Output:
	// https://id.example.com true
	//  false
}
