package exchange

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// maxMatches bounds how often the matchers are asked about one request. One with more
// readings and methods is judged.
const maxMatches = 512

// Matches reports whether the request is one to authenticate and judge: in any
// reading of its path and query, and with each method that a handler made of its own or
// that an application may take instead, so that no spelling slips past a matcher, and
// always if there is none to go by.
func (ex *Exchange) Matches(r *http.Request, matchers caddyhttp.MatcherSets) (bool, error) {
	if matchers == nil || ex.Request.Unreadable() || ex.Request.UpgradeRefused() {
		return true, nil
	}
	if matched, err := matchers.AnyMatchWithError(r); matched || err != nil {
		return matched, err
	}
	methods, counted := ex.Request.PossibleMethods()
	readings := ex.Request.Readings()
	switch {
	case !counted || len(methods)*len(readings) > maxMatches:
		return true, nil
	case len(methods) == 1 && len(readings) == 1 && readings[0].Destination == "" && len(request.AlternatePaths(nil, readings[0].Path, readings[0].Rewritten, "")) == 0:
		return false, nil
	}
	asked := *r
	defer func() { r.Method, r.URL, r.Host = asked.Method, asked.URL, asked.Host }()
	for _, method := range methods {
		r.Method, r.URL, r.Host = method, asked.URL, asked.Host
		if matched, err := ex.matchesReadings(r, matchers); matched || err != nil {
			return matched, err
		}
	}
	return false, nil
}

// matchesReadings asks the matchers about the request as it is, about each reading of
// its path and query, and about where a WebDAV request points to, on its own host.
func (ex *Exchange) matchesReadings(r *http.Request, matchers caddyhttp.MatcherSets) (bool, error) {
	if matched, err := matchers.AnyMatchWithError(r); matched || err != nil {
		return matched, err
	}
	asked, host := r.URL, r.Host
	matches := func(host, path, query string) (bool, error) {
		read := *asked
		read.Path, read.RawPath, read.RawQuery = path, "", query
		r.URL, r.Host = &read, host
		return matchers.AnyMatchWithError(r)
	}
	readings := ex.Request.Readings()
	for i := range readings {
		reading := &readings[i]
		if reading.Method != readings[0].Method {
			break // the same once more
		}
		query := reading.Query
		if ex.Request.IsCurrentQuery(query) {
			query = asked.RawQuery
		}
		destination := ""
		if !ex.Request.ForeignDestination() {
			destination = reading.Destination
		}
		for _, path := range request.AlternatePaths([]string{reading.Path}, reading.Path, reading.Rewritten, destination) {
			if matched, err := matches(host, path, query); matched || err != nil {
				return matched, err
			}
		}
		if reading.Destination == "" {
			continue
		}
		if matched, err := matches(ex.Request.DestinationHost(), reading.Destination, ""); matched || err != nil {
			return matched, err
		}
	}
	return false, nil
}
