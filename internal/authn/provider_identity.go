package authn

import (
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// providerFields are the fields of an identity that map can set.
var providerFields = []string{"username", "name", "email", "roles", "groups", "scopes"}

// identity returns the identity of a user that the module accepts.
func (p *Provider) identity(user caddyauth.User) *authenticator.Identity {
	claims := make(map[string]any, len(user.Metadata))
	for name, value := range user.Metadata {
		claims[name] = value
	}
	text := func(field string) string {
		for _, name := range p.Map[field] {
			if value := user.Metadata[name]; value != "" {
				return value
			}
		}
		return ""
	}
	id := &authenticator.Identity{
		Authenticated: true, ID: user.ID, Issuer: p.name, Method: p.name, Kind: authenticator.KindUnknown, Claims: claims,
		Username: text("username"), Name: text("name"), Email: text("email"),
		Roles: splitList(text("roles")), Groups: splitList(text("groups")), Scopes: strings.Fields(text("scopes")),
	}
	return id.Normalize()
}

// splitList splits a list at its commas.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
