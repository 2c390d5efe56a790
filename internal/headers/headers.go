// Package headers names the request headers that neither an operator nor a policy may set.
package headers

import (
	"slices"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// ofConnection are the headers of the connection and of the framing and routing of a
// message (RFC 9110, sections 7.6.1, 11.7 and 15.5.8; RFC 9113, section 8.2.2).
var ofConnection = []string{
	"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
	"host", "content-length", "expect", "proxy-authenticate", "proxy-authentication-info", "proxy-authorization",
}

// BelongsToConnection reports whether a header is one of the connection, in any spelling
// that a server may take for it.
func BelongsToConnection(name string) bool {
	return slices.Contains(ofConnection, request.FoldHeaderName(name))
}
