package settings

import (
	"errors"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/grammar"
)

// Body bounds what policies read of a body.
type Body struct {
	// The largest body, in bytes, that policies are asked about; a larger one is
	// refused with 413, unless the policy looks at body_truncated itself.
	// Default: 1 MiB.
	MaxSize int64 `json:"max_size,omitempty"`
}

// defaultMaxBody is Body.MaxSize where none is set.
const defaultMaxBody = 1 << 20

// Parse parses
//
//	body {
//	    max_size <size>
//	}
func (b *Body) Parse(d *caddyfile.Dispenser) error {
	if d.NextArg() {
		return d.Errf("body takes a block, not %q: body { max_size <size> }", d.Val())
	}
	return grammar.Block(d, "body", grammar.Words{"max_size": grammar.Size(&b.MaxSize)})
}

// Limit returns the size of the largest body, in bytes.
func (b *Body) Limit() (int64, error) {
	switch {
	case b == nil || b.MaxSize == 0:
		return defaultMaxBody, nil
	case b.MaxSize < 0:
		return 0, errors.New("body: max_size is negative")
	}
	return b.MaxSize, nil
}
