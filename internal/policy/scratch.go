package policy

import (
	"sync"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// scratch is the memory of one decision, which is reused.
type scratch struct {
	document request.Document
	question accesstable.Question
	key      []byte
}

var scratches = sync.Pool{New: func() any { return &scratch{key: make([]byte, 0, 512)} }}

// free returns the memory for reuse, without data of the request.
func (s *scratch) free() {
	if cap(s.key) > decisioncache.MaxKey {
		return
	}
	s.document.Reset()
	s.question.Reset()
	clear(s.key[:cap(s.key)])
	s.key = s.key[:0]
	scratches.Put(s)
}
