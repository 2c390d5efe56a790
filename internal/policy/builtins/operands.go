package builtins

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/strictjson"
)

// Limits of the operands of built-in functions, which often come from a client. OPA
// checks for cancellation between the steps of an evaluation, not during a call, so
// that only small operands keep a call short. docs/policies.md lists these limits.
const (
	maxOperand  = 64 << 10 // bytes of one text
	maxEdges    = 10_000   // of a graph
	maxPathWork = 200_000  // nodes in all paths through a graph, or visits of its nodes
	maxPairs    = 100_000  // of an address and a network that are compared
	maxPattern  = 1 << 20  // bytes of a regular expression times its groups
	maxMatching = 64 << 20 // bytes of a regular expression times those of the text
	maxShift    = 64 << 10 // bits of a shift
	maxFactors  = 1000     // of a product
	maxPatches  = 1000     // of a document
	maxCopies   = 10       // among them: each may double it
	maxDigits   = 10_000   // of a product
	maxKeys     = 2000     // of an object, given as a list: numbers that share a hash make a slow set
)

// maxDocument is how much a text may hold that is decoded to a document, as much
// as a request's body by default.
var maxDocument = strictjson.Limits{Values: 20_000, Depth: 64}

// operandLimit says why a built-in function does not take its operands, or "".
type operandLimit func(operands []*ast.Term) string

// operandLimits are those of the built-in functions whose cost grows faster than what
// they are given, or by more than a hundred nanoseconds a byte.
var operandLimits = map[string]operandLimit{
	"graphql.is_valid": smallTexts, "graphql.parse": smallTexts, "graphql.parse_and_verify": smallTexts,
	"graphql.parse_query": smallTexts, "graphql.parse_schema": smallTexts, "graphql.schema_is_valid": smallTexts,
	"rego.parse_module": smallTexts, "yaml.unmarshal": smallTexts, "yaml.is_valid": smallTexts,
	"units.parse": shortNumber, "units.parse_bytes": shortNumber, "to_number": shortNumber, "semver.compare": smallTexts, "semver.is_valid": smallTexts,
	"strings.render_template": smallTexts, "io.jwt.decode": smallTexts, "io.jwt.decode_verify": smallTexts,
	"json.verify_schema": allOf(smallTexts, shortNumbers), "yaml.marshal": smallValue,
	"glob.match": allOf(smallText(0), smallGlob), "regex.globs_match": smallTexts, "regex.template_match": smallTexts, "sprintf": allOf(smallText(0), smallOutput(printedLength)),
	"concat": smallOutput(joinedLength), "replace": allOf(shortSearch, smallOutput(replacedLength)),
	"strings.replace_n": allOf(shortPatterns, smallOutput(replacedNLength)),
	"trim":              shortSearch, "trim_left": shortSearch, "trim_right": shortSearch,
	"regex.match": expression(0, 1), "regex.is_valid": expression(0, -1), "regex.split": expression(0, 1),
	"regex.find_n": expression(0, 1), "regex.find_all_string_submatch_n": expression(0, 1), "regex.replace": allOf(expression(1, 0), smallOutput(expandedLength)),
	"json.unmarshal": allOf(smallDocument, shortNumbers), "json.match_schema": allOf(smallDocument, shortNumbers),
	"graph.reachable": smallGraph(visits), "graph.reachable_paths": smallGraph(paths),
	"net.cidr_contains_matches": fewPairs, "bits.lsh": smallShift,
	"product": allOf(fewItems(0, maxFactors), fewDigits), "json.patch": allOf(fewItems(1, maxPatches), fewCopies),
	"object.filter": fewItems(1, maxKeys), "object.remove": fewItems(1, maxKeys),
}

// The functions are OPA's own, for the whole process: there is no other way to
// stand before one of them in every kind of evaluation.
func init() {
	for name, check := range operandLimits {
		topdown.RegisterBuiltinFunc(name, limited(name, check, topdown.GetBuiltin(name)))
	}
}

// ErrTooLarge is wrapped by the errors of built-in functions that reject their operands
// as too large. The errors contain no part of the operands.
var ErrTooLarge = errors.New("more than a policy can evaluate in time")

// limited returns a built-in function that does not take too much. The error ends
// the evaluation, also where errors of built-in functions are undefined otherwise:
// a client must not make a condition undefined by a long text.
func limited(name string, check operandLimit, call topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		if why := check(operands); why != "" {
			err := &topdown.Error{Code: topdown.BuiltinErr, Message: name + ": " + why, Location: bctx.Location}
			return topdown.Halt{Err: err.Wrap(ErrTooLarge)}
		}
		return call(bctx, operands, iter)
	}
}

// textOf returns an operand's text, "" if it has none.
func textOf(operands []*ast.Term, i int) string {
	if i < 0 || i >= len(operands) {
		return ""
	}
	text, _ := operands[i].Value.(ast.String)
	return string(text)
}

