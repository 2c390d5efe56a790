package counterexample

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// change is a change of an input.
type change struct {
	kind  Kind
	what  string // such as without input.identity.claims.team
	edits []edit
}

// edit sets or removes the value at a path.
type edit struct {
	path   []string
	value  any
	remove bool
}

// apply returns a changed copy of an input. It shares the unchanged parts.
func (c change) apply(input map[string]any) map[string]any {
	for _, e := range c.edits {
		input = e.apply(input, e.path)
	}
	return input
}

// path returns the changed path, or nil if the input is not changed.
func (c change) path() []string {
	if len(c.edits) == 0 {
		return nil
	}
	return c.edits[0].path
}

func (e edit) apply(object map[string]any, path []string) map[string]any {
	result := maps.Clone(object)
	name := path[0]
	below, _ := object[name].(map[string]any)
	switch {
	case len(path) > 1 && below != nil:
		result[name] = e.apply(below, path[1:])
	case len(path) > 1:
	case e.remove:
		delete(result, name)
	default:
		result[name] = e.value
	}
	return result
}

// fields are the fields of the input document that may be empty for some caller, with their
// empty values. Fields that the server always fills are not among them, nor those that it
// derives from the path: a request for another path is another request.
var fields = []struct {
	path  string
	empty any
}{
	{"identity.username", ""},
	{"identity.name", ""},
	{"identity.issuer", ""},
	{"identity.email", ""},
	{"identity.acr", ""},
	{"identity.bound", "none"},
	{"identity.auth_time", 0},
	{"identity.expires_at", 0},
	{"identity.roles", []any{}},
	{"identity.groups", []any{}},
	{"identity.scopes", []any{}},
	{"identity.amr", []any{}},
	{"request.destination_path", ""},
	{"request.destination_host", ""},
	{"request.raw_query", ""},
	{"tls.version", ""},
	{"tls.sni", ""},
	{"tls.alpn", ""},
	{"tls.client_certificate.subject", ""},
	{"tls.client_certificate.issuer", ""},
	{"tls.client_certificate.serial", ""},
	{"tls.client_certificate.sha256", ""},
	{"tls.client_certificate.not_after", 0},
	{"tls.client_certificate.dns_names", []any{}},
	{"tls.client_certificate.emails", []any{}},
	{"tls.client_certificate.uris", []any{}},
	{"failure.reason", ""},
}

// open are the objects of input with members of any name, which may be missing. The last
// ones are those of opa-envoy-plugin.
var open = []string{
	"identity.claims", "config", "request.headers", "request.header_values", "request.query", "request.body",
	"attributes.request.http.headers", "attributes.contextExtensions", "attributes.metadataContext", "parsed_query", "parsed_body",
}

// lines are objects whose members are lists that are present only if they are not empty.
var lines = map[string]bool{"request.header_values": true, "request.query": true, "parsed_query": true}

// twins are paths with the same values in another form.
var twins = map[string]string{"request.headers": "request.header_values", "request.header_values": "request.headers"}

// optional are members that opa-envoy-plugin leaves out if they are empty.
var optional = []string{"attributes.source.principal", "attributes.source.certificate", "attributes.request.http.body", "attributes.request.http.size", "attributes.request.http.query"}

// maxChanges is the maximum number of changes of one input.
const maxChanges = 500

// changes returns the changes of an input in fields that the policies may read.
func (s *search) changes(input map[string]any) []change {
	var all []change
	for _, field := range fields {
		path := strings.Split(field.path, ".")
		if value, there := at(input, path); there && s.reads(path) && !same(value, field.empty) {
			all = append(all, s.emptied(path, field.empty)...)
		}
	}
	all = append(all, s.hidden(input)...)
	for _, place := range optional {
		path := strings.Split(place, ".")
		if _, there := at(input, path); there && s.reads(path) {
			all = append(all, without(path))
		}
	}
	for _, place := range open {
		path := strings.Split(place, ".")
		if value, there := at(input, path); there && s.reads(path) {
			all = append(all, s.inside(path, value, 0)...)
		}
	}
	return all[:min(len(all), maxChanges)]
}

