package accesstable

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// polarity says what a condition is used for. A condition on an unknown value does not
// hold under allow, and holds under deny.
type polarity bool

const (
	allow polarity = true
	deny  polarity = false
)

// test is the implementation of a condition.
type test interface {
	holds(q *Question, under polarity) bool
	// has returns the value of the request that the condition compares, as JSON.
	has(q *Question) any
}

// words is a set of accepted words.
type words map[string]struct{}

func newWords(list []string) words {
	set := make(words, len(list))
	for _, word := range list {
		set[word] = struct{}{}
	}
	return set
}

func (w words) has(word string) bool { _, ok := w[word]; return ok }

// hasAny reports whether the set has one of several words.
func (w words) hasAny(list []string) bool {
	return slices.ContainsFunc(list, w.has)
}

// unknown reports whether the value of a field of the identity is unknown, because the
// issuer sent it in a form that cannot be read.
func (q *Question) unknown(field string) bool { return slices.Contains(q.Identity.Unknown, field) }

// The conditions of access tables.
type (
	anyone        struct{ upgrades bool } // upgrades is true if the alternative has the condition upgrades
	authenticated struct{}
	links         struct{}
	users         words
	roles         words
	groups        words
	scopes        []string
	kinds         words
	upgrades      words
	issuers       words
	acrs          []string // in the order of preference
)

func (a anyone) holds(q *Question, _ polarity) bool {
	return a.upgrades || isPlain(q.Request.Upgrade)
}

func (authenticated) holds(q *Question, _ polarity) bool { return q.Identity.Authenticated }

// A guest is known by a share link alone. Every other caller is known not to be one.
func (links) holds(q *Question, _ polarity) bool {
	return q.Identity.Kind == authenticator.KindGuest
}

// Only IDs are compared: users may be able to choose the username in a token.
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

// A caller of unknown kind is neither user nor client under allow, and both under deny.
func (w kinds) holds(q *Question, under polarity) bool {
	return words(w).has(string(q.Identity.Kind)) || under == deny && q.Identity.Kind == authenticator.KindUnknown
}

func (w upgrades) holds(q *Question, _ polarity) bool { return words(w).has(q.Request.Upgrade) }

func (w issuers) holds(q *Question, _ polarity) bool {
	return q.Identity.Authenticated && words(w).has(q.Identity.Issuer)
}

func (w acrs) holds(q *Question, under polarity) bool {
	return q.Identity.Authenticated && (slices.Contains(w, q.Identity.ACR) || under == deny && q.unknown("acr"))
}
