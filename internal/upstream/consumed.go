package upstream

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// ConsumedCredentials is what has been done to one request on its way through one or more
// policy_auth handlers: a second one must neither take the first one's headers
// for a client's nor miss the credential that the first one took away. The
// zero value is ready to use; it belongs to one request.
type ConsumedCredentials struct {
	set     []string
	taken   []taken
	room    [1]taken // for the usual one
	cookies []string // names of the cookies that were taken
	jar     []string // the lines of Cookie as they were
	cut     *request.CutQuery
	// Handlers counts the handlers that judged the request.
	Handlers int
}

// taken is a header that was taken, and its lines as they were.
type taken struct {
	name  string
	lines []string
}

// String hides the credentials where the request's variables are printed.
func (p *ConsumedCredentials) String() string { return "policy_auth" }

// TakeParameter takes a credential out of the query.
func (p *ConsumedCredentials) TakeParameter(r *http.Request, name string) {
	before := r.URL.RawQuery
	if cut := p.Cut(); cut.After == before && cut.Before != "" {
		before = cut.Before
	}
	Query(r, []string{name}, nil)
	p.cut = &request.CutQuery{Before: before, After: r.URL.RawQuery}
}

// Cut returns what was taken out of the query.
func (p *ConsumedCredentials) Cut() request.CutQuery {
	if p.cut == nil {
		return request.CutQuery{}
	}
	return *p.cut
}

func (p *ConsumedCredentials) has(folded string) bool { return slices.Contains(p.set, folded) }

func (p *ConsumedCredentials) add(folded string) {
	if !p.has(folded) {
		p.set = append(p.set, folded)
	}
}

// Restore brings back credentials that an earlier handler took away. It reports whether
// there are any.
func (p *ConsumedCredentials) Restore(h http.Header) bool {
	for _, t := range p.taken {
		h[t.name] = slices.Clone(t.lines)
	}
	if p.jar != nil {
		h["Cookie"] = slices.Clone(p.jar)
	}
	return len(p.taken) > 0 || p.jar != nil
}

// Take remembers that a header is the accepted credential, which the next
// handler does not see; name is "" if no header held it.
func (p *ConsumedCredentials) Take(h http.Header, name string) {
	lines, present := h[name]
	if !present {
		return
	}
	i := slices.IndexFunc(p.taken, func(t taken) bool { return t.name == name })
	switch {
	case i >= 0:
		p.taken[i].lines = lines
		return
	case p.taken == nil:
		p.taken = p.room[:0]
	}
	p.taken = append(p.taken, taken{name, lines})
}

// TakeCookies remembers that cookies are credentials of ours; others stay.
func (p *ConsumedCredentials) TakeCookies(h http.Header, names ...string) {
	if len(names) == 0 {
		return
	}
	lines, present := h["Cookie"]
	if !present {
		return
	}
	if p.jar == nil {
		p.jar = lines
	}
	for _, name := range names {
		if !slices.Contains(p.cookies, name) {
			p.cookies = append(p.cookies, name)
		}
	}
}

// Withhold keeps every credential that was taken from the next handler. The
// request's map is changed and never the slices in it, since the access log
// holds a copy that shares them.
func (p *ConsumedCredentials) Withhold(h http.Header) {
	for _, t := range p.taken {
		delete(h, t.name)
	}
	if len(p.cookies) == 0 {
		return
	}
	if left := without(p.jar, p.cookies); len(left) > 0 {
		h["Cookie"] = left
	} else {
		delete(h, "Cookie")
	}
}

// without returns lines of Cookie without the cookies of some names.
func without(lines, names []string) []string {
	var left []string
	for _, line := range lines {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if name, _, _ := strings.Cut(pair, "="); pair != "" && !slices.Contains(names, strings.TrimSpace(name)) {
				kept = append(kept, pair)
			}
		}
		if len(kept) > 0 {
			left = append(left, strings.Join(kept, "; "))
		}
	}
	return left
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
