package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// nearest returns words, those most like a given one first.
func nearest(word string, words []string) []string {
	sorted := slices.Clone(words)
	slices.SortFunc(sorted, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), strings.Compare(a, b))
	})
	return sorted
}

// maxWord bounds the words that are compared, since comparing takes the product
// of their lengths.
const maxWord = 100

// distance is the number of edits from one word to another, whatever their case.
func distance(a, b string) int {
	if len(a) > maxWord || len(b) > maxWord {
		return maxWord
	}
	return levenshtein.ComputeDistance(strings.ToLower(a), strings.ToLower(b))
}

// closeTo reports whether a word is likely to be meant as one of others.
func closeTo(word string, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return distance(word, w) <= 2 })
}

// list writes words, those most like a given one first, as a policy would.
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
