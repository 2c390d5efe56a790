package accesstable

import "strings"

// The values of a request that conditions compare, for explanations.

func (anyone) has(q *Question) any {
	if q.Request.Upgrade == "" {
		return nil // without an upgrade it holds
	}
	return q.Request.Upgrade + ", an upgrade that only an alternative with upgrades allows"
}

func (authenticated) has(q *Question) any { return q.Identity.Authenticated }
func (users) has(q *Question) any         { return q.Identity.ID }
func (roles) has(q *Question) any         { return q.Identity.Roles }
func (groups) has(q *Question) any        { return q.Identity.Groups }
func (scopes) has(q *Question) any        { return q.Identity.Scopes }
func (links) has(q *Question) any         { return string(q.Identity.Kind) }
func (kinds) has(q *Question) any         { return string(q.Identity.Kind) }
func (methods) has(q *Question) any       { return q.Request.Method }
func (upgrades) has(q *Question) any      { return q.Request.Upgrade }
func (issuers) has(q *Question) any       { return q.Identity.Issuer }
func (acrs) has(q *Question) any          { return q.Identity.ACR }

func (*networks) has(q *Question) any {
	if q.Client.ForwardedUntrusted {
		return "an address behind a proxy that is not trusted"
	}
	return q.Client.IP
}

// by returns the entry that blocks the caller, if holds is true.
func (b blocked) by(q *Question) string {
	for _, name := range []string{q.Identity.ID, q.Identity.Username} {
		if b.users.has(name) {
			return "users: " + name
		}
	}
	if len(b.users) > 0 && q.unknown("username") {
		return "users: the caller's username is unknown and may be one of them"
	}
	for _, a := range []*address{&q.client, &q.peer} {
		if !a.addr.IsValid() {
			continue
		}
		if prefix, ok := b.networks.find(a.addr); ok {
			return "networks: " + prefix.String() + " has " + a.addr.String()
		}
	}
	return "networks: the client's address is unknown and may be in one of them"
}

// The claims of the condition by their dotted paths, with the values of the caller.
func (c claims) has(q *Question) any {
	found := make(map[string]any, len(c))
	for _, claim := range c {
		found[strings.Join(claim.path, ".")] = claim.in(q.Identity.Claims)
	}
	return found
}
