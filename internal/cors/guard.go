package cors

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Guard returns a function that replaces the Access-Control-* headers of the upstream by
// those that Handle prepared in h, because browsers reject a response that has one twice
// (R-CORS-17). Call it after Handle, and only for an Ordinary request. It returns nil if
// there is nothing to replace.
func (c *CORS) Guard(h http.Header) respheader.HeaderFunc {
	if c.upstream {
		return nil
	}
	var owned []field
	for name, lines := range h {
		if isOwned(name) && len(lines) == 1 {
			owned = append(owned, field{name, lines[0]})
		}
	}
	_, varies := c.plain.header["Vary"]
	return func(h http.Header) {
		removeOwned(h)
		for _, f := range owned {
			h[f.name] = []string{f.value}
		}
		if varies {
			respheader.AddVary(h, "Origin")
		}
	}
}

type field struct{ name, value string }
