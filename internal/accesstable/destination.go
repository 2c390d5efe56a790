package accesstable

import "github.com/policyauth/caddy-policy-auth/internal/request"

// destination returns the rule for a WebDAV destination: the first that matches its path
// on its own host, which must be the request's host or one that a rule names.
func (t *Table) destination(f *request.Fields) *Rule {
	if f.DestinationHost != f.Host && !t.index.serves(f.DestinationHost) {
		return foreign
	}
	return t.pickFor(f.DestinationHost, lower(f.DestinationPath))
}

// NamesHosts reports whether a rule has hosts.
func (t *Table) NamesHosts() bool { return len(t.index.hosts)+len(t.index.domains) > 0 }
