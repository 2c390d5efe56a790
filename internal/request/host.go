package request

import (
	"net/netip"
	"strconv"
	"strings"
)

// maxHost is the maximum length of a DNS name (RFC 1035, section 2.3.4).
const maxHost = 253

// splitHost splits a Host (RFC 9110, section 7.2) into a lower-case name without a trailing
// dot, or an address in the form of net/netip, and a port, or 0 if there is none. ok is
// false for a Host that servers parse differently: a rule about a host would then apply to
// another site than the one that responds (T-15, T-22).
func splitHost(text string) (name string, port int, ok bool) {
	name, portText := cutPort(text)
	if portText != "" {
		number, err := strconv.ParseUint(portText, 10, 16)
		if err != nil {
			return "", 0, false
		}
		port = int(number)
	}
	if literal, isLiteral := strings.CutPrefix(name, "["); isLiteral {
		addr, err := netip.ParseAddr(strings.TrimSuffix(literal, "]"))
		return addr.String(), port, err == nil && addr.Is6() && addr.Zone() == "" && strings.HasSuffix(literal, "]")
	}
	name = strings.ToLower(name)
	if labels, rooted := strings.CutSuffix(name, "."); rooted && labels != "" {
		name = labels
	}
	return name, port, isName(name)
}

// cutPort cuts a Host at the colon before its port. An address in brackets contains
// further colons.
func cutPort(text string) (name, port string) {
	colon := strings.LastIndexByte(text, ':')
	if colon < 0 || colon < strings.LastIndexByte(text, ']') {
		return text, ""
	}
	return text[:colon], text[colon+1:]
}

// isName reports whether a lower-case text is a host name, with labels of letters, digits,
// hyphens and underscores, or empty, as HTTP/1.0 allows.
func isName(text string) bool {
	if text == "" {
		return true
	}
	start := true // of a label
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', c == '-', c == '_':
			start = false
		case c == '.' && !start:
			start = true
		default:
			return false
		}
	}
	return !start && len(text) <= maxHost
}
