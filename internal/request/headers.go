package request

import (
	"net/http"
	"strings"
)

// fold maps a byte of a header's name to the one that stands for it: letters in
// lower case, digits, and "-" for all else.
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

// FoldName returns a header's name in the one spelling in which names that a
// server behind us may take for the same are equal: lower-case, with "-" for
// whatever is no letter or digit. CGI and its heirs turn all of these into "_".
func FoldName(name string) string {
	if SameName(name, name) {
		return name
	}
	folded := make([]byte, len(name))
	for i := range folded {
		folded[i] = fold[name[i]]
	}
	return string(folded)
}

// SameName reports whether a header's name is one spelling of folded, which
// FoldName made. It allocates nothing.
func SameName(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := 0; i < len(name); i++ {
		if fold[name[i]] != folded[i] {
			return false
		}
	}
	return true
}

// forwarding are the headers with which proxies tell where a request came
// from or went, beside everything that begins with x-forwarded.
var forwarding = map[string]bool{
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

func isForwarding(folded string) bool {
	return strings.HasPrefix(folded, "x-forwarded") || forwarding[folded]
}

func hasForwarding(h http.Header) bool {
	for name := range h {
		if isForwarding(FoldName(name)) {
			return true
		}
	}
	return false
}

// isCredential reports whether a header holds a credential.
func (c *Config) isCredential(folded string) bool {
	switch folded {
	case "authorization", "proxy-authorization", "cookie":
		return true
	}
	for _, name := range c.CredentialHeaders {
		if FoldName(name) == folded {
			return true
		}
	}
	return false
}

// headers returns the request's headers by lower-case name, joined and as
// lines. Credentials are redacted; what an untrusted peer says about
// forwarding is left out.
func (r *Request) headers() (map[string]string, map[string][]string) {
	joined := make(map[string]string, len(r.http.Header))
	values := make(map[string][]string, len(r.http.Header))
	for name, lines := range r.http.Header {
		folded := FoldName(name)
		if !r.facts.TrustedProxy && isForwarding(folded) {
			continue
		}
		lower := strings.ToLower(valid(name))
		// two spellings of one name meet only if a server in front made them
		values[lower] = append(values[lower], redact(lines, r.config.isCredential(folded))...)
	}
	for name, lines := range values {
		joined[name] = strings.Join(lines, ", ")
	}
	return joined, values
}

func redact(lines []string, credential bool) []string {
	result := make([]string, len(lines))
	for i, line := range lines {
		result[i] = valid(line)
		if credential {
			result[i] = Redacted
		}
	}
	return result
}
