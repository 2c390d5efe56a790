package accesstable

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// polarity is what a condition is asked for. What is unknown does not hold under
// allow, and holds under deny.
type polarity bool

const (
	allow polarity = true
	deny  polarity = false
)

// test decides whether a condition holds.
type test interface {
	holds(q *Question, under polarity) bool
	// has returns what the request has of what the condition asks about, as JSON.
	has(q *Question) any
}

// words are texts of which one is wanted.
type words map[string]struct{}

func newWords(list []string) words {
	set := make(words, len(list))
	for _, word := range list {
		set[word] = struct{}{}
	}
	return set
}

func (w words) has(word string) bool { _, ok := w[word]; return ok }

// hasAny reports whether one of some texts is wanted.
func (w words) hasAny(list []string) bool {
	return slices.ContainsFunc(list, w.has)
}

// unknown reports whether the issuer did not tell a field of the caller's identity in
// a form that can be read.
func (q *Question) unknown(field string) bool { return slices.Contains(q.Identity.Unknown, field) }

// The conditions of product tables, one small type each.
type (
	anyone        struct{ upgrades bool } // upgrades: a condition beside it names protocols
	authenticated struct{}
	users         words
	roles         words
	groups        words
	scopes        []string
	kinds         words
	upgrades      words
	issuers       words
	acrs          words
)

func (a anyone) holds(q *Question, _ polarity) bool {
	return a.upgrades || isPlain(q.Request.Upgrade)
}

func (authenticated) holds(q *Question, _ polarity) bool { return q.Identity.Authenticated }

// Only ids count: a token's username may be chosen freely.
func (w users) holds(q *Question, _ polarity) bool {
	return q.Identity.Authenticated && words(w).has(q.Identity.ID)
}

func (w roles) holds(q *Question, under polarity) bool {
	return words(w).hasAny(q.Identity.Roles) || under == deny && q.unknown("roles")
}

func (w groups) holds(q *Question, under polarity) bool {
	return words(w).hasAny(q.Identity.Groups) || under == deny && q.unknown("groups")
}

func (w scopes) holds(q *Question, under polarity) bool {
	if under == deny && q.unknown("scopes") {
		return true
	}
	for _, scope := range w {
		if !slices.Contains(q.Identity.Scopes, scope) {
			return false
		}
	}
	return true
}

// A caller of unknown kind matches neither user nor client under allow, and both
// under deny.
func (w kinds) holds(q *Question, under polarity) bool {
	return words(w).has(string(q.Identity.Kind)) || under == deny && q.Identity.Kind == authenticator.KindUnknown
}

func (w upgrades) holds(q *Question, _ polarity) bool { return words(w).has(q.Request.Upgrade) }

func (w issuers) holds(q *Question, _ polarity) bool {
	return q.Identity.Authenticated && words(w).has(q.Identity.Issuer)
}

func (w acrs) holds(q *Question, under polarity) bool {
	return q.Identity.Authenticated && (words(w).has(q.Identity.ACR) || under == deny && q.unknown("acr"))
}
