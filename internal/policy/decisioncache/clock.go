package decisioncache

import "github.com/open-policy-agent/opa/v1/ast"

// clockReads are the input fields that rules of access tables read only for conditions on
// the time. Decisions that read the time cannot be cached, but these can: the table knows
// which of its conditions hold at that time, and this goes into the key instead of the time.
type clockReads struct {
	paths ReadSet
	// input and data are true if a policy replaces a part of input or data for the rules
	// that it evaluates (with): then the table does not know what holds.
	input, data bool
}

// timePath is the input field with the time of the request.
const timePath = "request.time_ns"

// clockPaths are the fields that access tables read only for conditions on the time.
var clockPaths = ReadSet{timePath: true, "identity.auth_time": true}

// visitWith notes what a with replaces.
func (c *clockReads) visitWith(node *ast.With) {
	if ref, ok := node.Target.Value.(ast.Ref); ok {
		c.input = c.input || ref.HasPrefix(ast.InputRootRef)
		c.data = c.data || ref.HasPrefix(ast.DefaultRootRef)
	}
}

// addClock adds what the rules of access tables read for conditions on the time. If the
// table has no such conditions, they read nothing.
func (f *Dependencies) addClock(tableReadsTime bool) {
	if !tableReadsTime && !f.clock.data {
		return
	}
	for path := range f.clock.paths {
		if f.Reads[path] = true; f.clock.input || f.clock.data {
			f.ReadsOutsideTables[path] = true
		}
	}
}

// KeyedTime reports whether only access tables read the time of the request, so that a key
// can have what the table makes of the time instead of the time.
func (f *Dependencies) KeyedTime() bool {
	return f.clock.paths[timePath] && f.Reads[timePath] && !f.ReadsOutsideTables[timePath]
}
