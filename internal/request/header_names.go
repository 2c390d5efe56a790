package request

import (
	"strings"
	"unicode/utf8"
)

// fold maps a byte of a header's name to its folded form: letters to lower case, digits to
// themselves, and everything else to "-".
var fold = func() (table [256]byte) {
	for c := range table {
		switch b := byte(c); {
		case 'a' <= b && b <= 'z', '0' <= b && b <= '9':
			table[c] = b
		case 'A' <= b && b <= 'Z':
			table[c] = b + 'a' - 'A'
		default:
			table[c] = '-'
		}
	}
	return table
}()

// FoldHeaderName returns a header's name in lower case, with "-" for every character that
// is not a letter or digit. Names that an upstream may treat as the same have the same
// folded form: CGI, WSGI and PHP turn all of these characters into "_".
func FoldHeaderName(name string) string {
	if SameHeaderName(name, name) {
		return name
	}
	folded := make([]byte, len(name))
	for i := range folded {
		folded[i] = fold[name[i]]
	}
	return string(folded)
}

// FoldHeaderNames returns the names of headers, each as FoldHeaderName has it.
func FoldHeaderNames(names []string) []string {
	folded := make([]string, len(names))
	for i, name := range names {
		folded[i] = FoldHeaderName(name)
	}
	return folded
}

// SameHeaderName reports whether FoldHeaderName(name) is folded. It does not allocate.
func SameHeaderName(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		if fold[name[i]] != folded[i] {
			return false
		}
	}
	return true
}

// forwardingHeaders are the headers in which proxies describe the original request, in
// addition to those that begin with x-forwarded.
var forwardingHeaders = map[string]bool{
	"forwarded":        true,
	"x-original-url":   true,
	"x-rewrite-url":    true,
	"x-original-uri":   true,
	"x-original-host":  true,
	"x-real-ip":        true,
	"x-client-ip":      true,
	"true-client-ip":   true,
	"cf-connecting-ip": true,
	"x-client-cert":    true,
	"client-cert":      true,
}

// forwardingPrefix begins the names of all other forwarding headers.
const forwardingPrefix = "x-forwarded"

// hasForwardingPrefix reports whether a header's name, in any spelling, begins with
// forwardingPrefix.
func hasForwardingPrefix(name string) bool {
	return len(name) >= len(forwardingPrefix) && SameHeaderName(name[:len(forwardingPrefix)], forwardingPrefix)
}

func isForwarding(folded string) bool {
	return hasForwardingPrefix(folded) || forwardingHeaders[folded]
}

// isCanonical reports whether a name is in the form of http.CanonicalHeaderKey.
func isCanonical(name string) bool {
	start := true // of a word
	for i := range len(name) {
		c := name[i]
		if start && 'a' <= c && c <= 'z' || !start && 'A' <= c && c <= 'Z' || c <= ' ' || c >= utf8.RuneSelf {
			return false
		}
		start = c == '-'
	}
	return true
}

// equalLower reports whether a name in lower case equals lower. It does not allocate for
// ASCII.
func equalLower(name, lower string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return strings.ToLower(toValidUTF8(name)) == lower
		}
	}
	if len(name) != len(lower) {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}
