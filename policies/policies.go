// Package policies embeds the Rego that policy_auth brings along. The folder is
// a plain OPA bundle root: stock OPA tests it with opa test policies.
package policies

import "embed"

// FS holds the built-in packages (caddy/…) and the schemas (schemas/…).
//
//go:embed caddy schemas
var FS embed.FS
