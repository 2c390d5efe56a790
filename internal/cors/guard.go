package cors

import (
	"net/http"

	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// Guard returns a correction that gives the next handler's answer the headers
// that Handle prepared in h and no other Access-Control-*: what an upstream sets
// would stand beside ours, and browsers refuse an answer that has two
// (R-CORS-17). It is called after Handle, and only for an Ordinary request; nil
// is for nothing to correct.
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
