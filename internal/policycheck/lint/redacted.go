package lint

import (
	"maps"

	"github.com/open-policy-agent/opa/v1/ast"
)

// redactedText replaces a credential.
const redactedText = "[redacted]"

// Redact returns a copy of the shape in which members of the object at a path, such
// as headers, are always redacted.
func (s *Shape) Redact(names []string, path ...string) *Shape {
	result := *s
	if len(path) > 0 {
		result.fields = maps.Clone(s.fields)
		result.fields[path[0]] = s.fields[path[0]].Redact(names, path[1:]...)
		return &result
	}
	result.hidden = make(map[string]*Shape, len(names))
	for _, name := range names {
		member := *s.open
		member.path, member.secret = s.path+"."+name, true
		if member.items != nil {
			items := *member.items
			items.path, items.secret = member.path+"[_]", true
			member.items = &items
		}
		result.hidden[name] = &member
	}
	return &result
}

// reading are the built-in functions whose result depends on the content of a text.
var reading = map[string]bool{
	"startswith": true, "endswith": true, "contains": true, "indexof": true, "indexof_n": true, "substring": true, "split": true, "split_n": true,
	"trim": true, "trim_left": true, "trim_right": true, "trim_prefix": true, "trim_suffix": true, "trim_space": true, "replace": true,
	"strings.replace_n": true, "strings.any_prefix_match": true, "strings.any_suffix_match": true, "strings.count": true,
	"regex.match": true, "regex.replace": true, "regex.split": true, "regex.find_n": true, "regex.find_all_string_submatch_n": true, "glob.match": true,
	"base64.decode": true, "base64url.decode": true, "urlquery.decode": true, "json.unmarshal": true, "to_number": true,
	"crypto.sha256": true, "crypto.hmac.sha256": true,
	"io.jwt.decode": true, "io.jwt.decode_verify": true, "io.jwt.verify_rs256": true, "io.jwt.verify_rs384": true, "io.jwt.verify_rs512": true,
	"io.jwt.verify_ps256": true, "io.jwt.verify_ps384": true, "io.jwt.verify_ps512": true, "io.jwt.verify_es256": true, "io.jwt.verify_es384": true,
	"io.jwt.verify_es512": true, "io.jwt.verify_eddsa": true, "io.jwt.verify_hs256": true, "io.jwt.verify_hs384": true, "io.jwt.verify_hs512": true,
}

// reads checks a call of a built-in function with a redacted value.
func (l *linter) reads(e *ast.Expr, name string, s *scope) {
	if !reading[name] {
		return
	}
	for _, operand := range e.Operands() {
		if v := l.infer(operand, s); v.shape != nil && v.shape.secret {
			l.hidden(v, e)
			return
		}
	}
}

// redacted reports a comparison of a redacted value with a text, and returns whether it is
// one. Comparing it with "" is allowed, which checks that the header is present.
func (l *linter) redacted(v, other value, e *ast.Expr) bool {
	if v.shape == nil || !v.shape.secret || v.shape.kind() != text {
		return false
	}
	if word, literal := other.text(); literal && word != redactedText && word != "" {
		l.hidden(v, e)
	}
	return true
}

func (l *linter) hidden(v value, e *ast.Expr) {
	l.report(e.Location, RedactedHeader, Error, v.shape.path+": this header is redacted; read input.identity", false)
}
