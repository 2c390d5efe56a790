package respheader

import (
	"net/http"
	"slices"
	"strings"
)

// OwnCookies are cookies that the next handler cannot set. Otherwise it could sign users
// in to an account of its choice (session fixation, S-09).
type OwnCookies struct {
	// Names are those of the cookies. They are compared without regard to letter
	// case, since browsers know the prefix __Host- in any.
	Names []string
	// Report is called with the name of each cookie that is removed.
	Report func(name string)
}

// WithholdCookies keeps the next handler from setting some cookies. Cookies that are set
// before the call stay. A second call has no effect.
func (r *HeaderWriter) WithholdCookies(own *OwnCookies) {
	if r.own == nil {
		r.own, r.before = own, slices.Clone(r.Header()["Set-Cookie"])
	}
}

// remove takes the cookies out of an answer, but for some lines.
func (o *OwnCookies) remove(h http.Header, but []string) {
	lines := h["Set-Cookie"]
	first := slices.IndexFunc(lines, func(line string) bool { return o.sets(line, but) })
	if first < 0 {
		return
	}
	kept := slices.Clone(lines[:first])
	for _, line := range lines[first:] {
		if o.sets(line, but) {
			o.Report(cookieName(line))
		} else {
			kept = append(kept, line)
		}
	}
	if len(kept) == 0 {
		delete(h, "Set-Cookie")
		return
	}
	h["Set-Cookie"] = kept
}

// sets reports whether a line of Set-Cookie, none of some others, sets one of the
// cookies.
func (o *OwnCookies) sets(line string, but []string) bool {
	name := cookieName(line)
	return slices.ContainsFunc(o.Names, func(own string) bool { return strings.EqualFold(own, name) }) && !slices.Contains(but, line)
}

// cookieName returns the name by which a browser sends a cookie back. One without a
// name is sent as its value, which then reads as a cookie of that name (RFC 6265bis,
// section 5.7).
func cookieName(line string) string {
	pair, _, _ := strings.Cut(line, ";")
	name, _, _ := strings.Cut(strings.TrimLeft(pair, "= \t"), "=")
	return strings.TrimSpace(name)
}
