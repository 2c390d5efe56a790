// Package authn authenticates callers. Each file of a method or login is one Caddy
// module; the chain finds the one credential in a request and asks the methods that
// read its source.
//
// What a method is, is in package authenticator.
package authn
