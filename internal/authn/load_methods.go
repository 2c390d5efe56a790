package authn

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/login"
)

// LoadChain loads the methods of a module's raw field, and the session method that the
// site's own logins imply, which is nil without them. Allowed reports whether scripts of an
// origin may use credentials that browsers attach.
func LoadChain(ctx caddy.Context, module any, field string, target *login.Target, allowed func(origin string) bool) (*Chain, *Session, error) {
	methods, err := load(ctx, module, field)
	if err != nil {
		return nil, nil, err
	}
	methods, own, err := withSession(ctx, methods, target)
	if err != nil {
		return nil, nil, err
	}
	keepAttempts(ctx, methods, target, own)
	keepProofs(ctx, methods, own)
	warnNoCertificates(ctx, methods)
	chain, err := NewChain(methods, allowed)
	return chain, own, err
}

// load loads the methods of a module's raw field, in the order written.
func load(ctx caddy.Context, module any, field string) ([]Method, error) {
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
		if p, ok := m.(*Provider); ok {
			methods[i].Name = p.name
		}
	}
	if methods, err = arrangeAppPasswords(methods); err != nil {
		return nil, err
	}
	return methods, shadowed(methods)
}

// shadowed reports a method that would never be asked, since one before it
// takes every credential in the source that they share.
func shadowed(methods []Method) error {
	for i, earlier := range methods {
		if err := checkSent(earlier, methods[i+1:]); err != nil {
			return err
		}
		if strings.HasPrefix(earlier.Name, providerMethod+":") && slices.ContainsFunc(methods[i+1:], func(m Method) bool { return m.Name == earlier.Name }) {
			return fmt.Errorf("%s is set twice, and policies could not tell the callers of the two apart: write it once", strings.Replace(earlier.Name, ":", " ", 1))
		}
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

// checkSent returns an error if an introspection method would send to its endpoint what
// a later method accepts. Only a JWT says who issued it.
func checkSent(earlier Method, later []Method) error {
	if earlier.Name != "introspection" {
		return nil
	}
	for _, method := range later {
		_, isJWT := method.Authenticator.(*JWT)
		if isJWT || !slices.ContainsFunc(method.Sources(), func(s authenticator.Source) bool { return slices.Contains(earlier.Sources(), s) }) {
			continue
		}
		if method.Name == earlier.Name {
			return errors.New("introspection is set twice for the same place, and the first endpoint would be sent the tokens of the second: read the tokens of one of them from another place, such as from header X-Token")
		}
		return fmt.Errorf("introspection sends what it does not know to its endpoint, also the credentials of %s after it: write %s first", method.Name, method.Name)
	}
	return nil
}
