package accesstable

import (
	"net/http"
	"strings"
)

// methods is a condition on the method of the request. HEAD counts as GET. Each method
// that an application may use instead must be in the list too.
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

// overrides are the methods that an application may use instead of the request's own.
type overrides struct {
	found bool
	names []string
	many  bool // there are more than maxOverrides; the others are not in names
}

// maxOverrides is the maximum number of methods that are read from a request. Clients
// send one. An attacker could send thousands, and each condition compares all of them.
const maxOverrides = 16

// overrideHeaders are the headers that name them. The input document has all spellings
// of a header under one name.
var overrideHeaders = [3]string{"x-http-method-override", "x-http-method", "x-method-override"}

// depthHeader says how far below its path a WebDAV method acts (RFC 4918, section 10.2).
const depthHeader = "depth"

// Headers returns the names of the headers that tables read, in lower case.
func Headers() []string { return append(overrideHeaders[:], depthHeader) }

// overriding returns the methods that headers or the query name, in upper case.
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

// add adds a method. It returns false if there are too many.
func (o *overrides) add(name string) bool {
	if len(o.names) == maxOverrides {
		o.many = true
		return false
	}
	o.names = append(o.names, strings.ToUpper(name))
	return true
}
