package accesstable

import "strings"

// What a request has of what conditions ask about, for explanations.

func (anyone) has(q *Question) any {
	if q.Request.Upgrade == "" {
		return nil // it holds without an upgrade
	}
	return q.Request.Upgrade + ", an upgrade that only an alternative with upgrades allows"
}

func (authenticated) has(q *Question) any { return q.Identity.Authenticated }
func (users) has(q *Question) any         { return q.Identity.ID }
func (roles) has(q *Question) any         { return q.Identity.Roles }
func (groups) has(q *Question) any        { return q.Identity.Groups }
func (scopes) has(q *Question) any        { return q.Identity.Scopes }
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

// by returns the entry that shuts the caller out, if holds is true.
func (b blocked) by(q *Question) string {
	for _, name := range []string{q.Identity.ID, q.Identity.Username} {
		if b.users.has(name) {
			return "users: " + name
		}
	}
	if len(b.users) > 0 && q.unknown("username") {
		return "users: the caller's username is not known, and may be one of them"
	}
	for _, a := range []*address{&q.client, &q.peer} {
		if !a.addr.IsValid() {
			continue
		}
		if prefix, ok := b.networks.find(a.addr); ok {
			return "networks: " + prefix.String() + " has " + a.addr.String()
		}
	}
	return "networks: the client's address is not known, and may be in one of them"
}

// The claims that the condition names, by their dotted paths.
func (c claims) has(q *Question) any {
	found := make(map[string]any, len(c))
	for _, claim := range c {
		found[strings.Join(claim.path, ".")] = claim.in(q.Identity.Claims)
	}
	return found
}
