package policy

import (
	"errors"
	"fmt"
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
	maxKeys     = 2000     // of an object, given as a list: numbers that share a hash make a slow set
)

// maxDocument is how much a text may hold that is decoded to a document, as much
// as a request's body by default.
var maxDocument = strictjson.Limits{Values: 20_000, Depth: 64}

// bound says why a built-in function does not take its operands, or "".
type bound func(operands []*ast.Term) string

// bounds are those of the built-in functions whose cost grows faster than what
// they are given, or by more than a hundred nanoseconds a byte.
var bounds = map[string]bound{
	"graphql.is_valid": smallTexts, "graphql.parse": smallTexts, "graphql.parse_and_verify": smallTexts,
	"graphql.parse_query": smallTexts, "graphql.parse_schema": smallTexts, "graphql.schema_is_valid": smallTexts,
	"rego.parse_module": smallTexts, "yaml.unmarshal": smallTexts, "yaml.is_valid": smallTexts,
	"units.parse": smallTexts, "units.parse_bytes": smallTexts, "semver.compare": smallTexts, "semver.is_valid": smallTexts,
	"strings.render_template": smallTexts, "io.jwt.decode": smallTexts, "io.jwt.decode_verify": smallTexts,
	"json.verify_schema": smallTexts,
	"glob.match":         smallText(0), "regex.globs_match": smallTexts, "regex.template_match": smallTexts, "sprintf": smallText(0),
	"regex.match": expression(0, 1), "regex.is_valid": expression(0, -1), "regex.split": expression(0, 1),
	"regex.find_n": expression(0, 1), "regex.find_all_string_submatch_n": expression(0, 1), "regex.replace": expression(1, 0),
	"json.unmarshal": smallDocument, "json.match_schema": smallDocument,
	"graph.reachable": smallGraph(visits), "graph.reachable_paths": smallGraph(paths),
	"net.cidr_contains_matches": fewPairs, "bits.lsh": smallShift,
	"product": fewItems(0, maxFactors), "json.patch": fewItems(1, maxPatches),
	"object.filter": fewItems(1, maxKeys), "object.remove": fewItems(1, maxKeys),
}

// The functions are OPA's own, for the whole process: there is no other way to
// stand before one of them in every kind of evaluation.
func init() {
	for name, check := range bounds {
		topdown.RegisterBuiltinFunc(name, bounded(name, check, topdown.GetBuiltin(name)))
	}
}

// errTooMuch is in what a bounded built-in function returns. Its text holds
// nothing of the operands.
var errTooMuch = errors.New("more than a policy can evaluate in time")

// bounded returns a built-in function that does not take too much. The error ends
// the evaluation, also where errors of built-in functions are undefined otherwise:
// a client must not make a condition undefined by a long text.
func bounded(name string, check bound, call topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		if why := check(operands); why != "" {
			err := &topdown.Error{Code: topdown.BuiltinErr, Message: name + ": " + why, Location: bctx.Location}
			return topdown.Halt{Err: err.Wrap(errTooMuch)}
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
func smallText(i int) bound {
	return func(operands []*ast.Term) string {
		if len(textOf(operands, i)) > maxOperand {
			return fmt.Sprintf("operand %d is longer than %d bytes", i+1, maxOperand)
		}
		return ""
	}
}

// expression bounds a regular expression and, by its length, the text that it is
// matched with.
func expression(pattern, text int) bound {
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
func fewItems(i, most int) bound {
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
