package settings

import (
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/policy"
)

// Constants are values for policies, as input.config.
type Constants map[string]any

// Parse parses
//
//	config {
//	    <key> <value>...
//	}
//
// and adds to what an earlier block has set.
func (c Constants) Parse(d *caddyfile.Dispenser) error {
	if err := caddyfileutil.NoArgs(d, "config", "office_hours 9 17"); err != nil {
		return err
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		key := d.Val()
		if _, twice := c[key]; twice {
			return d.Errf("config key %s is set twice", key)
		}
		var values []any
		for d.NextArg() {
			values = append(values, d.ScalarVal())
		}
		for _, value := range values {
			if text, ok := value.(string); ok && caddyfileutil.CheckFilePlaceholder(text) != nil {
				return d.Errf("config key %s: %v", key, caddyfileutil.CheckFilePlaceholder(text))
			}
		}
		switch len(values) {
		case 0:
			return d.Errf("config key %s has no value", key)
		case 1:
			c[key] = values[0]
		default:
			c[key] = values
		}
	}
	return nil
}

// Resolve replaces placeholders in strings; one that is unknown or empty is an error.
func (c Constants) Resolve(repl *caddy.Replacer) (*policy.Constants, error) {
	resolved, err := resolve(repl, map[string]any(c))
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	values, _ := resolved.(map[string]any)
	return policy.NewConstants(values), nil
}

// resolve replaces placeholders in the strings of a JSON value.
func resolve(repl *caddy.Replacer, value any) (any, error) {
	switch v := value.(type) {
	case string:
		return repl.ReplaceOrErr(v, true, true)
	case []any:
		result := make([]any, len(v))
		for i, item := range v {
			var err error
			if result[i], err = resolve(repl, item); err != nil {
				return nil, err
			}
		}
		return result, nil
	case map[string]any:
		result := make(map[string]any, len(v))
		for name, item := range v {
			var err error
			if result[name], err = resolve(repl, item); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		return result, nil
	}
	return value, nil
}
