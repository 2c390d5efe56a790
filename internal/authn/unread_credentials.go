package authn

import (
	"net/http"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// UnreadCredentials are where a request has something that looks like a credential and
// that no method of the site reads. It names headers and parameters, never values.
type UnreadCredentials struct {
	// Kinds are authorization, header and query: the client sees nothing more.
	Kinds []string
	// Names are for the operator: Authorization with its scheme, headers and
	// parameters by name; at most maxUnread.
	Names []string
}

// maxUnread bounds how many names are kept.
const maxUnread = 4

// schemes are those of Authorization that may be named in a log. Another first
// word may be a credential itself.
var schemes = []string{
	"Basic", "Bearer", "Digest", "DPoP", "Negotiate", "NTLM", "ApiKey", "Token", "OAuth", "GNAP", "Hawk", "HOBA", "Mutual",
	"PrivateToken", "SCRAM-SHA-1", "SCRAM-SHA-256", "vapid", "AWS4-HMAC-SHA256", "GoogleLogin", "SharedKey",
}

// UnreadCredentials returns the credentials that no method reads, so that a client and an
// operator learn why one that they expect to be read is not.
func (c *Chain) UnreadCredentials(r *http.Request) UnreadCredentials {
	var u UnreadCredentials
	if c.whole {
		return u // any may be what that method reads
	}
	for _, line := range r.Header["Authorization"] {
		if !slices.ContainsFunc(c.sources, func(s authenticator.Source) bool { return c.reads(s, line) }) {
			u.add("authorization", "Authorization "+schemeOf(line))
		}
	}
	for name := range r.Header {
		if folded := request.FoldHeaderName(name); folded != "authorization" && !strings.Contains(folded, "cookie") && looksLikeCredential(folded) &&
			!slices.Contains(c.Headers(), name) {
			u.add("header", name)
		}
	}
	for pair := range strings.SplitSeq(r.URL.RawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if value != "" && looksLikeCredential(request.FoldHeaderName(name)) && !slices.Contains(c.Parameters(), name) {
			u.add("query", "?"+name)
		}
	}
	slices.Sort(u.Names)
	return u
}

// reads reports whether a method reads a line of Authorization by a source.
func (c *Chain) reads(source authenticator.Source, line string) bool {
	if source.Scheme == "" {
		return false
	}
	value, ok := cutScheme(line, source.Scheme)
	return ok && !c.lone.foreign(source, value)
}

func (u *UnreadCredentials) add(kind, name string) {
	if !slices.Contains(u.Kinds, kind) {
		u.Kinds = append(u.Kinds, kind)
	}
	if len(u.Names) < maxUnread && !slices.Contains(u.Names, name) {
		u.Names = append(u.Names, name)
	}
}

// credentialNames are what clients call a header or a parameter with a credential.
var credentialNames = []string{
	"x-api-key", "api-key", "apikey", "x-apikey", "x-auth-token", "x-access-token", "access-token", "auth-token", "x-token", "token",
	"private-token", "x-auth-key", "proxy-authorization", "x-authorization", "x-id-token", "jwt", "x-jwt",
}

func looksLikeCredential(folded string) bool { return slices.Contains(credentialNames, folded) }

func hasScheme(line, scheme string) bool {
	_, ok := cutScheme(line, scheme)
	return ok
}

// schemeOf describes a line of Authorization without showing what may be secret.
func schemeOf(line string) string {
	word, _, found := strings.Cut(strings.TrimSpace(line), " ")
	if !found {
		return "without a scheme"
	}
	for _, scheme := range schemes {
		if strings.EqualFold(word, scheme) {
			return scheme
		}
	}
	return "with a scheme that is not known"
}
