package policy

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/dependencies"
	"github.com/open-policy-agent/opa/v1/storage/inmem"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// subject is what a decision is about, in a form of which each field can be
// changed by itself.
type subject struct {
	request.Document
}

// newSubject returns a subject with something in every field, of the kind that
// policies ask for.
func newSubject() *subject {
	s := &subject{}
	fill(reflect.ValueOf(&s.Document).Elem(), "")
	r := &s.Request
	r.Method, r.Path, r.PathFolded, r.RawPath, r.RewrittenPath, r.Segments = "GET", "/a/b", "/a/b", "/a/b", "/a/b", []string{"a", "b"}
	r.Headers = map[string]string{"accept": "a", "x-tenant": "b"}
	r.HeaderValues = map[string][]string{"accept": {"a"}, "x-tenant": {"b"}}
	r.Query = map[string][]string{"a": {"b"}}
	s.Identity = (&authenticator.Identity{
		Authenticated: true, ID: "a", Username: "b", Roles: []string{"a", "b"}, Groups: []string{"b"}, Scopes: []string{"a"},
		Claims: map[string]any{"team": "a", "level": json.Number("3"), "tags": []any{"a", "b"}},
	}).Normalize()
	s.Client.IP = "192.0.2.1"
	s.Config = map[string]any{"a": "a", "b": "b"}
	return s
}

// clone returns a copy that shares nothing which may be changed.
func (s *subject) clone() *subject {
	c := *s
	id := *s.Identity
	id.Claims = maps.Clone(id.Claims)
	c.Identity = &id
	c.Request.Headers, c.Request.HeaderValues, c.Request.Query = maps.Clone(c.Request.Headers), maps.Clone(c.Request.HeaderValues), maps.Clone(c.Request.Query)
	c.Config = maps.Clone(c.Config)
	return &c
}

// mutation is one change of one field.
type mutation struct {
	path   string // as reads has it
	change func(*subject)
}

// mutations returns changes of every field that a subject has.
func mutations() []mutation {
	var all []mutation
	add := func(path string, change func(*subject)) { all = append(all, mutation{path, change}) }
	for section, get := range map[string]func(*subject) reflect.Value{
		"request":                func(s *subject) reflect.Value { return reflect.ValueOf(&s.Request).Elem() },
		"client":                 func(s *subject) reflect.Value { return reflect.ValueOf(&s.Client).Elem() },
		"tls":                    func(s *subject) reflect.Value { return reflect.ValueOf(&s.TLS).Elem() },
		"tls.client_certificate": func(s *subject) reflect.Value { return reflect.ValueOf(&s.TLS.ClientCertificate).Elem() },
		"identity":               func(s *subject) reflect.Value { return reflect.ValueOf(s.Identity).Elem() },
		"failure":                func(s *subject) reflect.Value { return reflect.ValueOf(&s.Failure).Elem() },
	} {
		typ := get(newSubject()).Type()
		for i := range typ.NumField() {
			path := section + "." + typ.Field(i).Tag.Get("json")
			switch typ.Field(i).Type.Kind() {
			case reflect.String:
				for _, text := range []string{"", "a", "POST"} {
					add(path, func(s *subject) { get(s).Field(i).SetString(text) })
				}
			case reflect.Int, reflect.Int64:
				add(path, func(s *subject) { get(s).Field(i).SetInt(get(s).Field(i).Int() + 1) })
			case reflect.Bool:
				add(path, func(s *subject) { get(s).Field(i).SetBool(!get(s).Field(i).Bool()) })
			case reflect.Slice:
				for _, list := range [][]string{{}, {"a"}, {"a", "b", "c"}} {
					add(path, func(s *subject) { get(s).Field(i).Set(reflect.ValueOf(list)) })
				}
			}
		}
	}
	for _, name := range []string{"accept", "x-tenant", "other"} {
		add("request.headers."+name, func(s *subject) { s.Request.Headers[name] = "changed" })
		add("request.headers."+name, func(s *subject) { s.Request.Headers[name] = "" })
		add("request.header_values."+name, func(s *subject) { s.Request.HeaderValues[name] = []string{} })
	}
	add("request.headers.x-tenant", func(s *subject) { delete(s.Request.Headers, "x-tenant") })
	add("request.header_values.x-tenant", func(s *subject) { delete(s.Request.HeaderValues, "x-tenant") })
	add("request.query.a", func(s *subject) { delete(s.Request.Query, "a") })
	add("request.query.a", func(s *subject) { s.Request.Query["a"] = []string{"b", "c"} })
	add("request.query.b", func(s *subject) { s.Request.Query["b"] = []string{} })
	add("request.body", func(s *subject) { s.Request.Body = "changed" })
	for _, name := range []string{"team", "level", "tags", "other"} {
		for _, value := range []any{nil, "", "b", json.Number("0"), []any{}, map[string]any{"a": "b"}, false} {
			add("identity.claims."+name, func(s *subject) { s.Identity.Claims[name] = value })
		}
	}
	add("identity.claims.team", func(s *subject) { delete(s.Identity.Claims, "team") })
	add("config.a", func(s *subject) { s.Config["a"] = "changed" })
	add("config.b", func(s *subject) { delete(s.Config, "b") })
	return all
}

