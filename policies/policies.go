// Package policies embeds the Rego packages and JSON Schemas of policy_auth. The folder
// is a plain OPA bundle root: test it with opa test policies.
package policies

import "embed"

// FS has the built-in packages (caddy/…) and the schemas (schemas/…).
//
//go:embed caddy schemas
var FS embed.FS
