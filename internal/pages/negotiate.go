package pages

import (
	"iter"
	"net/http"
	"strconv"
	"strings"
)

// mediaType is the media type of a body.
type mediaType string

const (
	typeProblem mediaType = "application/problem+json"
	typeHTML    mediaType = "text/html; charset=utf-8"
	typeText    mediaType = "text/plain; charset=utf-8"
)

// offers are what can be sent, best first: what wins a tie. JSON asked for by
// name is met by a problem document; a wildcard means problem+json itself.
var offers = [...]struct {
	name   string
	sent   mediaType
	byName bool
}{
	{"application/problem+json", typeProblem, false},
	{"application/json", typeProblem, true},
	{"text/html", typeHTML, false},
	{"text/plain", typeText, false},
}

// negotiate chooses a media type by Accept (RFC 9110, section 12.5.1). Without Accept, and
// if nothing is acceptable, it is a problem document instead of a 406 (section 15.5.7).
func negotiate(h http.Header) mediaType {
	var found [len(offers)]weight
	for r := range mediaRanges(h["Accept"]) {
		for i, offer := range offers {
			found[i].consider(r, offer.name, offer.byName)
		}
	}
	best, quality := typeProblem, 0.0
	for i, offer := range offers {
		if found[i].quality > quality {
			best, quality = offer.sent, found[i].quality
		}
	}
	return best
}

// asksForHTML reports whether Accept names HTML.
func asksForHTML(h http.Header) bool {
	var found weight
	for r := range mediaRanges(h["Accept"]) {
		found.consider(r, "text/html", true)
	}
	return found.quality > 0
}

// mediaRange is one member of Accept.
type mediaRange struct {
	name    string // lower-case, such as text/* or text/html
	quality float64
}

// maxRanges bounds the work for one Accept.
const maxRanges = 64

// mediaRanges returns the members of Accept; those that it cannot read are passed
// over.
func mediaRanges(accept []string) iter.Seq[mediaRange] {
	return func(yield func(mediaRange) bool) {
		left := maxRanges
		for _, line := range accept {
			for left > 0 && line != "" {
				var member string
				member, line, _ = strings.Cut(line, ",")
				name, params, _ := strings.Cut(member, ";")
				name = strings.ToLower(strings.TrimSpace(name))
				quality, ok := parseQuality(params)
				if !ok || strings.Count(name, "/") != 1 {
					continue
				}
				if left--; !yield(mediaRange{name, quality}) {
					return
				}
			}
		}
	}
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

// weight is that of the most specific range so far that covers a type.
type weight struct {
	quality   float64
	precision int // 0 without a range
}

// consider looks at one more range. With byName, only one that names the type covers
// it.
func (w *weight) consider(r mediaRange, name string, byName bool) {
	precision := 0
	major, found := strings.CutSuffix(r.name, "/*")
	switch {
	case r.name == name:
		precision = 3
	case byName:
	case r.name == "*/*":
		precision = 1
	case found && strings.HasPrefix(name, major) && name[len(major)] == '/':
		precision = 2
	}
	if precision > w.precision {
		*w = weight{r.quality, precision}
	}
}
