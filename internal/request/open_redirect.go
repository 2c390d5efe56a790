package request

import (
	"net/url"
	"strings"
)

// IsLocalPath reports whether an escaped path stays on the same origin in every browser,
// even if a program decodes it again or resolves its dot segments first (T-40). It is the
// guard against open redirects for return_to and for the redirects of policies. A path
// below except is not local.
func IsLocalPath(escaped, except string) bool {
	if _, err := url.PathUnescape(escaped); err != nil {
		return false
	}
	for range maxDecodings + 1 {
		if !staysLocal(escaped, except) || !staysLocal(resolveDots(escaped), except) {
			return false
		}
		decoded := strings.ReplaceAll(decode(escaped), " ", "") // an escaped space is harmless
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
