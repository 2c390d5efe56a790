package request

import (
	"slices"
	"strings"
)

// MethodOverrideHeaders are the headers, as FoldHeaderName writes them, with which clients
// override the request's method in some applications.
var MethodOverrideHeaders = []string{"x-http-method-override", "x-http-method", "x-method-override"}

// MethodParameter is the query parameter with which clients override the method.
const MethodParameter = "_method"

// maxMethods limits the methods of one request.
const maxMethods = 16

// PossibleMethods returns each method that the next handler may use for the request: its
// current method, the client's, and those of override headers and of the query. If there
// are more than maxMethods, all is false.
func (r *Request) PossibleMethods() (methods []string, all bool) {
	methods = append(make([]string, 0, 1), r.http.Method)
	add := func(name string) bool {
		if !slices.Contains(methods, name) {
			methods = append(methods, name)
		}
		return len(methods) <= maxMethods
	}
	own, changed := r.Methods()
	add(own)
	add(changed)
	if r.kinds.Has(MethodOverrideHeader) && !r.eachMethodOverride(add) {
		return nil, false
	}
	for i := range r.readings {
		raw := r.readings[i].Query
		if i > 0 && raw == r.readings[i-1].Query || !strings.Contains(raw, "method") && !strings.Contains(raw, "%") {
			continue
		}
		query, _ := parseQuery(nil, raw)
		for _, name := range query[MethodParameter] {
			if !add(strings.ToUpper(name)) {
				return nil, false
			}
		}
	}
	return methods, true
}

// eachMethodOverride calls visit for each method in an override header, in upper case,
// until visit returns false.
func (r *Request) eachMethodOverride(visit func(name string) bool) bool {
	for name, lines := range r.http.Header {
		if !isMethodOverrideHeader(name) {
			continue
		}
		for _, line := range lines {
			for method := range strings.SplitSeq(line, ",") {
				if !visit(strings.ToUpper(strings.TrimSpace(method))) {
					return false
				}
			}
		}
	}
	return true
}

// isMethodOverrideHeader reports whether a header overrides the method.
func isMethodOverrideHeader(name string) bool {
	return slices.ContainsFunc(MethodOverrideHeaders, func(folded string) bool { return SameHeaderName(name, folded) })
}

// isMethodParameter reports whether PHP or Rack parse a parameter's name as _method. PHP
// drops leading spaces, ends names at a NUL, and replaces ".", " " and an unclosed "["
// with "_"; Rack drops leading brackets; in both, _method[] is a list.
func isMethodParameter(name string) bool {
	if !strings.Contains(name, "method") {
		return false
	}
	name, _, _ = strings.Cut(name, "\x00")
	rest := strings.TrimLeft(name, " _.[]")
	if !strings.ContainsAny(name[:len(name)-len(rest)], "_.[") {
		return false
	}
	rest, found := strings.CutPrefix(rest, "method")
	return found && (rest == "" || rest[0] == '[' || rest[0] == ']')
}

// addMethodParameters adds the values of _method in a pair that semicolons separate.
func addMethodParameters(query map[string][]string, pair string) map[string][]string {
	for part := range strings.SplitSeq(pair, ";") {
		name, value, _ := strings.Cut(part, "=")
		unescapeQuery(&name, nil)
		unescapeQuery(&value, nil)
		if isMethodParameter(name) {
			query[MethodParameter] = append(query[MethodParameter], value)
		}
	}
	return query
}
