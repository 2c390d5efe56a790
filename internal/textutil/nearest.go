package textutil

import (
	"strings"

	"github.com/agnivade/levenshtein"
)

// Nearest returns the allowed word that the given one is most likely a misspelling
// of, or "": one edit away, or two if both have at least five letters, or five if
// both begin with the same five letters (policy, basic_auth). Two neighbouring
// letters that changed places are one edit.
func Nearest(word string, allowed []string) string {
	best, distance := "", 6
	word = strings.ToLower(word)
	for _, candidate := range allowed {
		d := levenshtein.ComputeDistance(word, candidate)
		if isTransposition(word, candidate) {
			d = 1
		}
		if d < distance && (d <= 1 || d == 2 && min(len(word), len(candidate)) >= 5 || samePrefix(word, candidate)) {
			best, distance = candidate, d
		}
	}
	return best
}

// DidYouMean returns a clause for an error that suggests the nearest allowed word, or ""
// if none is near.
func DidYouMean(word string, allowed []string) string {
	if near := Nearest(word, allowed); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// isTransposition reports whether two neighbouring letters make the difference between
// two words.
func isTransposition(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := 0; i+1 < len(a); i++ {
		if a[i] != b[i] {
			return a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
		}
	}
	return false
}

// samePrefix reports whether two words begin with the same five letters.
func samePrefix(a, b string) bool { return len(a) >= 5 && len(b) >= 5 && a[:5] == b[:5] }
