package request

import (
	"slices"
	"strings"
)

// RemoveCookies returns lines of Cookie without the cookies of the given names. It does not
// change lines.
func RemoveCookies(lines, names []string) []string {
	var left []string
	for _, line := range lines {
		var kept []string
		for pair := range strings.SplitSeq(line, ";") {
			pair = strings.TrimSpace(pair)
			if name, _, _ := strings.Cut(pair, "="); pair != "" && !slices.Contains(names, strings.TrimSpace(name)) {
				kept = append(kept, pair)
			}
		}
		if len(kept) > 0 {
			left = append(left, strings.Join(kept, "; "))
		}
	}
	return left
}
