package policy

import "github.com/open-policy-agent/opa/v1/ast"

// withEnvoy returns the input with opa-envoy-plugin's document beside our own.
func withEnvoy(input *ast.Term, document map[string]any) *ast.Term {
	if object, ok := input.Value.(ast.Object); ok {
		for name, value := range document {
			object.Insert(ast.StringTerm(name), valueTerm(value))
		}
	}
	return input
}
