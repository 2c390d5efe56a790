package authn

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
)

// maxClientKey bounds a file with a private key, in bytes.
const maxClientKey = 64 << 10

// readClientKey reads the private key of a client_key; "" is none. The content is
// read when a configuration loads and stays as it was until the next.
func readClientKey(path string) (*oidc.ClientKey, error) {
	if path == "" {
		return nil, nil
	}
	tree, err := files.Read(context.Background(), files.Options{Paths: []string{path}, MaxBytes: maxClientKey})
	if err != nil {
		return nil, fmt.Errorf("client_key: %w", err)
	}
	data, isFile := tree[path]
	if !isFile {
		return nil, fmt.Errorf("client_key: %s is a directory; name a file with a private key in PEM", path)
	}
	key, err := oidc.ParseClientKey(path, data)
	if err != nil {
		return nil, fmt.Errorf("client_key: %w", err)
	}
	return key, nil
}

// parseClientKey sets target to the line's one file, which is read at once so that
// the error names the line.
func parseClientKey(target *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := caddyfileutil.String(target)(d); err != nil {
			return err
		}
		if _, err := readClientKey(*target); err != nil {
			return d.WrapErr(err)
		}
		return nil
	}
}

// parseParameters reads a block of extra parameters.
func parseParameters(target *map[string][]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if err := caddyfileutil.NoArgs(d, "parameters", "audience https://api.example.com"); err != nil {
			return err
		}
		for nesting := d.Nesting(); d.NextBlock(nesting); {
			name := d.Val()
			value, err := caddyfileutil.OneArg(d)
			if err != nil {
				return err
			}
			if *target == nil {
				*target = map[string][]string{}
			}
			if err := caddyfileutil.CheckFilePlaceholder(value); err != nil {
				return d.WrapErr(err)
			}
			(*target)[name] = append((*target)[name], value)
			if err := oidc.CheckParameters(*target); err != nil {
				return d.WrapErr(err)
			}
		}
		if len(*target) == 0 {
			return d.Err("parameters wants lines of a name and a value, such as audience https://api.example.com")
		}
		return nil
	}
}

// replaceParameters returns the parameters with their placeholders replaced.
func replaceParameters(parameters map[string][]string, repl *caddy.Replacer) (map[string][]string, error) {
	if parameters == nil {
		return nil, nil
	}
	replaced := make(map[string][]string, len(parameters))
	for name, values := range parameters {
		for _, value := range values {
			text, err := repl.ReplaceOrErr(value, true, true)
			if err != nil {
				return nil, fmt.Errorf("parameters: %s: %w", name, err)
			}
			replaced[name] = append(replaced[name], text)
		}
	}
	return replaced, nil
}