// result returns what a decision says of an input.
func (s *snapshot) result(t testing.TB, input *ast.Term) string {
	t.Helper()
	return s.resultOf(t, s.evaluator.begin(), input)
}

// projected returns what a decision says of the input that is projected for it, as
// the evaluation before has left it.
func (s *snapshot) projected(t testing.TB, about *changed) string {
	t.Helper()
	run := s.evaluator.begin()
	input, fresh := run.project(s.projection, &about.Document, about.constants.term, nil), s.projection.term(&about.Document, about.constants.term, nil)
	if !input.Equal(fresh) || input.Hash() != fresh.Hash() || input.IsGround() != fresh.IsGround() {
		t.Errorf("%s: the input is %v, want %v", about.path, input, fresh)
	}
	return s.resultOf(t, run, input)
}

func (s *snapshot) resultOf(t testing.TB, run *evaluation, input *ast.Term) string {
	t.Helper()
	late := time.Now().Add(time.Minute)
	decision := s.evaluate(t.Context(), run, input, span{late, late})
	if decision.Value == nil {
		return string(decision.Reason)
	}
	return decision.Value.String()
}

// keyOf returns the key for a subject.
func (s *snapshot) keyOf(about *changed) string {
	caller := s.projection.identities().Get(about.Identity)
	return string(s.projection.appendKey(caller.AppendKey(nil), &about.Document, about.constants))
}

// changed is a subject after a mutation, or before.
type changed struct {
	*subject
	path      string
	constants *Constants
	all       *ast.Term // the whole input
}

func newChanged(s *subject, path string, constants *Constants) *changed {
	if constants == nil {
		constants = NewConstants(s.Config)
	}
	return &changed{s, path, constants, whole.term(&s.Document, constants.term, nil)}
}

// everyChange returns a subject and all that it may become.
var everyChange = sync.OnceValues(func() (*changed, []*changed) {
	base := newChanged(newSubject(), "", nil)
	var all []*changed
	for _, m := range mutations() {
		s, constants := base.clone(), base.constants
		if m.change(s); reflect.DeepEqual(s.Document, base.Document) {
			continue
		}
		if strings.HasPrefix(m.path, "config.") {
			constants = nil
		}
		all = append(all, newChanged(s, m.path, constants))
	}
	return base, all
})

// prove changes every field: what is not read does not change the decision, nor
// the key; what is read changes the key; what is projected gives the same
// decision as all of it.
func prove(t testing.TB, s *snapshot) {
	t.Helper()
	base, all := everyChange()
	want, key := s.result(t, base.all), s.keyOf(base)
	if got := s.projected(t, base); got != want {
		t.Errorf("projected it is %s, whole it is %s", got, want)
	}
	for _, change := range all {
		got, newKey, read := s.result(t, change.all), s.keyOf(change), s.reads.Reads(change.path)
		switch {
		case !read && got != want:
			t.Errorf("%s is not among %v, but changes the decision from %s to %s", change.path, s.reads.Names(), want, got)
		case !read && newKey != key && !strings.HasPrefix(change.path, "config."): // those are told by their id
			t.Errorf("%s is not among %v, but changes the key", change.path, s.reads.Names())
		case read && newKey == key:
			t.Errorf("%s is among %v, but does not change the key", change.path, s.reads.Names())
		case read:
			if projected := s.projected(t, change); projected != got {
				t.Errorf("%s: projected it is %s, whole it is %s", change.path, projected, got)
			}
		}
	}
}

