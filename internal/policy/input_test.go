package policy

import (
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"
	"github.com/open-policy-agent/opa/v1/util"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// viaJSON is the long way from a document to terms.
func viaJSON(t testing.TB, d *request.Document) ast.Value {
	t.Helper()
	encoded, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := util.UnmarshalJSON(encoded, &decoded); err != nil {
		t.Fatal(err)
	}
	value, err := ast.InterfaceToValue(decoded)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

// checkDocument compares the short way with the long one.
func checkDocument(t testing.TB, d *request.Document) {
	t.Helper()
	got, want := whole.term(d, NewConstants(d.Config).term, nil).Value, viaJSON(t, d)
	if got.Compare(want) != 0 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !got.IsGround() {
		t.Error("there is a variable in the input")
	}
}

// fill sets everything that can be set below a value, so that nothing that a
// document has can be forgotten.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(len(text)) + 40000)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), text+"0")
		fill(v.Index(1), text+"1")
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		value := reflect.New(v.Type().Elem()).Elem()
		fill(value, text+"v")
		v.SetMapIndex(reflect.ValueOf(text+"k"), value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Struct:
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() {
				fill(v.Field(i), field.Name)
			}
		}
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{
			"a": []any{"b", true, nil, json.Number("1.50"), json.Number("12345678901234567890"), map[string]any{}}, "c": []string{"d"}, "e": 1, "f": 2.5,
		}))
	}
}

// TestDocumentTerm: the short way equals the long one.
func TestDocumentTerm(t *testing.T) {
	var full request.Document
	fill(reflect.ValueOf(&full).Elem(), "")
	t.Run("full", func(t *testing.T) { checkDocument(t, &full) })
	for name, in := range map[string]Input{"anonymous": asked("/", ""), "known": asked("/a//b;c?d=e&d=f", "admin")} {
		t.Run(name, func(t *testing.T) {
			for _, reading := range in.Request.Readings() {
				d := in.Request.Document(reading, in.Identity, in.Failure, in.Config.values, request.AllFields)
				empty := func(lists ...*[]string) {
					for _, list := range lists {
						if *list == nil {
							*list = []string{} // as a projection has it
						}
					}
				}
				c := &d.TLS.ClientCertificate
				empty(&d.Request.Segments, &d.Request.PathFlags, &d.Request.QueryFlags, &c.DNSNames, &c.Emails, &c.URIs)
				checkDocument(t, &d)
			}
		})
	}
}

// TestNothingMissing: what a document leaves nil is there and empty, so that a
// negated condition is not opened by leaving something out (T-03).
func TestNothingMissing(t *testing.T) {
	term := whole.term(&request.Document{Identity: &authenticator.Identity{}}, NewConstants(nil).term, nil).Value
	var full request.Document
	fill(reflect.ValueOf(&full).Elem(), "")
	compareShape(t, "input", term, whole.term(&full, NewConstants(nil).term, nil).Value)
}

// compareShape checks that two objects of fixed members have the same ones, of
// the same types. What operators and tokens fill is not looked into.
func compareShape(t *testing.T, path string, a, b ast.Value) {
	t.Helper()
	if body := strings.HasSuffix(path, ".body"); ast.ValueName(a) != ast.ValueName(b) && !body {
		t.Errorf("%s: %s and %s", path, ast.ValueName(a), ast.ValueName(b))
	}
	object, ok := b.(ast.Object)
	if name := path[strings.LastIndex(path, ".")+1:]; !ok || strings.Contains("headers header_values query claims config body", name) {
		return
	}
	object.Foreach(func(key, value *ast.Term) {
		name := string(key.Value.(ast.String))
		there := a.(ast.Object).Get(key)
		if there == nil {
			t.Errorf("%s.%s is missing", path, name)
			return
		}
		compareShape(t, path+"."+name, there.Value, value.Value)
	})
}

// TestConstants: an operator's constants keep their types; what JSON cannot
// hold is null.
func TestConstants(t *testing.T) {
	constants := NewConstants(map[string]any{"s": "x", "l": []string{"a", "b"}, "n": 3, "f": 1.5, "b": true, "o": map[string]any{"p": []any{"q"}}, "not": func() {}, "nil": nil})
	want := ast.MustParseTerm(`{"s": "x", "l": ["a", "b"], "n": 3, "f": 1.5, "b": true, "o": {"p": ["q"]}, "not": null, "nil": null}`)
	if !constants.term.Equal(want) {
		t.Errorf("got %v", constants.term)
	}
	if empty := NewConstants(nil); !empty.term.Equal(ast.MustParseTerm("{}")) || empty.values == nil {
		t.Errorf("got %v", empty)
	}
}

