package authn

import (
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// Load loads the methods of a module's raw field, in the order written.
func Load(ctx caddy.Context, module any, field string) ([]Method, error) {
	loaded, err := ctx.LoadModule(module, field)
	if err != nil {
		return nil, fmt.Errorf("loading authenticators: %w", err)
	}
	modules, _ := loaded.([]any)
	methods := make([]Method, len(modules))
	for i, m := range modules {
		method, ok := m.(authenticator.Authenticator)
		if !ok {
			return nil, fmt.Errorf("authenticator %d is a %T, which is not an authentication method", i, m)
		}
		methods[i] = Method{Name: m.(caddy.Module).CaddyModule().ID.Name(), Authenticator: method}
	}
	return methods, shadowed(methods)
}

// shadowed reports a method that would never be asked, since one before it
// takes every credential in the source that they share.
func shadowed(methods []Method) error {
	for i, earlier := range methods {
		if earlier.Name != "basic" {
			continue
		}
		for _, later := range methods[i+1:] {
			for _, source := range later.Sources() {
				if source == authenticator.FromScheme("Basic") && later.Name == "basic" {
					return errors.New("basic is set twice, and the first one takes every password: write one basic with the users of both")
				}
				if source == authenticator.FromScheme("Basic") {
					return fmt.Errorf("basic takes every password, so that %s after it would never be asked: write %s first", later.Name, later.Name)
				}
			}
		}
	}
	return nil
}
