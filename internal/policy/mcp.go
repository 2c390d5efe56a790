package policy

import (
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
)

// namesMCP reports whether rules name the message of the Model Context Protocol, not only
// something that it is a part of.
func namesMCP(r decisioncache.ReadSet) bool {
	for path := range r {
		if path == "request.mcp" || strings.HasPrefix(path, "request.mcp.") {
			return true
		}
	}
	return false
}

// readsMCP reports whether the request's body must be a message of the Model Context
// Protocol: a policy names it, or a rule of the access table with the condition tools
// decides about one of the readings.
func (s *snapshot) readsMCP(in Input) bool {
	switch {
	case s.asksMCP:
		return true
	case s.table == nil || !s.table.HasTools() || !s.native && !s.tableMCP:
		return false
	}
	room, _ := scratches.Get().(*scratch)
	defer room.free()
	readings := in.Request.Readings()
	for i := range readings {
		in.Request.FillDocument(&room.document, &readings[i], tableParts)
		room.question.Document = &room.document
		if s.table.ReadsMessage(&room.question) {
			return true
		}
		room.document.Reset()
		room.question.Reset()
	}
	return false
}

// denyUnread returns the decision about a request of an anonymous caller that the table
// denies whatever its message says. Its body is not read: an anonymous caller takes no
// memory, and a client that looks for the issuer gets 401 and not 400.
func (s *snapshot) denyUnread(q *question) (result Decision, denied bool) {
	if !q.readsMCP || !s.native || q.in.Identity.Authenticated {
		return Decision{}, false
	}
	q.anyMessage = true
	result = s.decideAll(q)
	q.anyMessage = false
	return result, !result.Allow
}
