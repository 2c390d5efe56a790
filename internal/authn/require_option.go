package authn

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/token"
)

// Requirement is a claim that must hold one of the values.
type Requirement struct {
	// A dotted path or a JSON pointer.
	Claim string `json:"claim"`
	// The accepted values; one must match.
	Values []string `json:"values"`
}

// parseRequire adds a line to the requirements at target:
//
//	require <claim> <value>...
func parseRequire(target *[]Requirement) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		args := d.RemainingArgs()
		if len(args) == 0 {
			return d.Err("require wants a claim and the values that it may hold, such as require team red blue")
		}
		if len(args) < 2 {
			return d.Errf("require %s names no value that the claim may hold", args[0])
		}
		*target = append(*target, Requirement{Claim: args[0], Values: args[1:]})
		return nil
	}
}

// checkRequire returns an error for a *, which would match nothing.
func checkRequire(required []Requirement) error {
	for _, r := range required {
		if slices.Contains(r.Values, "*") {
			return fmt.Errorf("require %s: * is no pattern and matches nothing; name the values that the claim may hold", r.Claim)
		}
	}
	return nil
}

// requirements returns requirements as verifiers take them.
func requirements(required []Requirement) []token.Requirement {
	var list []token.Requirement
	for _, r := range required {
		list = append(list, token.Requirement(r))
	}
	return list
}
