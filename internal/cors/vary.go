package cors

import "strings"

// names reports whether lines of Vary name a header (RFC 9110, section 12.5.5).
func names(lines []string, header string) bool {
	for _, line := range lines {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "*" || strings.EqualFold(name, header) {
				return true
			}
		}
	}
	return false
}
