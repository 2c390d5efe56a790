package request

import (
	"net/http"
	"net/url"
)

// StrippedQuery is a query before and after an earlier policy_auth handler removed
// credentials from it. It is empty if none did.
type StrippedQuery struct{ Before, After string }

// currentURL returns the URL that the next handler sees, with the credentials that we
// removed from its query: policies need not judge that change.
func (r *Request) currentURL() *url.URL {
	cut := r.meta.StrippedQuery
	if cut == (StrippedQuery{}) || r.http.URL.RawQuery != cut.After {
		return r.http.URL
	}
	uncut := *r.http.URL
	uncut.RawQuery = cut.Before
	return &uncut
}

// Methods returns the client's method and the one to which a handler has changed it,
// usually the same. A WebSocket by CONNECT counts as the GET that the upstream gets.
func (r *Request) Methods() (own, changed string) {
	own, changed = r.meta.Method, r.http.Method
	if r.IsWebSocketConnect() {
		changed = http.MethodGet
		if own == http.MethodConnect {
			own = changed
		}
	}
	return own, changed
}

// addMethodReadings sets the client's method in each reading. If a handler changed the
// method, it adds each reading with the changed method as well.
func (r *Request) addMethodReadings() {
	own, changed := r.Methods()
	for i := range r.readings {
		r.readings[i].Method = own
	}
	if own == changed {
		return
	}
	for _, reading := range r.readings {
		reading.Method = changed
		r.readings = append(r.readings, reading)
	}
	r.readings, r.flags = limitReadings(r.readings, r.flags)
}

// IsCurrentQuery reports whether a raw query is the one that the next handler sees.
func (r *Request) IsCurrentQuery(raw string) bool { return raw == r.currentURL().RawQuery }
