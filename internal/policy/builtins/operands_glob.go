package builtins

import (
	"fmt"
	"math"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// maxGlobWork bounds the ways in which a glob's wildcards may divide a text. A text
// that does not match is divided in all of them.
const maxGlobWork = 100_000_000

// smallGlob bounds a text by the wildcards that it is matched with: a text of a
// thousand bytes may take hours with six.
func smallGlob(operands []*ast.Term) string {
	pattern, text := textOf(operands, 0), textOf(operands, 2)
	if globWork(pattern, delimitersOf(operands[1]), text) > maxGlobWork {
		return fmt.Sprintf("the pattern with %d asterisks may divide a text of %d bytes in more than %d ways", strings.Count(pattern, "*"), len(text), maxGlobWork)
	}
	return ""
}

// delimitersOf returns the characters that an asterisk does not cross.
func delimitersOf(operand *ast.Term) string {
	list, ok := operand.Value.(*ast.Array)
	switch {
	case !ok:
		return ""
	case list.Len() == 0:
		return "."
	}
	var delimiters strings.Builder
	list.Foreach(func(delimiter *ast.Term) {
		text, _ := delimiter.Value.(ast.String)
		delimiters.WriteString(string(text))
	})
	return delimiters.String()
}

// globWork returns about how many ways there are to divide a text among a pattern's
// wildcards. A double asterisk takes any part of the text, a single one a part
// between two delimiters, where it competes with those of the same part of the
// pattern. Braces may hold parts of several lengths, so that all of such a pattern
// is one part.
func globWork(pattern, delimiters, text string) float64 {
	pattern = strings.TrimRight(pattern, "*") // takes the rest at once
	isDelimiter := func(c rune) bool { return strings.ContainsRune(delimiters, c) }
	singles := 0
	if strings.Contains(pattern, "{") {
		singles = strings.Count(strings.ReplaceAll(pattern, "**", ""), "*")
	} else {
		for part := range strings.FieldsFuncSeq(pattern, isDelimiter) {
			singles = max(singles, strings.Count(strings.ReplaceAll(part, "**", ""), "*"))
		}
	}
	longest := 0
	for part := range strings.FieldsFuncSeq(text, isDelimiter) {
		longest = max(longest, len(part))
	}
	return divisions(len(text), strings.Count(pattern, "**")) * divisions(longest, singles)
}

// divisions returns about in how many ways so many wildcards divide a text.
func divisions(length, wildcards int) float64 {
	ways := 1.0
	for i := 1; i <= wildcards; i++ {
		ways *= math.Max(1, float64(length)/float64(i))
	}
	return ways
}
