package forward

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// changeQuery changes the query that the next handler sees: parameters are removed,
// in every spelling, and others are set, in place of what there was of them.
// The rest stays as it is written.
func changeQuery(r *http.Request, removed []string, set map[string][]string) {
	if len(removed)+len(set) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(set))
	pairs := []string{request.RemoveParameters(r.URL.RawQuery, slices.Concat(removed, names))}
	if pairs[0] == "" {
		pairs = nil
	}
	for _, name := range names {
		for _, value := range set[name] {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	r.URL.RawQuery = strings.Join(pairs, "&")
	r.RequestURI = r.URL.RequestURI()
}