// TestNumbersStayWhole: a policy compares numbers of claims as they were written, also
// those that a float cannot tell apart, and text as it was sent.
//
// R-JWT-21
func TestNumbersStayWhole(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if {\n\tinput.identity.claims.n == 9007199254740993\n\tinput.identity.claims.text == \"<a>&\"\n}\n")
	for number, want := range map[string]bool{"9007199254740993": true, "9007199254740992": false, "9007199254740994": false} {
		in := asked("/", "admin")
		in.Identity = (&authenticator.Identity{Authenticated: true, ID: "alice", Claims: map[string]any{"n": json.Number(number), "text": "<a>&"}}).Normalize()
		if got := set.Decide(t.Context(), in); got.Allow != want {
			t.Errorf("%s: %+v", number, got)
		}
	}
}

// FuzzDocumentTerm: whatever strangers send, the short way equals the long one (T-66).
func FuzzDocumentTerm(f *testing.F) {
	f.Add("/a/b", "x", int64(1), `{"roles": ["a"], "n": 1e3}`)
	f.Add("/\xff\xfe", "\x00\u2028<>&", int64(-1), `{"\ud800": "\udfff", "": [null, -0, 0.10, 1E400]}`)
	f.Add("", "", int64(math.MaxInt64), `[[[[]]]]`)
	f.Fuzz(func(t *testing.T, path, value string, count int64, claims string) {
		var decoded any
		if util.UnmarshalJSON([]byte(claims), &decoded) != nil {
			decoded = nil
		}
		d := request.Document{Identity: authenticator.Anonymous(), Config: map[string]any{}}
		fill(reflect.ValueOf(&d.Request).Elem(), "")
		fill(reflect.ValueOf(&d.TLS).Elem(), "")
		d.Request.Path, d.Request.Segments, d.Request.TimeNS = path, strings.Split(path, "/"), count
		d.Request.Headers = map[string]string{"x": value}
		d.Request.Query = map[string][]string{path: {value, ""}}
		d.Request.Body = decoded
		d.Identity = (&authenticator.Identity{ID: value, Claims: map[string]any{"claims": decoded}, AuthTime: count}).Normalize()
		checkDocument(t, &d)
	})
}

func BenchmarkDocumentTerm(b *testing.B) {
	in := asked("/api/a/b/c", "admin")
	d := in.Request.Document(in.Request.Readings()[0], in.Identity, in.Failure, in.Config.values, request.AllFields)
	b.ReportAllocs()
	for b.Loop() {
		_ = whole.term(&d, in.Config.term, nil)
	}
}

// TestProjection: a decision sees in the projected input what it would see in
// all of it, and only that is built.
func TestProjection(t *testing.T) {
	in := contractInput()
	document := in.Request.Document(in.Request.Readings()[0], in.Identity, in.Failure, in.Config.values, request.AllFields)
	all, ok := whole.term(&document, in.Config.term, nil).Value.(ast.Object)
	if !ok {
		t.Fatal("no object")
	}
	for _, r := range []decisioncache.ReadSet{{}, {"request.method": true}, {"request.headers.accept": true, "identity.claims.team": true}, {"tls.client_certificate.verified": true}, {"request": true, "config": true}, {"request.headers.Accept": true, "request.header_values.Accept": true}, {"identity.unknown": true, "failure.unknown": true}} {
		p := project(r)
		part := in.Request.Document(in.Request.Readings()[0], in.Identity, in.Failure, in.Config.values, p.parts)
		built, ok := p.term(&part, in.Config.term, nil).Value.(ast.Object)
		if !ok {
			t.Fatal("no object")
		}
		for path := range r {
			ref := bundle.Ref("data." + path)[1:]
			want, err := all.Find(ref)
			got, missing := built.Find(ref)
			if err != nil && missing == nil || err == nil && (missing != nil || got.Compare(want) != 0) {
				t.Errorf("%s: %v %v, want %v", path, got, missing, want)
			}
		}
		for _, section := range []string{"contract", "request", "client", "tls", "identity", "failure", "config"} {
			if there := built.Get(ast.StringTerm(section)) != nil; there != r.Reads(section) {
				t.Errorf("%v: %s is there: %v", r.Names(), section, there)
			}
		}
	}
}