// smallTexts bounds each text among the operands.
func smallTexts(operands []*ast.Term) string {
	for i := range operands {
		if why := smallText(i)(operands); why != "" {
			return why
		}
	}
	return ""
}

// smallText bounds one operand.
func smallText(i int) operandLimit {
	return func(operands []*ast.Term) string {
		if len(textOf(operands, i)) > maxOperand {
			return fmt.Sprintf("operand %d is longer than %d bytes", i+1, maxOperand)
		}
		return ""
	}
}

// expression bounds a regular expression and, by its length, the text that it is
// matched with.
func expression(pattern, text int) operandLimit {
	return func(operands []*ast.Term) string {
		expression, matched := textOf(operands, pattern), textOf(operands, text)
		switch {
		case len(expression) > maxOperand, len(expression)*(1+strings.Count(expression, "(")) > maxPattern:
			return fmt.Sprintf("the regular expression is too large: its %d bytes times its groups are more than %d", len(expression), maxPattern)
		case len(expression)*len(matched) > maxMatching:
			return fmt.Sprintf("the regular expression of %d bytes is matched with texts of at most %d bytes", len(expression), maxMatching/len(expression))
		}
		return ""
	}
}

// smallDocument bounds what a text holds that is JSON.
func smallDocument(operands []*ast.Term) string {
	for i := range operands {
		if strictjson.TooComplex(textOf(operands, i), maxDocument) {
			return fmt.Sprintf("operand %d holds more than %d values, or nests deeper than %d levels", i+1, maxDocument.Values, maxDocument.Depth)
		}
	}
	return ""
}

// fewPairs bounds how many addresses are compared with how many networks.
func fewPairs(operands []*ast.Term) string {
	if sizeOfCollection(operands[0])*sizeOfCollection(operands[1]) > maxPairs {
		return fmt.Sprintf("more than %d pairs of a network and an address", maxPairs)
	}
	return ""
}

// fewItems bounds a collection.
func fewItems(i, most int) operandLimit {
	return func(operands []*ast.Term) string {
		if sizeOfCollection(operands[i]) > most {
			return fmt.Sprintf("operand %d has more than %d items", i+1, most)
		}
		return ""
	}
}

// sizeOfCollection returns how many items an array, a set or an object has; 1 for
// what is none of them.
func sizeOfCollection(term *ast.Term) int {
	if sized, ok := term.Value.(interface{ Len() int }); ok {
		return sized.Len()
	}
	return 1
}

// shortSearch bounds a text times what is looked for in it, which is compared at
// each place of the text, and with itself.
func shortSearch(operands []*ast.Term) string {
	return tooLongSearch(len(textOf(operands, 0)), len(textOf(operands, 1)))
}

func tooLongSearch(text, sought int) string {
	if times(max(text, sought), sought) > maxMatching {
		return fmt.Sprintf("a text of %d bytes is looked for in texts of at most %d bytes", sought, maxMatching/sought)
	}
	return ""
}

// shortPatterns does the same for each text that is replaced.
func shortPatterns(operands []*ast.Term) (why string) {
	patterns, ok := operands[0].Value.(ast.Object)
	if !ok {
		return "" // the function's own error
	}
	patterns.Until(func(old, _ *ast.Term) bool {
		sought, _ := old.Value.(ast.String)
		why = tooLongSearch(len(textOf(operands, 1)), len(sought))
		return why != ""
	})
	return why
}

// fewDigits bounds a product by the digits of its factors.
func fewDigits(operands []*ast.Term) string {
	digits := 0
	untilNode(operands[0], func(factor *ast.Term) bool {
		number, _ := factor.Value.(ast.Number)
		_, exponent, _ := strings.Cut(strings.ToLower(string(number)), "e")
		by, _ := strconv.Atoi(exponent)
		digits += len(number) + max(by, -by)
		return digits > maxDigits
	})
	if digits > maxDigits {
		return fmt.Sprintf("the factors have more than %d digits", maxDigits)
	}
	return ""
}

// fewCopies bounds how often a patch doubles a document.
func fewCopies(operands []*ast.Term) string {
	copies := 0
	untilNode(operands[1], func(patch *ast.Term) bool {
		if operation, ok := patch.Value.(ast.Object); ok {
			if op := operation.Get(ast.InternedTerm("op")); op != nil && op.Value.Compare(ast.String("copy")) == 0 {
				copies++
			}
		}
		return copies > maxCopies
	})
	if copies > maxCopies {
		return fmt.Sprintf("operand 2 has more than %d copy operations", maxCopies)
	}
	return ""
}

// smallShift bounds the number that a shift comes to.
func smallShift(operands []*ast.Term) string {
	by, ok := operands[1].Value.(ast.Number)
	if !ok {
		return ""
	}
	if bits, ok := by.Int(); !ok || bits > maxShift {
		return fmt.Sprintf("a shift by more than %d bits", maxShift)
	}
	return ""
}
