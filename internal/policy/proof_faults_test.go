package policy

import "testing"

// proofFaults are faults in the analysis of what a decision reads: each is planted
// alone, and TestProofGenerated must find it. What the compiler moves into equations of
// its own, such as the values of heads, is read in any case.
var proofFaults = []fault{
	{"an alias may be used in other ways", "scope.go", "uses[name] != 1 ||", "uses[name] > 2 ||"},
	{"any use of an alias is a call", "scope.go", "uses[name] != 1 || calls[name] == 0", "calls[name] == 0"},
	{"an alias without a call is not read", "scope.go", "uses[name] != 1 || calls[name] == 0", "uses[name] != 1"},
	{"another equation of an alias counts as its own", "scope.go", "uses[name] != 1 ||", "uses[name] > len(found)+1 ||"},
	{"a call reads the first name of a path alone, in another place", "dependencies.go", "ref = ref.Append(ast.StringTerm(word))", "ref = ast.Ref{ast.InputRootDocument}.Append(ast.StringTerm(word))"},
	{"every equation only defines", "dependencies.go", "defined = defined || w.aliases[name] != nil", "defined = true"},
	{"a word is the first of its texts", "dependencies.go", "for _, word := range w.scope.words[name] {", "for _, word := range w.scope.words[name][:min(1, len(w.scope.words[name]))] {"},
	{"a list of texts and others is one of texts", "scope.go", "append(texts, string(text)), ok && isText", "append(texts, string(text)), ok && (isText || true)"},
	{"else is not read", "dependencies.go", "rule = rule.Else {", "rule = nil {"},
	{"what is below a path is not read with it", "read_set.go", "prefix == path || strings.HasPrefix(prefix, path+\".\") || ", "prefix == path || "},
}

// TestProofFaults: policies that were made up find each fault in the analysis.
func TestProofFaults(t *testing.T) {
	findFaults(t, "TestProofGenerated", "decisioncache", "1m", proofFaults)
}
