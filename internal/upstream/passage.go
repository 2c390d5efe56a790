package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Passage is what has been done to one request on its way through one or more
// policy_auth handlers: a second one must neither take the first one's headers
// for a client's nor miss the credential that the first one took away. The
// zero value is ready to use; it belongs to one request.
type Passage struct {
	set   []string
	taken map[string]taken
	// Handlers counts the handlers that judged the request.
	Handlers int
}

// taken is a header from which a credential was taken.
type taken struct {
	original []string
	left     []string // without the credential; none if the header is gone
}

// String hides the credentials from whoever prints the request's variables.
func (p *Passage) String() string { return "policy_auth" }

func (p *Passage) has(folded string) bool { return slices.Contains(p.set, folded) }

func (p *Passage) add(folded string) {
	if !p.has(folded) {
		p.set = append(p.set, folded)
	}
}

// Restore brings back credentials that an earlier handler took away.
func (p *Passage) Restore(h http.Header) {
	for name, t := range p.taken {
		h[name] = slices.Clone(t.original)
	}
}

// Take remembers that the accepted credential is in a header of which the next
// handler sees only the lines left; name is "" if no header held it.
func (p *Passage) Take(h http.Header, name string, left []string) {
	lines, present := h[name]
	if !present {
		return
	}
	if p.taken == nil {
		p.taken = make(map[string]taken, 1)
	}
	p.taken[name] = taken{original: lines, left: left}
}

// Withhold keeps every credential that was taken from the next handler. The
// request's map is changed and never the slices in it, since the access log
// holds a copy that shares them.
func (p *Passage) Withhold(h http.Header) {
	for name, t := range p.taken {
		if len(t.left) == 0 {
			delete(h, name)
			continue
		}
		h[name] = slices.Clone(t.left)
	}
}

// Withdraw takes every credential out of a request that goes on without
// having been judged, such as a preflight that the upstream answers.
func Withdraw(h http.Header, names []string) {
	for _, name := range names {
		delete(h, http.CanonicalHeaderKey(name))
	}
	maps.DeleteFunc(h, func(name string, _ []string) bool {
		switch strings.ToLower(name) {
		case "authorization", "proxy-authorization", "cookie":
			return true
		}
		return false
	})
}
