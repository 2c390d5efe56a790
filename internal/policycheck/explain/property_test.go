package explain

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/rego"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// seed makes the same policies and requests in each run; a failure names it.
const seed = 50

// field is a field of the input with the values that policies and requests of the
// test choose from, few enough to meet.
type field struct {
	path   string
	list   bool
	values []any
}

// fieldsOf returns the fields of a JSON Schema that hold text, numbers or booleans,
// or lists of text.
func fieldsOf(schema map[string]any, path string) []field {
	var fields []field
	properties, _ := schema["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		member := properties[name].(map[string]any)
		f := field{path: path + "." + name}
		switch member["type"] {
		case "object":
			fields = append(fields, fieldsOf(member, f.path)...)
			continue
		case "array":
			f.list = true
			member = member["items"].(map[string]any)
		}
		switch {
		case member["enum"] != nil:
			for _, word := range member["enum"].([]string) {
				f.values = append(f.values, word)
			}
			f.values = f.values[:min(3, len(f.values))]
		case member["type"] == "boolean":
			f.values = []any{true, false}
		case member["type"] == "integer":
			f.values = []any{1, 2, 3}
		case member["type"] == "string":
			f.values = []any{"a", "b", "ab"}
		default:
			continue
		}
		fields = append(fields, f)
	}
	return fields
}

// maker makes random policies and requests.
type maker struct {
	*rand.Rand
	fields []field
	lines  []string
	names  int // of rules and variables
}

func (m *maker) field(list bool) field {
	for {
		if f := m.fields[m.IntN(len(m.fields))]; f.list == list {
			return f
		}
	}
}

func (m *maker) value(f field) string {
	return ast.MustInterfaceToValue(f.values[m.IntN(len(f.values))]).String()
}

// input makes a request.
func (m *maker) input() ast.Value {
	root := map[string]any{}
	for _, f := range m.fields {
		at := root
		names := strings.Split(f.path, ".")[1:]
		for _, name := range names[:len(names)-1] {
			if at[name] == nil {
				at[name] = map[string]any{}
			}
			at = at[name].(map[string]any)
		}
		last := names[len(names)-1]
		if !f.list {
			at[last] = f.values[m.IntN(len(f.values))]
			continue
		}
		list := []any{}
		for range m.IntN(3) {
			list = append(list, f.values[m.IntN(len(f.values))])
		}
		at[last] = list
	}
	return ast.MustInterfaceToValue(root)
}

// condition makes a condition, on a line of its own; nested ones ask other rules.
func (m *maker) condition(depth int) string {
	f, l := m.field(false), m.field(true)
	m.names++
	x := fmt.Sprintf("x%d", m.names)
	kinds := 8
	if depth > 0 {
		kinds = 13
	}
	switch m.IntN(kinds) {
	case 0:
		return f.path + " != " + m.value(f)
	case 1:
		return m.value(l) + " in " + l.path
	case 2:
		return "not " + m.value(l) + " in " + l.path
	case 3:
		return f.path + " in {" + m.value(f) + ", " + m.value(f) + "}"
	case 4:
		return "count(" + l.path + ") > 0"
	case 5:
		return "every " + x + " in " + l.path + " { " + x + " != " + m.value(l) + " }"
	case 6:
		return "some " + x + " in " + l.path + "; " + x + " == " + m.value(l)
	case 7:
		return f.path + " == " + m.value(f)
	case 8:
		return m.helper(depth-1, "", "if")
	case 9:
		return "not " + m.helper(depth-1, "", "if")
	case 10:
		name := m.helper(depth-1, "", "contains")
		return "count(" + name + ") == 0"
	case 11:
		return m.helper(depth-1, "(_)", "if") + "(" + f.path + ")"
	}
	return m.helper(depth-1, "", "default")
}

// helper writes another rule, of one or two definitions, and returns its name.
func (m *maker) helper(depth int, args, kind string) string {
	m.names++
	name := fmt.Sprintf("h%d", m.names)
	head := name + args + " if {"
	switch kind {
	case "contains":
		head = name + " contains 1 if {"
	case "default":
		m.lines = append(m.lines, "default "+name+" := false")
	}
	for range 1 + m.IntN(2) {
		m.rule(head, depth)
	}
	return name
}

// rule writes a rule, after those that it asks.
func (m *maker) rule(head string, depth int) {
	var body []string
	for range 1 + m.IntN(4) {
		body = append(body, "\t"+m.condition(depth))
	}
	m.lines = append(append(append(m.lines, head), body...), "}")
}

// policy makes a policy and returns its lines.
func (m *maker) policy() []string {
	m.lines, m.names = []string{"package caddy.authz", "", "default allow := false"}, 0
	for range 1 + m.IntN(4) {
		m.rule("allow if {", 2)
	}
	return m.lines
}

func allows(t *testing.T, p Policies, input ast.Value) bool {
	t.Helper()
	results, err := p.Query.Eval(context.Background(), rego.EvalParsedInput(input))
	if err != nil {
		t.Fatal(err)
	}
	return results[0].Expressions[0].Value == true
}

// TestConditionMadeTrue: whatever the policy and the request, the condition that
// an explanation points to is the one to look at. Written as true, it turns the
// denial into an allow, or another condition is the one to look at. If it is the
// only one missing in its rule and stands there itself, the denial is an allow.
// Explanations never contradict the decision (R-LOG-4).
func TestConditionMadeTrue(t *testing.T) {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 4)), fields: fieldsOf(request.Schema(), "input")}
	flips, moves, allowed := 0, 0, 0
	for n := range 100 {
		lines := slices.Clone(m.policy())
		policy, made := policiesOf(t, map[string]any{}, map[string]string{"p.rego": strings.Join(lines, "\n")}), map[string]Policies{}
		for range 100 {
			input := m.input()
			fail := func(format string, args ...any) {
				t.Helper()
				t.Fatalf("seed %d, policy %d: %s\n%s\n%s", seed, n, fmt.Sprintf(format, args...), strings.Join(lines, "\n"), input)
			}
			if allows(t, policy, input) {
				allowed++
				continue
			}
			nearest := Run(context.Background(), policy, input, false).Nearest
			if nearest == nil {
				fail("nothing stands in the way")
			}
			at := nearest.Condition.At
			changed, ok := made[at]
			if !ok {
				changed = policiesOf(t, map[string]any{}, map[string]string{"p.rego": madeTrue(t, lines, at)})
				made[at] = changed
			}
			if allows(t, changed, input) {
				flips++
				continue
			}
			if nearest.Missing == 1 && len(nearest.Through) == 0 {
				fail("%s is said to be the only condition that fails", at)
			}
			if after := Run(context.Background(), changed, input, false).Nearest; after == nil || after.Condition.At == at {
				fail("%s is still the condition to look at", at)
			}
			moves++
		}
	}
	t.Logf("seed %d: of 10000 requests %d are allowed, %d flip, %d move", seed, allowed, flips, moves)
	if allowed < 500 || flips < 500 || moves < 500 {
		t.Error("the policies are too much of one kind")
	}
}

// madeTrue returns a policy in which true stands for a condition.
func madeTrue(t *testing.T, lines []string, at string) string {
	t.Helper()
	var row int
	if _, err := fmt.Sscanf(at, "p.rego:%d", &row); err != nil {
		t.Fatal(err)
	}
	changed := slices.Clone(lines)
	changed[row-1] = "\ttrue"
	return strings.Join(changed, "\n")
}
