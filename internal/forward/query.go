package forward

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// changeQuery changes the query for the next handler: it removes parameters in all
// spellings, and sets others in place of their old values. The rest stays as it was sent.
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
