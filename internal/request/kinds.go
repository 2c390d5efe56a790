package request

import "unicode/utf8"

// Kinds says which headers a request has of those that are looked for, in any spelling.
// One pass over the headers finds them all, so that most are looked up only where they
// are.
type Kinds uint16

// The kinds of such headers.
const (
	// Forwarding headers tell where a request came from or went.
	Forwarding Kinds = 1 << iota
	// Overriding headers name another method.
	Overriding
	// Rewriting headers name another path.
	Rewriting
	// Upgrading headers ask for another protocol.
	Upgrading
	// Own headers are those of Config.FindOwnHeaders.
	Own
	// Destination, EarlyData, Depth and Connection are the headers of that name.
	Destination
	EarlyData
	Depth
	Connection
	// Uncanonical headers have a name that is not as net/http writes it. Only handlers
	// make them.
	Uncanonical
)

// Has reports whether there is a header of a kind.
func (k Kinds) Has(kind Kinds) bool { return k&kind != 0 }

// RewritingHeaders are headers, as FoldName has them, by which some applications let a
// proxy tell them another path than the request's own, which is the one that was judged
// (T-25).
var RewritingHeaders = []string{"x-original-url", "x-rewrite-url"}

// UpgradingHeaders are the headers, as FoldName has them, that ask for another protocol;
// all but the last are always removed.
var UpgradingHeaders = []string{"http2-settings", "upgrade"}

// known is a header that is looked for.
type known struct {
	folded string
	kinds  Kinds
}

// maxKnown bounds the length of the names of known headers, in bytes.
const maxKnown = 64

// lookup finds the kinds of a header by the length of its name.
type lookup [maxKnown + 1][]known

// usualLookup knows the headers that matter on every site.
var usualLookup = newLookup(nil)

// newLookup returns the lookup of a site with some headers of its own, as FoldName has them.
func newLookup(own []string) *lookup {
	l := new(lookup)
	for name := range forwarding {
		l.add(name, Forwarding)
	}
	for kind, names := range map[Kinds][]string{
		Overriding: MethodOverrides, Rewriting: RewritingHeaders, Upgrading: UpgradingHeaders, Own: own,
		Destination: {"destination"}, EarlyData: {"early-data"}, Depth: {"depth"}, Connection: {"connection"},
	} {
		for _, name := range names {
			l.add(name, kind)
		}
	}
	return l
}

func (l *lookup) add(folded string, kinds Kinds) {
	length := min(len(folded), maxKnown)
	l[length] = append(l[length], known{folded, kinds})
}

// kindsOf returns the kinds of a header.
func (l *lookup) kindsOf(name string) (kinds Kinds) {
	if !isCanonical(name) {
		kinds = Uncanonical
	}
	if hasForwardingPrefix(name) {
		kinds |= Forwarding
	}
	candidates := l[min(len(name), maxKnown)]
	for i := range candidates {
		if SameName(name, candidates[i].folded) {
			kinds |= candidates[i].kinds
		}
	}
	return kinds
}

// FindKinds looks at the request's headers, which Open has done. A handler of ours that
// changes them calls it again.
func (r *Request) FindKinds() {
	l := r.config.lookup
	if l == nil {
		l = usualLookup
	}
	r.kinds = 0
	for name := range r.http.Header {
		r.kinds |= l.kindsOf(name)
	}
}

// Kinds returns the kinds of the request's headers.
func (r *Request) Kinds() Kinds { return r.kinds }

// isCanonical reports whether a name is one that http.CanonicalHeaderKey returns.
func isCanonical(name string) bool {
	start := true // of a word
	for i := range len(name) {
		c := name[i]
		if start && 'a' <= c && c <= 'z' || !start && 'A' <= c && c <= 'Z' || c <= ' ' || c >= utf8.RuneSelf {
			return false
		}
		start = c == '-'
	}
	return true
}

// FindOwnHeaders makes Kinds tell of some headers, as FoldName has them, in any spelling.
func (c *Config) FindOwnHeaders(folded []string) { c.lookup = newLookup(folded) }
