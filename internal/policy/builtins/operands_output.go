package builtins

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

// maxOutput bounds the text that a built-in function makes of other texts, in bytes.
// Texts multiply: a megabyte of a client's in place of each of a thousand letters is
// a gigabyte.
const maxOutput = 16 << 20

// smallOutput bounds the text that a function makes, by what it makes at most.
func smallOutput(most func(operands []*ast.Term) int) operandLimit {
	return func(operands []*ast.Term) string {
		if most(operands) > maxOutput {
			return fmt.Sprintf("the text that it makes may have more than %d bytes", maxOutput)
		}
		return ""
	}
}

// maxMarshalled bounds a value that becomes YAML, which takes a microsecond a byte.
const maxMarshalled = 256 << 10

// smallValue bounds a value by its length as text.
func smallValue(operands []*ast.Term) string {
	if textLength(operands[0]) > maxMarshalled {
		return fmt.Sprintf("operand 1 may have more than %d bytes as text", maxMarshalled)
	}
	return ""
}

// allOf returns what one of some bounds says.
func allOf(all ...operandLimit) operandLimit {
	return func(operands []*ast.Term) string {
		for _, one := range all {
			if why := one(operands); why != "" {
				return why
			}
		}
		return ""
	}
}

// times multiplies without an overflow.
func times(a, b int) int {
	if a > 0 && b > math.MaxInt/4/a {
		return math.MaxInt / 4
	}
	return a * b
}

// joinedLength returns the length of texts with a separator between them.
func joinedLength(operands []*ast.Term) int {
	total, separator := 0, len(textOf(operands, 0))
	untilNode(operands[1], func(item *ast.Term) bool {
		text, _ := item.Value.(ast.String)
		total += len(text) + separator
		return total > maxOutput
	})
	return total
}

// replacedLength returns the length of a text with each old in it replaced.
func replacedLength(operands []*ast.Term) int {
	text, old, by := textOf(operands, 0), textOf(operands, 1), textOf(operands, 2)
	if len(by) <= len(old) {
		return len(text)
	}
	return len(text) + times(strings.Count(text, old), len(by)-len(old))
}

// replacedNLength is the length if each character is replaced by the longest text.
func replacedNLength(operands []*ast.Term) int {
	longest, text := 0, textOf(operands, 1)
	if patterns, ok := operands[0].Value.(ast.Object); ok {
		patterns.Foreach(func(_, by *ast.Term) {
			to, _ := by.Value.(ast.String)
			longest = max(longest, len(to))
		})
	}
	return len(text) + times(len(text)+1, longest)
}

// expandedLength is the length if a regular expression matches between all
// characters, and each $ stands for all of the text once.
func expandedLength(operands []*ast.Term) int {
	text, by := textOf(operands, 0), textOf(operands, 2)
	return len(text) + times(len(text)+1, len(by)) + times(len(text), strings.Count(by, "$"))
}

// printedLength is the length if each verb prints the longest value, or is as wide
// as the largest number in the format says.
func printedLength(operands []*ast.Term) int {
	format, widest := textOf(operands, 0), 0
	untilNode(operands[1], func(value *ast.Term) bool {
		widest = max(widest, textLength(value))
		return widest > maxOutput
	})
	if strings.ContainsAny(format, "qxXU") {
		widest = times(widest, 4) // \x00
	}
	verbs := strings.Count(format, "%")
	return len(format) + times(verbs, max(widest, largestWidth(format)))
}

// largestWidth returns the largest number that may be a width or a precision in a
// format; * takes one from the values. The package fmt takes none beyond a million.
func largestWidth(format string) int {
	const most = 1_000_000
	if strings.Contains(format, "*") {
		return most
	}
	largest := 0
	for digits := range strings.FieldsFuncSeq(format, func(c rune) bool { return c < '0' || c > '9' }) {
		width, err := strconv.Atoi(digits)
		if err != nil {
			return most
		}
		largest = max(largest, min(width, most))
	}
	return largest
}

// longestNumber is how long a double is without an exponent.
const longestNumber = 330

// textLength returns about how long a value is as text.
func textLength(term *ast.Term) int {
	switch v := term.Value.(type) {
	case ast.String:
		return len(v)
	case ast.Number:
		return len(v) + longestNumber
	case *ast.Array, ast.Set:
		total := 2
		untilNode(term, func(item *ast.Term) bool {
			total += quotedLength(item)
			return total > maxOutput
		})
		return total
	case ast.Object:
		total := 2
		v.Until(func(name, value *ast.Term) bool {
			total += quotedLength(name) + quotedLength(value)
			return total > maxOutput
		})
		return total
	}
	return len("false")
}

// quotedLength returns about how long a value is within another.
func quotedLength(term *ast.Term) int {
	if text, ok := term.Value.(ast.String); ok {
		return 2*len(text) + 4 // some characters are escaped
	}
	return textLength(term) + 2
}

// shortNumber bounds a text that is read as a number.
func shortNumber(operands []*ast.Term) string {
	text := textOf(operands, 0)
	if len(text) > strictjson.MaxNumber {
		return fmt.Sprintf("operand 1 is longer than %d bytes", strictjson.MaxNumber)
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil && strictjson.CheckNumber(text) != nil {
		return "operand 1 is a number out of range"
	}
	return ""
}

// shortNumbers bounds the numbers in texts that are read as JSON. Of what is no
// JSON there is nothing to compute with.
func shortNumbers(operands []*ast.Term) string {
	for i := range operands {
		text := textOf(operands, i)
		if err := strictjson.CheckNumbers(text); err != nil && json.Valid([]byte(text)) {
			return fmt.Sprintf("operand %d %s", i+1, err)
		}
	}
	return ""
}
