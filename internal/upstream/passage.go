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
	set      []string
	consumed http.Header
	// Handlers counts the handlers that judged the request.
	Handlers int
}

// String hides the credentials from whoever prints the request's variables.
func (p *Passage) String() string { return "policy_auth" }

func (p *Passage) has(folded string) bool { return slices.Contains(p.set, folded) }

func (p *Passage) add(folded string) {
	if !p.has(folded) {
		p.set = append(p.set, folded)
	}
}

// Restore brings back credentials that an earlier handler consumed.
func (p *Passage) Restore(h http.Header) {
	for name, lines := range p.consumed {
		if _, present := h[name]; !present {
			h[name] = slices.Clone(lines)
		}
	}
}

// Consume takes the accepted credential's header away from the next handler,
// together with those that earlier handlers consumed; name is "" if no
// credential was accepted.
func (p *Passage) Consume(h http.Header, name string) {
	if lines, present := h[name]; present {
		if p.consumed == nil {
			p.consumed = make(http.Header, 1)
		}
		p.consumed[name] = lines
	}
	for name := range p.consumed {
		delete(h, name)
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
