package request

// HeaderKinds says which headers a request has of those that are looked for, in any spelling.
// One pass over the headers finds them all, so that most are looked up only where they
// are.
type HeaderKinds uint16

// The kinds of such headers.
const (
	// ForwardingHeader headers tell where a request came from or went.
	ForwardingHeader HeaderKinds = 1 << iota
	// MethodOverrideHeader headers name another method.
	MethodOverrideHeader
	// PathOverrideHeader headers name another path.
	PathOverrideHeader
	// UpgradeHeader headers ask for another protocol.
	UpgradeHeader
	// ConfiguredHeader headers are those of Config.SetConfiguredHeaders.
	ConfiguredHeader
	// DestinationHeader, EarlyDataHeader, DepthHeader and ConnectionHeader are the headers of that name.
	DestinationHeader
	EarlyDataHeader
	DepthHeader
	ConnectionHeader
	// NonCanonicalHeader headers have a name that is not as net/http writes it. Only handlers
	// make them.
	NonCanonicalHeader
)

// Has reports whether there is a header of a kind.
func (k HeaderKinds) Has(kind HeaderKinds) bool { return k&kind != 0 }

// PathOverrideHeaders are headers, as FoldHeaderName has them, by which some applications let a
// proxy tell them another path than the request's own, which is the one that was judged
// (T-25).
var PathOverrideHeaders = []string{"x-original-url", "x-rewrite-url"}

// UpgradeHeaders are the headers, as FoldHeaderName has them, that ask for another protocol;
// all but the last are always removed.
var UpgradeHeaders = []string{"http2-settings", "upgrade"}

// knownHeader is a header that is looked for.
type knownHeader struct {
	folded string
	kinds  HeaderKinds
}

// maxKnownName bounds the length of the names of known headers, in bytes.
const maxKnownName = 64

// headerIndex finds the kinds of a header by the length of its name.
type headerIndex [maxKnownName + 1][]knownHeader

// defaultHeaderIndex knows the headers that matter on every site.
var defaultHeaderIndex = newHeaderIndex(nil)

// newHeaderIndex returns the lookup of a site with some headers of its own, as FoldHeaderName has them.
func newHeaderIndex(own []string) *headerIndex {
	l := new(headerIndex)
	for name := range forwardingHeaders {
		l.add(name, ForwardingHeader)
	}
	for kind, names := range map[HeaderKinds][]string{
		MethodOverrideHeader: MethodOverrideHeaders, PathOverrideHeader: PathOverrideHeaders, UpgradeHeader: UpgradeHeaders, ConfiguredHeader: own,
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

// ClassifyHeaders looks at the request's headers, which Open has done. A handler of ours that
// changes them calls it again.
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

// HeaderKinds returns the kinds of the request's headers.
func (r *Request) HeaderKinds() HeaderKinds { return r.kinds }

// SetConfiguredHeaders makes HeaderKinds tell of some headers, as FoldHeaderName has them, in any spelling.
func (c *Config) SetConfiguredHeaders(folded []string) { c.headerIndex = newHeaderIndex(folded) }
