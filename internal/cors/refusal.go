package cors

import (
	"net/http"
	"strings"
)

// Refusal is the part of a cross-origin request that the configuration does not allow. The
// zero value stands for an allowed request and for one that is not cross-origin.
type Refusal struct {
	// What is origin, method, header, or preflight if none of them alone.
	What string
	// Value is the origin, the method or the header's name, as the client sent it.
	Value string
}

// maxProbes bounds how many header names are looked at for an operator.
const maxProbes = 32

// Refusal returns why scripts may not read the response to a request, or why its preflight
// was rejected. It asks the library about each part again, so call it only if Handle has
// set no Access-Control-Allow-Origin.
func (c *CORS) Refusal(r *http.Request) Refusal {
	origins := r.Header["Origin"]
	if c.upstream || len(origins) == 0 {
		return Refusal{}
	}
	origin := strings.Join(origins, ", ")
	if len(origins) > 1 || origin == "null" || !c.readable(origin) {
		return Refusal{What: "origin", Value: origin}
	}
	if !IsPreflight(r) {
		return Refusal{}
	}
	method := r.Header["Access-Control-Request-Method"][0]
	if !c.passes(origin, method, "") {
		return Refusal{What: "method", Value: method}
	}
	for i, name := range strings.Split(r.Header.Get("Access-Control-Request-Headers"), ",") {
		if i == maxProbes {
			break
		}
		if name = strings.TrimSpace(name); name != "" && !c.passes(origin, method, name) {
			return Refusal{What: "header", Value: name}
		}
	}
	return Refusal{What: "preflight"}
}

// readable reports whether scripts of an origin may read answers.
func (c *CORS) readable(origin string) bool {
	answer := run(c.library, &http.Request{Method: http.MethodGet, Header: http.Header{"Origin": {origin}}})
	defer answer.free()
	return len(answer.header["Access-Control-Allow-Origin"]) > 0
}

// passes reports whether the library allows a preflight with at most one header.
func (c *CORS) passes(origin, method, header string) bool {
	h := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {method}}
	if header != "" {
		h["Access-Control-Request-Headers"] = []string{strings.ToLower(header)}
	}
	answer := run(c.library, &http.Request{Method: http.MethodOptions, Header: h})
	defer answer.free()
	return answer.status < http.StatusBadRequest
}
