package accesstable

import (
	"net/http"
	"strings"
)

// methods is a condition on the request's method. HEAD counts as GET, and each
// method that an application may take instead must be wanted too.
type methods words

func (w methods) holds(q *Question, under polarity) bool {
	wanted, method := words(w), q.Request.Method
	own := wanted.has(method) || method == http.MethodHead && wanted.has(http.MethodGet)
	if under == deny {
		return own || wanted.hasAny(q.overriding())
	}
	if !own {
		return false
	}
	for _, name := range q.overriding() {
		if !wanted.has(name) {
			return false
		}
	}
	return true
}

// overrides are the methods that an application may take for the request's own.
type overrides struct {
	found bool
	names []string
}

// overrideHeaders are the headers that name them. The input has every spelling of
// these under one name.
var overrideHeaders = [3]string{"x-http-method-override", "x-http-method", "x-method-override"}

// depthHeader says how far below its path a WebDAV method acts.
const depthHeader = "depth"

// Headers returns the names of the headers that tables read, in lower case.
func Headers() []string { return append(overrideHeaders[:], depthHeader) }

// overriding returns the methods that headers or the query name, in capitals.
func (q *Question) overriding() []string {
	if q.overrides.found {
		return q.overrides.names
	}
	q.overrides.found = true
	for _, header := range overrideHeaders {
		for _, line := range q.Request.HeaderValues[header] {
			for name := range strings.SplitSeq(line, ",") {
				q.overrides.names = append(q.overrides.names, strings.ToUpper(strings.TrimSpace(name)))
			}
		}
	}
	for _, name := range q.Request.Query["_method"] {
		q.overrides.names = append(q.overrides.names, strings.ToUpper(name))
	}
	return q.overrides.names
}
