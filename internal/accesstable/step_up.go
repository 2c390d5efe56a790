package accesstable

import "slices"

// Challenge asks for what a caller lacks and can bring: scopes of a token (RFC 6750,
// section 3.1), a stronger or a newer sign-in (RFC 9470, section 3).
type Challenge struct {
	// Scopes are all scopes that the operation needs, sorted; empty if none is missing.
	Scopes []string
	// ACRValues are the authentication context classes of which one is wanted, the
	// preferred one first.
	ACRValues []string
	// MaxAge is how many seconds ago the caller may have signed in, or -1.
	MaxAge int64
}

// SignIn reports whether another sign-in is asked for, and not scopes alone.
func (c *Challenge) SignIn() bool { return c != nil && (len(c.ACRValues) > 0 || c.MaxAge >= 0) }

// challenge returns what to ask of an authenticated caller who was denied. It takes one
// alternative of each rule that judges the request: the first that holds, or else the first
// that fails only in conditions that the caller can meet with a new sign-in or token. The
// challenge has everything that these alternatives want, not only what is missing, so that
// no second challenge follows the first. It is nil if a rule has no such alternative, or if
// no class is accepted by all of them.
func (q *Question) challenge() *Challenge {
	if !q.Identity.Authenticated {
		return nil
	}
	all := requirements{maxAge: -1}
	for _, rule := range q.judged {
		alternative := rule.wanted(q)
		if alternative == nil {
			return nil
		}
		all.add(q, alternative)
	}
	return all.challenge()
}

// wanted returns the first alternative that holds, or else the first that would with what
// the caller can bring; nil if there is none.
func (r *Rule) wanted(q *Question) *Alternative {
	if holding := r.holding(q); holding != nil {
		return holding
	}
	for i := range r.Allow {
		if alternative := &r.Allow[i]; alternative.withinAsking(q) {
			return alternative
		}
	}
	return nil
}

// withinAsking reports whether no condition fails but those that the caller can be asked
// for.
func (a *Alternative) withinAsking(q *Question) bool {
	for _, condition := range a.Conditions {
		if !q.canObtain(condition.Name) && !condition.test.holds(q, allow) {
			return false
		}
	}
	return len(a.Conditions) > 0
}

// methodSession is the method of callers who signed in on a page.
const methodSession = "session"

// canObtain reports whether a new sign-in or token could meet a condition. A caller without
// an issuer has a password or a key of this server: no sign-in gives it a class, and only a
// session gets a newer time. Client certificates and providers do have an issuer; for them,
// the denial leaves the challenge out, since their methods cannot ask for a sign-in.
func (q *Question) canObtain(condition string) bool {
	switch condition {
	case "scopes":
		return true
	case "acr":
		return q.Identity.Issuer != ""
	case "max_age":
		return q.Identity.Issuer != "" || q.Identity.Method == methodSession
	}
	return false
}

// requirements are what several alternatives want of a caller.
type requirements struct {
	scopes []string
	acrs   []acrs
	maxAge int64 // -1 for none
	// lacksScopes and lacksSignIn say what the caller does not have.
	lacksScopes, lacksSignIn bool
}

// add adds what an alternative wants.
func (r *requirements) add(q *Question, a *Alternative) {
	for _, condition := range a.Conditions {
		lacking := !condition.test.holds(q, allow)
		switch wanted := condition.test.(type) {
		case scopes:
			r.scopes, r.lacksScopes = append(r.scopes, wanted...), r.lacksScopes || lacking
		case acrs:
			r.acrs, r.lacksSignIn = append(r.acrs, wanted), r.lacksSignIn || lacking
		case maxAge:
			if r.maxAge < 0 || int64(wanted) < r.maxAge {
				r.maxAge = int64(wanted)
			}
			r.lacksSignIn = r.lacksSignIn || lacking
		}
	}
}

// challenge asks for what the caller lacks, with all that belongs to it.
func (r *requirements) challenge() *Challenge {
	c := &Challenge{MaxAge: -1}
	if r.lacksScopes {
		c.Scopes = sorted(r.scopes)
	}
	if r.lacksSignIn {
		c.ACRValues, c.MaxAge = r.commonACRs(), r.maxAge
		if len(r.acrs) > 0 && len(c.ACRValues) == 0 {
			return nil
		}
	}
	return c
}

// commonACRs returns the classes that are in each list. They are in the order of one of
// the lists: the first in the order of their words.
func (r *requirements) commonACRs() []string {
	if len(r.acrs) == 0 {
		return nil
	}
	var common []string
	for _, value := range slices.MinFunc(r.acrs, slices.Compare[acrs]) {
		if !slices.ContainsFunc(r.acrs, func(list acrs) bool { return !slices.Contains(list, value) }) {
			common = append(common, value)
		}
	}
	return common
}
