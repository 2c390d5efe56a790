// Command caddy is Caddy with the policy_auth handler built in, so that a
// fresh clone can be tried with nothing but Go: go run ./cmd/caddy run.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	// The standard modules and this project's own.
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/policyauth/caddy-policy-auth"
)

func main() {
	caddycmd.Main()
}
