package policy

import (
	"encoding/binary"
	"slices"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// appendKey appends the fields of a document that the decision reads to the identity's part
// of a cache key. Constants are told apart by their id.
func (p *projection) appendKey(key []byte, d *request.Document, config *Constants) []byte {
	key = appendParts(key, p.keyed, &d.Request)
	key = appendParts(key, p.client, &d.Client)
	key = appendParts(key, p.tls, &d.TLS)
	key = appendParts(key, p.failure, &d.Failure)
	if p.config {
		key = binary.AppendUvarint(key, config.id)
	}
	return key
}

// identities returns a cache of the keys and terms of identities.
func (p *projection) identities() *decisioncache.IdentityCache {
	return decisioncache.NewIdentityCache(
		func(key []byte, id *authenticator.Identity) []byte { return appendParts(key, p.identity, id) },
		func(id *authenticator.Identity) *ast.Term {
			if len(p.identity) == 0 {
				return nil
			}
			return build(p.identity, id)
		},
	)
}

// withoutTime returns the fields of a request that a key has if it has what the access
// table makes of the time.
func withoutTime(parts []part[request.Fields]) []part[request.Fields] {
	return slices.DeleteFunc(slices.Clone(parts), func(p part[request.Fields]) bool { return p.label() == "time_ns" })
}

// appendTime appends to a key which conditions of the access table on the time hold, if
// nothing else depends on the time.
func (s *snapshot) appendTime(key []byte, d *request.Document) []byte {
	if !s.keyedTime {
		return key
	}
	return decisioncache.AppendNumber(key, int64(s.table.AgeStep(d)))
}