// TestProofShipped: T-05, R-CACHE-6. The analysis of this project's own policies
// and of every example is sound.
func TestProofShipped(t *testing.T) {
	table := policytest.NewDir(t).Write("access.yaml", `networks: {lan: [192.0.2.0/24]}
blocked: {users: [mallory], networks: [203.0.113.0/24]}
default: [{authenticated: true}]
rules:
  - paths: [/a/*]
    allow: [{roles: [a], methods: [GET]}, {networks: [lan], scopes: [b]}, {claims: {team: [a]}}]
  - hosts: ["*.example.com"]
    allow: [{groups: [b], kinds: [user]}]
`)
	configs := map[string]Config{
		"authenticated": {},
		"access":        {Sources: []string{policytest.NewDir(t).Write("other.rego", "package other\n")}, Access: []string{table}, Decision: accessDecision},
		"quickstart":    {Sources: []string{"../../examples/quickstart/policies"}},
	}
	examples, err := filepath.Glob("../../policies/examples/*")
	if err != nil || len(examples) < 3 {
		t.Fatal(examples, err)
	}
	for _, dir := range examples {
		configs[filepath.Base(dir)] = Config{Sources: []string{dir}, Decision: decisionIn(t, dir)}
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			set := open(t, config)
			prove(t, set.live.Load())
			t.Log(set.Status().Reads, set.Status().NotCacheable)
		})
	}
}

// decisionIn returns the rule that an example decides by.
func decisionIn(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Base(dir)
	source, err := os.ReadFile(filepath.Join(dir, name+".rego"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(source), "\ndecision") {
		return "data.examples." + name + ".decision"
	}
	return "data.examples." + name + ".allow"
}

// generated is how many policies are made up.
const generated = 200

// TestProofGenerated: T-05, R-CACHE-6. The analysis of made-up policies is sound, too;
// with POLICY_AUTH_LONG of as many as that time allows.
func TestProofGenerated(t *testing.T) {
	end := time.Now().Add(longTests(t))
	for seed := uint64(0); seed < generated || time.Now().Before(end); seed++ {
		source := generate(seed)
		s, base := compiled(t, source)
		if prove(t, s); t.Failed() {
			t.Fatalf("policy %d:\n%s", seed, source)
		}
		if strings.Contains(source, " with ") {
			continue // OPA takes what is replaced for read
		}
		for _, ref := range base {
			if path := pathOf(ref); ref.HasPrefix(ast.InputRootRef) && path != "" && !s.reads.Reads(path) {
				t.Fatalf("policy %d reads %v, says OPA, but not %v:\n%s", seed, ref, s.reads.Names(), source)
			}
		}
	}
}

// pathOf returns the names with which a reference to input begins, joined by dots.
func pathOf(ref ast.Ref) string {
	var names []string
	for _, term := range ref[1:] {
		name, ok := term.Value.(ast.String)
		if !ok || strings.Contains(string(name), ".") {
			break
		}
		names = append(names, string(name))
	}
	return strings.Join(names, ".")
}

// compiled returns a snapshot of one module by itself, and what OPA's own analysis
// finds that it depends on.
func compiled(t testing.TB, source string) (*snapshot, []ast.Ref) {
	t.Helper()
	compiler := ast.NewCompiler()
	module, err := ast.ParseModuleWithOpts("a.rego", source, ast.ParserOptions{RegoVersion: ast.RegoV1})
	if err != nil {
		t.Fatalf("%v\n%s", err, source)
	}
	if compiler.Compile(map[string]*ast.Module{"a.rego": module}); compiler.Failed() {
		t.Fatalf("%v\n%s", compiler.Errors, source)
	}
	decision := bundle.Ref(defaultDecision)
	store := inmem.NewFromASTObject(ast.NewObject())
	txn, err := store.NewTransaction(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	evaluator := evaluator{compiler: compiler, store: store, txn: txn, data: dataTree{ast.NewObject()}, strict: true}
	if err := evaluator.compile(decision); err != nil {
		t.Fatal(err)
	}
	base, err := dependencies.Base(compiler, ast.NewBody(ast.NewExpr(ast.NewTerm(decision))))
	if err != nil {
		t.Fatal(err)
	}
	return &snapshot{analysis: analyze(&bundle.Program{Compiler: compiler, Decision: decision}, false), evaluator: evaluator}, base
}

// FuzzProof: the analysis is sound for whatever policy comes out of a seed.
func FuzzProof(f *testing.F) {
	f.Add(uint64(generated))
	f.Fuzz(func(t *testing.T, seed uint64) {
		source := generate(seed)
		s, _ := compiled(t, source)
		if prove(t, s); t.Failed() {
			t.Fatal(source)
		}
	})
}
