package authn

import (
	"fmt"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
)

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. The lines of the block
// that are not these are the module's. Syntax:
//
//	provider <module> {
//	    map <field> <metadata>...
//	    not_browser_attached
//	    challenge off
//	    <line of the module>...
//	}
func (p *Provider) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if !d.NextArg() {
		return d.Err("provider wants a module: provider <module> { ... }")
	}
	name := d.Val()
	if err := checkProvider(name); err != nil {
		return d.WrapErr(err)
	}
	if info, err := caddy.GetModule(providerNamespace + "." + name); err == nil {
		if _, ok := info.New().(caddyfile.Unmarshaler); !ok {
			return d.Errf("provider %s: the module cannot be configured in a Caddyfile, only in JSON: {\"method\": \"provider\", \"provider\": {\"module\": %q}} with the module's own fields", name, name)
		}
	}
	own, err := p.parseOwn(d.NewFromNextSegment())
	if err != nil {
		return err
	}
	module := caddyfile.NewDispenser(own)
	module.Next()
	unmarshaled, err := caddyfile.UnmarshalModule(module, providerNamespace+"."+name)
	if err != nil {
		return fmt.Errorf("provider %s: %w", name, err)
	}
	p.ProviderRaw = caddyconfig.JSONModuleObject(unmarshaled, "module", name, nil)
	return nil
}

// parseOwn parses the options that are not the module's and returns the tokens that are.
func (p *Provider) parseOwn(d *caddyfile.Dispenser) ([]caddyfile.Token, error) {
	words := caddyfileutil.Subdirectives{"map": parseMap(&p.Map), "not_browser_attached": caddyfileutil.Flag(&p.NotBrowserAttached), "challenge": p.ChallengeOption.parse()}
	d.Next()
	module := []caddyfile.Token{d.Token()}
	for d.NextArg() {
		module = append(module, d.Token())
	}
	head := len(module)
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		if head == len(module) {
			d.Prev()
			module = append(module, d.Token()) // the brace
			d.Next()
		}
		if parse := words[d.Val()]; parse == nil {
			module = append(module, d.NextSegment()...)
		} else if err := parse(d); err != nil {
			return nil, err
		} else if err := p.check(); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	switch len(module) {
	case head:
		return module, nil
	case head + 1: // no line is the module's
		return slices.Clip(module[:head]), nil
	}
	return append(module, d.Token()), nil
}

// Interface guard.
var _ caddyfile.Unmarshaler = (*Provider)(nil)
