package request

// HeaderKinds is the set of special headers that a request has, in any spelling. One pass
// over the headers finds all of them, so that a usual request costs no further lookups.
type HeaderKinds uint16

// The kinds of special headers.
const (
	// ForwardingHeader is a header of proxies, such as X-Forwarded-For.
	ForwardingHeader HeaderKinds = 1 << iota
	// MethodOverrideHeader is one of MethodOverrideHeaders.
	MethodOverrideHeader
	// PathOverrideHeader is one of PathOverrideHeaders.
	PathOverrideHeader
	// UpgradeHeader is one of UpgradeHeaders.
	UpgradeHeader
	// ConfiguredHeader is one of Config.SetConfiguredHeaders.
	ConfiguredHeader
	// DestinationHeader, EarlyDataHeader, DepthHeader and ConnectionHeader are the headers
	// of those names.
	DestinationHeader
	EarlyDataHeader
	DepthHeader
	ConnectionHeader
	// NonCanonicalHeader is a header whose name is not in canonical form. Only other
	// handlers add such a header.
	NonCanonicalHeader
)

// Has reports whether the request has a header of a kind.
func (k HeaderKinds) Has(kind HeaderKinds) bool { return k&kind != 0 }

// PathOverrideHeaders are the headers, as FoldHeaderName writes them, from which some
// applications take another path than the one that policies judged (T-25).
var PathOverrideHeaders = []string{"x-original-url", "x-rewrite-url"}

// UpgradeHeaders are the headers, as FoldHeaderName writes them, that request another
// protocol. All but the last are always removed.
var UpgradeHeaders = []string{"http2-settings", "upgrade"}

// knownHeader is a special header.
type knownHeader struct {
	folded string
	kinds  HeaderKinds
}

// maxKnownName is the index for all names that are longer, in bytes.
const maxKnownName = 64

// headerIndex holds the special headers by the length of their names.
type headerIndex [maxKnownName + 1][]knownHeader

// defaultHeaderIndex holds the headers that are special on every site.
var defaultHeaderIndex = newHeaderIndex(nil)

// newHeaderIndex returns the index of a site with further headers, as FoldHeaderName
// writes them.
func newHeaderIndex(configured []string) *headerIndex {
	l := new(headerIndex)
	for name := range forwardingHeaders {
		l.add(name, ForwardingHeader)
	}
	for kind, names := range map[HeaderKinds][]string{
		MethodOverrideHeader: MethodOverrideHeaders, PathOverrideHeader: PathOverrideHeaders, UpgradeHeader: UpgradeHeaders, ConfiguredHeader: configured,
		DestinationHeader: {"destination"}, EarlyDataHeader: {"early-data"}, DepthHeader: {"depth"}, ConnectionHeader: {"connection"},
	} {
		for _, name := range names {
			l.add(name, kind)
		}
	}
	return l
}

func (l *headerIndex) add(folded string, kinds HeaderKinds) {
	length := min(len(folded), maxKnownName)
	l[length] = append(l[length], knownHeader{folded, kinds})
}

// kindsOf returns the kinds of a header.
func (l *headerIndex) kindsOf(name string) (kinds HeaderKinds) {
	if !isCanonical(name) {
		kinds = NonCanonicalHeader
	}
	if hasForwardingPrefix(name) {
		kinds |= ForwardingHeader
	}
	candidates := l[min(len(name), maxKnownName)]
	for i := range candidates {
		if SameHeaderName(name, candidates[i].folded) {
			kinds |= candidates[i].kinds
		}
	}
	return kinds
}

// ClassifyHeaders determines the kinds of the request's headers. Init calls it; call it
// again after a change of the headers.
func (r *Request) ClassifyHeaders() {
	l := r.config.headerIndex
	if l == nil {
		l = defaultHeaderIndex
	}
	r.kinds = 0
	for name := range r.http.Header {
		r.kinds |= l.kindsOf(name)
	}
}

// HeaderKinds returns the kinds of special headers that the request has.
func (r *Request) HeaderKinds() HeaderKinds { return r.kinds }

// SetConfiguredHeaders sets the headers of the kind ConfiguredHeader, as FoldHeaderName
// writes them.
func (c *Config) SetConfiguredHeaders(folded []string) { c.headerIndex = newHeaderIndex(folded) }