// unknowns are the fields that may be unknown, such as roles if the claim of the token has
// an unexpected form. They are empty then, and identity.unknown lists them.
var unknowns = map[string]bool{
	"identity.username": true, "identity.name": true, "identity.email": true, "identity.acr": true, "identity.amr": true,
	"identity.auth_time": true, "identity.roles": true, "identity.groups": true, "identity.scopes": true,
}

// emptied returns the changes that empty a field: the caller has no value, or the value is
// unknown. Policies that do not read identity.unknown cannot distinguish the two.
func (s *search) emptied(path []string, value any) []change {
	none := empty(path, value)
	if !unknowns[strings.Join(path, ".")] {
		return []change{none}
	}
	listed := []string{"identity", "unknown"}
	if !s.reads(listed) {
		none.what += " or unknown"
		return []change{none}
	}
	unknown := change{kind: Unknown, what: "with " + named(path) + " unknown", edits: []edit{
		{path: path, value: value}, {path: listed, value: []any{path[len(path)-1]}},
	}}
	return []change{none, unknown}
}

// containerHost is the address of the client as a server behind the NAT of a container sees
// it.
const containerHost = "172.17.0.1"

// hidden returns the change that replaces the address of the client by that of a proxy that
// is not trusted.
func (s *search) hidden(input map[string]any) []change {
	ip, told := []string{"client", "ip"}, []string{"client", "forwarded_untrusted"}
	if value, there := at(input, told); !there || value != false || !s.reads(ip) && !s.reads(told) {
		return nil
	}
	return []change{{kind: Unknown, what: "with input.client.ip hidden by a proxy that is not trusted", edits: []edit{
		{path: ip, value: containerHost}, {path: []string{"client", "peer_ip"}, value: containerHost}, {path: told, value: true},
	}}}
}

// maxDepth is the maximum depth of members that are changed.
const maxDepth = 8

// inside returns the changes of an object whose members may be missing.
func (s *search) inside(path []string, value any, depth int) []change {
	var all []change
	switch value := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(value)) {
			member := append(slices.Clone(path), name)
			if !s.reads(member) || depth >= maxDepth {
				continue
			}
			all = append(all, without(member))
			all = append(all, s.inside(member, value[name], depth+1)...)
		}
		if len(value) > 0 {
			all = append(all, empty(path, map[string]any{}))
		}
	case []any:
		if len(value) > 0 && !lines[strings.Join(path[:len(path)-1], ".")] {
			all = append(all, empty(path, []any{}))
		}
	}
	return all
}

// without removes the value at a path, in both of its forms.
func without(path []string) change {
	c := change{kind: Missing, what: "without " + named(path), edits: []edit{{path: path, remove: true}}}
	parent := path[:len(path)-1]
	if twin := twins[strings.Join(parent, ".")]; twin != "" {
		c.edits = append(c.edits, edit{path: append(strings.Split(twin, "."), path[len(path)-1]), remove: true})
	}
	return c
}

// empty sets an empty value at a path, in both of its forms.
func empty(path []string, value any) change {
	c := change{kind: Empty, what: "with " + named(path) + " empty", edits: []edit{{path: path, value: value}}}
	if twin := twins[strings.Join(path, ".")]; twin != "" {
		c.edits = append(c.edits, edit{path: strings.Split(twin, "."), value: value})
	}
	return c
}

// reads reports whether the policies may read the value at a path.
func (s *search) reads(path []string) bool {
	for i, name := range path {
		if strings.Contains(name, ".") { // dotted paths cannot express these names
			return s.Reads(strings.Join(path[:i], "."))
		}
	}
	return s.Reads(strings.Join(path, "."))
}

// at returns the value at a path.
func at(input map[string]any, path []string) (any, bool) {
	var value any = input
	for _, name := range path {
		object, ok := value.(map[string]any)
		if !ok {
			return nil, false
		}
		if value, ok = object[name]; !ok {
			return nil, false
		}
	}
	return value, true
}

// same reports whether two values have the same JSON.
func same(a, b any) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

// named returns a path as in policies.
func named(path []string) string {
	ref := ast.Ref{ast.InputRootDocument}
	for _, name := range path {
		ref = append(ref, ast.StringTerm(name))
	}
	return ref.String()
}
