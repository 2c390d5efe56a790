package request

import (
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"
)

// fold maps a byte of a header's name to the one that stands for it: letters in
// lower case, digits, and "-" for all else.
var fold = func() (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
			table[c] = b
		case 'A' <= b && b <= 'Z':
			table[c] = b + 'a' - 'A'
		default:
			table[c] = '-'
		}
	}
	return table
}()

// FoldHeaderName returns a header's name in the one spelling in which names that a
// server behind us may take for the same are equal: lower-case, with "-" for
// whatever is no letter or digit. CGI and its heirs turn all of these into "_".
func FoldHeaderName(name string) string {
	if SameHeaderName(name, name) {
		return name
	}
	folded := make([]byte, len(name))
	for i := range folded {
		folded[i] = fold[name[i]]
	}
	return string(folded)
}

// SameHeaderName reports whether a header's name is one spelling of folded, which
// FoldHeaderName made. It allocates nothing.
func SameHeaderName(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		if fold[name[i]] != folded[i] {
			return false
		}
	}
	return true
}

// forwardingHeaders are the headers with which proxies tell where a request came
// from or went, beside everything that begins with x-forwarded.
var forwardingHeaders = map[string]bool{
	"forwarded":        true,
	"x-original-url":   true,
	"x-rewrite-url":    true,
	"x-original-uri":   true,
	"x-original-host":  true,
	"x-real-ip":        true,
	"x-client-ip":      true,
	"true-client-ip":   true,
	"cf-connecting-ip": true,
	"x-client-cert":    true,
	"client-cert":      true,
}

// forwardingPrefix is what the names of other forwarding headers begin with.
const forwardingPrefix = "x-forwarded"

// hasForwardingPrefix reports whether a header's name, in any spelling, begins like that
// of a forwarding header.
func hasForwardingPrefix(name string) bool {
	return len(name) >= len(forwardingPrefix) && SameHeaderName(name[:len(forwardingPrefix)], forwardingPrefix)
}

func isForwarding(folded string) bool { return hasForwardingPrefix(folded) || forwardingHeaders[folded] }

// redactedHeaders hold credentials on every site.
var redactedHeaders = []string{"authorization", "proxy-authorization", "cookie"}

// RedactedHeaders returns the lower-case names of the headers that are redacted on
// every site.
func RedactedHeaders() []string { return slices.Clone(redactedHeaders) }

// isCredential reports whether a header holds a credential.
func (c *Config) isCredential(folded string) bool {
	return slices.Contains(redactedHeaders, folded) || slices.ContainsFunc(c.CredentialHeaders, func(name string) bool { return SameHeaderName(name, folded) })
}

// headerFilter are headers that are asked for; nil stands for all.
type headerFilter struct {
	lower     []string      // their names in lower case
	canonical []string      // and as net/http writes them
	kinds     []HeaderKinds // without which there is none of that name, or 0
	overrides bool          // some name another method
}

// newHeaderFilter returns the wanted headers of some names, or all for nil. A name that is not
// in lower case is that of no header.
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

// most returns how many of some headers there may be.
func (w *headerFilter) most(h http.Header) int {
	if w == nil {
		return len(h)
	}
	return min(len(w.lower), len(h))
}

// lookUp reports whether each wanted header can be looked up by its canonical name,
// since no header of the request has another spelling that counts.
func (w *headerFilter) lookUp(kinds HeaderKinds) bool {
	return w != nil && !kinds.Has(NonCanonicalHeader) && !(w.overrides && kinds.Has(MethodOverrideHeader))
}

// eachHeader visits the headers that policies may see, with lower-case names:
// what an untrusted peer says about forwarding is left out. Two spellings of one name
// are visits of their own.
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

// visitHeader visits a header unless it tells of forwarding and the peer is not trusted.
func (r *Request) visitHeader(lower string, lines []string, visit func(name string, lines []string, credential bool)) {
	if folded := FoldHeaderName(lower); r.meta.TrustedProxy || !isForwarding(folded) {
		visit(lower, lines, r.config.isCredential(folded))
	}
}

// name returns a header's name in lower case and whether it is wanted. A header that
// overrides the method has one name in every spelling that CGI takes for the same.
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

// equalLower reports whether a name is another one in lower case. For ASCII it
// allocates nothing.
func equalLower(name, lower string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return strings.ToLower(toValidUTF8(name)) == lower
		}
	}
	if len(name) != len(lower) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// gatherHeaders fills in headers by lower-case name, their lines joined.
func (r *Request) gatherHeaders(d *Document, w *headerFilter) {
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

// gatherHeaderValues fills in headers by lower-case name, as lines.
func (r *Request) gatherHeaderValues(d *Document, w *headerFilter) {
	if d.Request.HeaderValues == nil {
		d.Request.HeaderValues = make(map[string][]string, w.most(r.http.Header))
	}
	values := d.Request.HeaderValues
	r.eachHeader(w, func(name string, lines []string, credential bool) {
		values[name] = append(values[name], redactLines(lines, credential)...)
	})
}

// redactLines returns lines as policies see them.
func redactLines(lines []string, credential bool) []string {
	result := make([]string, len(lines))
	for i, line := range lines {
		result[i] = redactLine(line, credential)
	}
	return result
}

// redactLine returns a line as policies see it.
func redactLine(line string, credential bool) string {
	if credential {
		return Redacted
	}
	return toValidUTF8(line)
}
