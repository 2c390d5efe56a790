package accesstable

import "strings"

// What a request has of what conditions ask about, for explanations.

func (anyone) has(q *Question) any {
	if q.Request.Upgrade == "" {
		return nil // it holds without an upgrade
	}
	return q.Request.Upgrade
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

// The claims that the condition names, by their dotted paths.
func (c claims) has(q *Question) any {
	found := make(map[string]any, len(c))
	for _, claim := range c {
		found[strings.Join(claim.path, ".")] = claim.in(q.Identity.Claims)
	}
	return found
}
