package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns words sorted by their distance from a given one.
func nearest(word string, words []string) []string {
	sorted := slices.Clone(words)
	slices.SortFunc(sorted, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), strings.Compare(a, b))
	})
	return sorted
}

// maxWord is the maximum length of words that are compared, because comparing takes time
// proportional to the product of their lengths.
const maxWord = 100

// distance returns the number of edits between two words, ignoring case.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	return levenshtein.ComputeDistance(strings.ToLower(a), strings.ToLower(b))
}

// closeTo reports whether a word is probably a misspelling of another one.
func closeTo(word string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return distance(word, w) <= 2 })
}

// list formats words, the nearest to a given one first.
func list(word string, words []string) string {
	quoted := make([]string, len(words))
	for i, w := range nearest(word, words) {
		quoted[i] = w
		if w == "" {
			quoted[i] = `""`
		}
	}
	return strings.Join(quoted, ", ")
}
