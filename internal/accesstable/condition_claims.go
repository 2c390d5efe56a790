package accesstable

import (
	"encoding/json"
	"math/big"
	"slices"
)

// claims is a condition on the caller's claims: each must have one of the listed values.
type claims []claim

type claim struct {
	path   []string
	values []any // strings, booleans, numbers
	texts  words // the strings in values
	others []any
}

// newClaim returns the condition that a claim has one of several values.
func newClaim(path []string, values []any) claim {
	c := claim{path: path, values: values, texts: words{}}
	for _, value := range values {
		if text, ok := value.(string); ok {
			c.texts[text] = struct{}{}
		} else {
			c.others = append(c.others, value)
		}
	}
	return c
}

// data returns the condition as in the data of caddy.access.
func (c claims) data() []any {
	list := make([]any, len(c))
	for i, claim := range c {
		list[i] = map[string]any{"path": anys(claim.path), "values": claim.values}
	}
	return list
}

func (c claims) holds(q *Question, under polarity) bool {
	if under == allow && !q.Identity.Authenticated {
		return false
	}
	if under == deny && q.unknown("claims") {
		return true
	}
	for _, claim := range c {
		if !claim.holds(q.Identity.Claims, under) {
			return false
		}
	}
	return true
}

// holds reports whether the claim is one of the values, or a list with one of them. The
// value of a claim that is an object is unknown; an absent claim and null are known.
func (c claim) holds(from map[string]any, under polarity) bool {
	switch value := c.in(from).(type) {
	case []any:
		return slices.ContainsFunc(value, c.wants)
	case map[string]any:
		return under == deny
	default:
		return c.wants(value)
	}
}

// in returns the value of the claim, or nil.
func (c claim) in(from map[string]any) any {
	for _, name := range c.path[:len(c.path)-1] {
		from, _ = from[name].(map[string]any)
	}
	return from[c.path[len(c.path)-1]]
}

// wants reports whether a value is one of the listed values.
func (c claim) wants(value any) bool {
	if text, ok := value.(string); ok {
		return c.texts.has(text)
	}
	for _, wanted := range c.others {
		if same(wanted, value) {
			return true
		}
	}
	return false
}

// same compares two booleans, or two numbers by value as OPA does.
func same(a, b any) bool {
	switch a := a.(type) {
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case json.Number:
		b, ok := b.(json.Number)
		return ok && sameNumber(a, b)
	}
	return false
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	whole, errA := a.Int64()
	other, errB := b.Int64()
	if errA == nil && errB == nil {
		return whole == other
	}
	x, okA := new(big.Float).SetString(string(a))
	y, okB := new(big.Float).SetString(string(b))
	return okA && okB && x.Cmp(y) == 0
}
