package request

import (
	"net/url"
	"strings"
)

// IsLocalPath reports whether every browser, and every program that decodes a path
// once more than it should or resolves its dots first, takes an escaped path for one
// of the same origin (T-40). It is the one guard of where people are sent, whether
// return_to or a policy says so. A path below except is none either.
func IsLocalPath(escaped, except string) bool {
	if _, err := url.PathUnescape(escaped); err != nil {
		return false
	}
	for range maxDecodings + 1 {
		if !staysLocal(escaped, except) || !staysLocal(resolveDots(escaped), except) {
			return false
		}
		decoded := strings.ReplaceAll(decode(escaped), " ", "") // an escaped space is no danger
		if decoded == escaped {
			return true
		}
		escaped = decoded
	}
	return false
}

func staysLocal(path, except string) bool {
	return strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "//") && (except == "" || !strings.HasPrefix(path, except)) &&
		!strings.ContainsFunc(path, func(c rune) bool { return c <= ' ' || c == '\\' || c == 0x7f || c == '\uFFFD' })
}
