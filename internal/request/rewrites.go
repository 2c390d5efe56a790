package request

import (
	"net/http"
	"net/url"
)

// StrippedQuery is a query before and after an earlier handler of ours took credentials
// out of it. It is empty if none did.
type StrippedQuery struct{ Before, After string }

// currentURL returns the URL that the next handler sees, but with the credentials that
// we took out of its query: that is no change to judge.
func (r *Request) currentURL() *url.URL {
	cut := r.meta.StrippedQuery
	if cut == (StrippedQuery{}) || r.http.URL.RawQuery != cut.After {
		return r.http.URL
	}
	uncut := *r.http.URL
	uncut.RawQuery = cut.Before
	return &uncut
}

// Methods returns the client's own method and the one that a handler made of it,
// which is usually the same. A WebSocket by CONNECT is judged as the GET that the
// upstream gets.
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

// addMethodReadings judges each reading with the client's own method and, if a handler
// changed that, once more with what it made of it.
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

// IsCurrentQuery reports whether a reading's query is the one that the next handler sees.
func (r *Request) IsCurrentQuery(raw string) bool { return raw == r.currentURL().RawQuery }
