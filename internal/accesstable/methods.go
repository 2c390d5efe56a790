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
		return own || wanted.hasAny(q.overriding()) || q.overrides.many
	}
	if !own {
		return false
	}
	for _, name := range q.overriding() {
		if !wanted.has(name) {
			return false
		}
	}
	return !q.overrides.many
}

// overrides are the methods that an application may take for the request's own.
type overrides struct {
	found bool
	names []string
	many  bool // there are more than maxOverrides, of which the rest was not looked at
}

// maxOverrides bounds how many methods a request may name. Clients name one; a stranger
// may name thousands, which each condition would look at.
const maxOverrides = 16

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
				if !q.overrides.add(strings.TrimSpace(name)) {
					return q.overrides.names
				}
			}
		}
	}
	for _, name := range q.Request.Query["_method"] {
		if !q.overrides.add(name) {
			break
		}
	}
	return q.overrides.names
}

// add adds a method, unless there are too many.
func (o *overrides) add(name string) bool {
	if len(o.names) == maxOverrides {
		o.many = true
		return false
	}
	o.names = append(o.names, strings.ToUpper(name))
	return true
}
