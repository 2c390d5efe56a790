// Command token makes a token for the quickstart's site, as an identity
// provider would:
//
//	go run ./examples/quickstart/token build-server deployer
//
// The first argument is the subject, the others are roles. The secret is the
// one in the quickstart's Caddyfile and protects nothing.
package main

import (
	"fmt"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const secret = "not-a-secret-just-for-the-quickstart"

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: token <subject> [<role>...]")
		os.Exit(2)
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss":   "https://id.example.com",
		"aud":   "quickstart",
		"sub":   os.Args[1],
		"roles": os.Args[2:],
		"iat":   time.Now().Unix(),
		"exp":   time.Now().Add(time.Hour).Unix(),
	}).SignedString([]byte(secret))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(token)
}
