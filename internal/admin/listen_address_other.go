//go:build !unix

package admin

import "github.com/policyauth/caddy-policy-auth/internal/egress"

// listenerOfFile: no other system hands file descriptors to Caddy.
func listenerOfFile(string) (egress.Listener, bool) { return egress.Listener{}, false }
