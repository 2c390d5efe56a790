package request

import (
	"net/http"
	"slices"
	"strings"
)

// headerFilter is a set of headers that policies read; nil means all.
type headerFilter struct {
	lower     []string      // names in lower case
	canonical []string      // in canonical form
	kinds     []HeaderKinds // of special headers, or 0
	overrides bool          // some override the method
}

// newHeaderFilter returns the filter for some names, or nil for nil. It ignores names that
// are not in lower case, because no header of the document has one.
func newHeaderFilter(names []string) *headerFilter {
	if names == nil {
		return nil
	}
	w := new(headerFilter)
	for _, name := range names {
		if name != strings.ToLower(name) {
			continue
		}
		w.lower = append(w.lower, name)
		canonical := http.CanonicalHeaderKey(name)
		w.canonical, w.kinds = append(w.canonical, canonical), append(w.kinds, defaultHeaderIndex.kindsOf(canonical)&^NonCanonicalHeader)
		w.overrides = w.overrides || slices.Contains(MethodOverrideHeaders, name)
	}
	return w
}

// most returns the maximum number of headers that pass the filter.
func (w *headerFilter) most(h http.Header) int {
	if w == nil {
		return len(h)
	}
	return min(len(w.lower), len(h))
}

// lookUp reports whether every header can be looked up by its canonical name, because the
// request has no other spelling of one.
func (w *headerFilter) lookUp(kinds HeaderKinds) bool {
	return w != nil && !kinds.Has(NonCanonicalHeader) && !(w.overrides && kinds.Has(MethodOverrideHeader))
}

// eachHeader calls visit for each header that policies see, with its name in lower case. It
// skips forwarding headers of an untrusted peer. Two spellings of one name are two calls.
func (r *Request) eachHeader(w *headerFilter, visit func(name string, lines []string, credential bool)) {
	if w.lookUp(r.kinds) {
		for i, name := range w.canonical {
			if w.kinds[i] != 0 && !r.kinds.Has(w.kinds[i]) {
				continue
			}
			if lines, ok := r.http.Header[name]; ok {
				r.visitHeader(w.lower[i], lines, visit)
			}
		}
		return
	}
	for name, lines := range r.http.Header {
		if lower, ok := w.name(name); ok {
			r.visitHeader(lower, lines, visit)
		}
	}
}

// visitHeader calls visit, except for a forwarding header of an untrusted peer.
func (r *Request) visitHeader(lower string, lines []string, visit func(name string, lines []string, credential bool)) {
	if folded := FoldHeaderName(lower); r.meta.TrustedProxy || !isForwarding(folded) {
		visit(lower, lines, r.config.isCredential(folded))
	}
}

// name returns a header's name in lower case, and whether it passes the filter. All
// spellings of a method override header have the same name.
func (w *headerFilter) name(name string) (lower string, ok bool) {
	if w == nil {
		if i := slices.IndexFunc(MethodOverrideHeaders, func(override string) bool { return SameHeaderName(name, override) }); i >= 0 {
			return MethodOverrideHeaders[i], true
		}
		return strings.ToLower(toValidUTF8(name)), true
	}
	for _, lower := range w.lower {
		if equalLower(name, lower) || SameHeaderName(name, lower) && slices.Contains(MethodOverrideHeaders, lower) {
			return lower, true
		}
	}
	return "", false
}

// fillHeaders fills in headers by lower-case name, their lines joined.
func (r *Request) fillHeaders(d *Document, w *headerFilter) {
	if d.Request.Headers == nil {
		d.Request.Headers = make(map[string]string, w.most(r.http.Header))
	}
	joined := d.Request.Headers
	r.eachHeader(w, func(name string, lines []string, credential bool) {
		text := joinLines(lines, credential)
		if other, twice := joined[name]; twice { // another spelling, which only a server in front makes
			text = other + ", " + text
		}
		joined[name] = text
	})
}

// joinLines returns a header's lines as one.
func joinLines(lines []string, credential bool) string {
	if len(lines) == 1 {
		return redactLine(lines[0], credential)
	}
	return strings.Join(redactLines(lines, credential), ", ")
}

// fillHeaderValues fills in headers by lower-case name, as lines.
func (r *Request) fillHeaderValues(d *Document, w *headerFilter) {
	if d.Request.HeaderValues == nil {
		d.Request.HeaderValues = make(map[string][]string, w.most(r.http.Header))
	}
	values := d.Request.HeaderValues
	r.eachHeader(w, func(name string, lines []string, credential bool) {
		values[name] = append(values[name], redactLines(lines, credential)...)
	})
}
