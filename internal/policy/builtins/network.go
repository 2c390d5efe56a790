package builtins

import (
	"net/http"
	"net/url"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/topdown"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
)

// OPA's own functions are wrapped for the whole process, as those in bounds are, so
// that no kind of evaluation, tests included, can do without.
func init() {
	topdown.RegisterBuiltinFunc("http.send", guardedSend(topdown.GetBuiltin("http.send")))
	for _, name := range []string{"json.match_schema", "json.verify_schema"} {
		topdown.RegisterBuiltinFunc(name, withoutNetwork(topdown.GetBuiltin(name)))
	}
}

// guardedSend makes http.send refuse Caddy's admin endpoint, wherever a name or a
// redirect leads (S-42).
func guardedSend(call topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		if bctx.RoundTripper == nil {
			socket := socketOf(operands)
			bctx.RoundTripper = func(t *http.Transport) http.RoundTripper { return egress.Transport(t, socket) }
		}
		return call(bctx, operands, iter)
	}
}

// socketOf returns the path of the socket that a request of http.send is for, or "".
func socketOf(operands []*ast.Term) string {
	asked, ok := operands[0].Value.(ast.Object)
	if !ok {
		return ""
	}
	term := asked.Get(ast.StringTerm("url"))
	if term == nil {
		return ""
	}
	text, _ := term.Value.(ast.String)
	u, err := url.Parse(string(text))
	if err != nil || u.Scheme != "unix" {
		return ""
	}
	return u.Query().Get("socket")
}

// withoutNetwork keeps a schema's $ref from being fetched: the schema may come from
// a client, and what fetches it asks no guard.
func withoutNetwork(call topdown.BuiltinFunc) topdown.BuiltinFunc {
	return func(bctx topdown.BuiltinContext, operands []*ast.Term, iter func(*ast.Term) error) error {
		bctx.Capabilities = &ast.Capabilities{AllowNet: []string{}}
		return call(bctx, operands, iter)
	}
}
