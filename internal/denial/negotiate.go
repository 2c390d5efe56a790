package denial

import (
	"net/http"
	"strconv"
	"strings"
)

// mediaType is the type of a refusal's body.
type mediaType string

const (
	typeProblem mediaType = "application/problem+json"
	typeHTML    mediaType = "text/html; charset=utf-8"
	typeText    mediaType = "text/plain; charset=utf-8"
)

// offers are what can be sent, best first: what wins a tie. JSON asked for by
// name is met by a problem document; a wildcard means problem+json itself.
var offers = []struct {
	name   string
	sent   mediaType
	byName bool
}{
	{"application/problem+json", typeProblem, false},
	{"application/json", typeProblem, true},
	{"text/html", typeHTML, false},
	{"text/plain", typeText, false},
}

// negotiate chooses by Accept (RFC 9110, section 12.5.1). Without Accept, and
// where nothing is acceptable, it is a problem document: an error is not worth
// a second one (section 15.5.7).
func negotiate(h http.Header) mediaType {
	ranges := parseAccept(strings.Join(h["Accept"], ","))
	best, quality := typeProblem, 0.0
	for _, offer := range offers {
		if q := qualityOf(offer.name, offer.byName, ranges); q > quality {
			best, quality = offer.sent, q
		}
	}
	return best
}

// mediaRange is one member of Accept.
type mediaRange struct {
	name    string // lower-case, such as text/* or text/html
	quality float64
}

// maxRanges bounds the work for one Accept.
const maxRanges = 64

// parseAccept reads Accept; members that it cannot read are passed over.
func parseAccept(accept string) []mediaRange {
	var ranges []mediaRange
	for len(ranges) < maxRanges && accept != "" {
		var member string
		member, accept, _ = strings.Cut(accept, ",")
		name, params, _ := strings.Cut(member, ";")
		name = strings.ToLower(strings.TrimSpace(name))
		if quality, ok := parseQuality(params); ok && strings.Count(name, "/") == 1 {
			ranges = append(ranges, mediaRange{name, quality})
		}
	}
	return ranges
}

// parseQuality returns the weight among parameters, 1 if there is none.
func parseQuality(params string) (float64, bool) {
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(param), "=")
		if strings.EqualFold(name, "q") {
			q, err := strconv.ParseFloat(value, 64)
			return q, err == nil && q >= 0 && q <= 1
		}
	}
	return 1, true
}

// qualityOf returns the weight of the most specific range that covers a type,
// or, with byName, of a range that names it.
func qualityOf(name string, byName bool, ranges []mediaRange) float64 {
	major, _, _ := strings.Cut(name, "/")
	quality, specific := 0.0, -1
	for _, r := range ranges {
		precision := -1
		switch r.name {
		case name:
			precision = 2
		case major + "/*":
			precision = 1
		case "*/*":
			precision = 0
		}
		if precision > specific && (precision == 2 || !byName) {
			quality, specific = r.quality, precision
		}
	}
	return quality
}
