package caddyfileutil

import (
	"strings"
	"testing"
)

// TestCheckFile: only what Caddy makes of a {file.name} without a slash is an error, and
// the error tells no other part of the value.
func TestCheckFile(t *testing.T) {
	for value, want := range map[string]string{
		"":                         "",
		"canary":                   "",
		"{file./run/secrets/oidc}": "",
		"{env.OIDC_SECRET}":        "",
		"canary{http.request.uri.path.file.my-secret}": "{file./etc/caddy/my-secret} or {file../my-secret}",
	} {
		err := CheckFilePlaceholder(value)
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary")) {
			t.Errorf("%s: %v", value, err)
		}
	}
}
