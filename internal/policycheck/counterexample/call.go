package counterexample

import (
	"fmt"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// call is a call of a built-in function that may be undefined.
type call struct{ expr *ast.Expr }

// cut makes the call undefined until mend is called.
func (c *call) cut() (mend func()) {
	terms := c.expr.Terms
	c.expr.Terms = ast.BooleanTerm(false)
	return func() { c.expr.Terms = terms }
}

// what describes the change, for findings.
func (c *call) what() string {
	return fmt.Sprintf("when %s in line %d has no answer", c.expr.Operator(), c.expr.Location.Row)
}

// breakable returns the calls in rules that may be undefined.
func breakable(rules []*ast.Rule) []*call {
	var calls []*call
	for _, rule := range rules {
		conditions(rule, func(e *ast.Expr) {
			if e.IsCall() && e.Location.HasFile() && mayFail(e) {
				calls = append(calls, &call{expr: e})
			}
		})
	}
	return calls
}

// conditions calls a function for each expression of a rule, without its else branches.
func conditions(rule *ast.Rule, each func(*ast.Expr)) {
	visit := func(e *ast.Expr) bool {
		each(e)
		return false
	}
	ast.WalkExprs(rule.Head, visit)
	ast.WalkExprs(rule.Body, visit)
}

// mayFail reports whether a call of a built-in function can be an error or undefined for
// operands of the right types.
func mayFail(e *ast.Expr) bool {
	name := e.Operator().String()
	if ast.BuiltinMap[name] == nil || sure[name] {
		return false
	}
	if i, ok := sureIf[name]; ok && i < len(e.Operands()) {
		return !ast.IsConstant(e.Operand(i).Value)
	}
	return true
}

// sure are the built-in functions that are defined for all operands of the right types.
// min and max are among them although they are undefined for empty lists, because the
// search empties lists anyway. All times of requests are valid dates.
var sure = names(`
	eq assign equal neq lt lte gt gte internal.member_2 internal.member_3 internal.print internal.template_string
	plus minus mul abs ceil floor round numbers.range
	count sum product min max sort all any
	and or intersection union set_diff array.concat array.slice array.reverse array.flatten
	concat contains startswith endswith indexof indexof_n lower upper replace split sprintf substring format_int
	trim trim_left trim_prefix trim_right trim_space trim_suffix strings.any_prefix_match strings.any_suffix_match
	strings.count strings.replace_n strings.reverse
	object.get object.keys object.remove object.union object.union_n object.subset object.filter json.filter json.remove
	is_null is_boolean is_number is_string is_array is_object is_set type_name
	base64.encode base64url.encode base64url.encode_no_pad hex.encode urlquery.encode urlquery.encode_object
	json.marshal json.marshal_with_options yaml.marshal json.is_valid yaml.is_valid base64.is_valid regex.is_valid semver.is_valid
	net.cidr_is_valid crypto.md5 crypto.sha1 crypto.sha256 crypto.hmac.md5 crypto.hmac.sha1 crypto.hmac.sha256 crypto.hmac.sha512
	crypto.hmac.equal uri.is_valid rego.metadata.chain rego.metadata.rule glob.quote_meta bits.and bits.or bits.xor bits.negate
	time.now_ns time.clock time.date time.weekday time.format walk print trace
`)

// sureIf are functions that can only fail for one operand. If that is a constant, the first
// request shows whether it is valid.
var sureIf = map[string]int{
	"regex.match": 0, "regex.find_n": 0, "regex.find_all_string_submatch_n": 0, "regex.split": 0, "regex.replace": 1,
	"glob.match": 0, "div": 1, "rem": 1,
}

func names(list string) map[string]bool {
	set := map[string]bool{}
	for name := range strings.FieldsSeq(list) {
		set[name] = true
	}
	return set
}

// reachable returns the rules that the evaluation of a reference may evaluate.
func reachable(compiler *ast.Compiler, decision ast.Ref) []*ast.Rule {
	var found []*ast.Rule
	seen := map[*ast.Rule]bool{}
	var visitor *ast.GenericVisitor
	follow := func(rules []*ast.Rule) {
		for _, rule := range rules {
			for ; rule != nil && !seen[rule]; rule = rule.Else {
				seen[rule] = true
				found = append(found, rule)
				visitor.Walk(rule.Head)
				visitor.Walk(rule.Body)
			}
		}
	}
	visitor = ast.NewGenericVisitor(func(x any) bool {
		if ref, ok := x.(ast.Ref); ok {
			follow(compiler.GetRulesDynamicWithOpts(ref, ast.RulesOptions{IncludeHiddenModules: true}))
		}
		return false
	})
	follow(compiler.GetRulesWithPrefix(decision))
	return found
}
