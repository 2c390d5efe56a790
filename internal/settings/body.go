package settings

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// Body bounds what policies read of a body.
type Body struct {
	// The largest body, in bytes, that policies can read. A larger one is denied with
	// 413, unless the policy reads body_truncated. Default: 1 MiB.
	MaxSize int64 `json:"max_size,omitempty"`
	// The number of values that JSON may have, at most 10000000; each member and item
	// counts. A body with more is denied with 413 before it takes memory, unless the
	// policy reads body_truncated. Default: 20000.
	MaxValues int `json:"max_values,omitempty"`
	// The nesting depth of arrays and objects in JSON, at most 1000. A deeper body is
	// denied like one with too many values. Default: 64.
	MaxDepth int `json:"max_depth,omitempty"`
}

// The largest values that a site can configure.
const (
	mostValues = 10_000_000
	mostDepth  = 1000
)

// Parse parses
//
//	body {
//	    max_size   <size>
//	    max_values <number>
//	    max_depth  <number>
//	}
func (b *Body) Parse(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "body", "max_size 1MiB"); err != nil {
		return err
	}
	return caddyfileutil.Block(d, "body", caddyfileutil.Subdirectives{
		"max_size":   caddyfileutil.Size(&b.MaxSize),
		"max_values": caddyfileutil.Int(&b.MaxValues, mostValues),
		"max_depth":  caddyfileutil.Int(&b.MaxDepth, mostDepth),
	})
}

// Limits returns what is read of a body.
func (b *Body) Limits() (request.BodyLimits, error) {
	limits := request.DefaultBodyLimits
	if b == nil {
		return limits, nil
	}
	for _, field := range []struct {
		name        string
		value, most int64
	}{{"max_size", b.MaxSize, 1 << 62}, {"max_values", int64(b.MaxValues), mostValues}, {"max_depth", int64(b.MaxDepth), mostDepth}} {
		if field.value < 0 || field.value > field.most {
			return limits, fmt.Errorf("body: %s is %d; it wants a number from 1 to %d", field.name, field.value, field.most)
		}
	}
	if b.MaxSize > 0 {
		limits.Size = b.MaxSize
	}
	if b.MaxValues > 0 {
		limits.Values = b.MaxValues
	}
	if b.MaxDepth > 0 {
		limits.Depth = b.MaxDepth
	}
	return limits, nil
}
