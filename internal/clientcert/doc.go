// Package clientcert verifies client certificates: those of a connection, and those that
// a proxy forwards in the headers of RFC 9440. It tells who holds one. It depends on
// crypto/tls and not on Caddy.
//
// Start with Verifier. forwarded.go parses headers, roots.go reads files of authorities,
// identity.go chooses the name of the holder.
package clientcert
