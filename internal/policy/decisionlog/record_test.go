package decisionlog

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// inputOf returns the input of a request by an anonymous caller.
func inputOf(r *http.Request) Input {
	asked := request.New(r, request.Metadata{ID: func() string { return "id" }}, new(request.Config))
	return Input{Request: asked, Reading: &asked.Readings()[0], Identity: authenticator.Anonymous(), Config: map[string]any{}}
}

// TestRecordBounded: of a megabyte in any part of a request little is kept, and the record
// says that it is cut.
func TestRecordBounded(t *testing.T) {
	const much = 1 << 20
	long := strings.Repeat("a", much)
	query := func(raw string) func(*http.Request) { return func(r *http.Request) { r.URL.RawQuery = raw } }
	tests := map[string]func(*http.Request){
		"one segment":      func(r *http.Request) { r.URL.Path = "/" + long },
		"many segments":    func(r *http.Request) { r.URL.Path = strings.Repeat("/a", much/2) },
		"a method":         func(r *http.Request) { r.Method = long },
		"a parameter":      query(long),
		"a value":          query("a=" + long),
		"empty values":     query(strings.Repeat("a=&", much/3)),
		"many parameters":  func(r *http.Request) { r.URL.RawQuery = numbered(much / 8) },
		"long parameters":  func(r *http.Request) { r.URL.RawQuery = strings.Repeat(long[:10_000]+"=&b", 100) },
		"escapes":          query("a=" + strings.Repeat("%01", maxRecord/8) + "&b=" + strings.Repeat("<", maxRecord/8)),
		"a header":         func(r *http.Request) { r.Header.Set("A", long) },
		"a header's name":  func(r *http.Request) { r.Header.Set(long, "a") },
		"empty lines":      func(r *http.Request) { r.Header["A"] = make([]string, much/4) },
		"many lines":       func(r *http.Request) { r.Header["A"] = strings.Split(strings.Repeat("<<<,", much/4), ",") },
		"many short names": func(r *http.Request) { many(r.Header, much/16) },
	}
	for name, change := range tests {
		for _, shape := range []string{"caddy", "envoy"} {
			t.Run(name+", "+shape, func(t *testing.T) {
				r := httptest.NewRequest("GET", "/", nil)
				change(r)
				in := inputOf(r)
				in.Envoy = shape == "envoy"
				document, cut, err := NewRecord(in).Document()
				if err != nil || !cut || len(document) == 0 || len(document) > maxRecord {
					t.Errorf("%d bytes, cut: %t, %v", len(document), cut, err)
				}
			})
		}
	}
}

// numbered returns a query of so many parameters.
func numbered(count int) string {
	var b strings.Builder
	for i := range count {
		fmt.Fprintf(&b, "%d=&", i)
	}
	return b.String()
}

// many adds so many headers.
func many(h http.Header, count int) {
	for i := range count {
		h.Set(fmt.Sprintf("A%d", i), "a")
	}
}

// TestRecordClaims: large claims are left out.
func TestRecordClaims(t *testing.T) {
	in := inputOf(httptest.NewRequest("GET", "/admin", nil))
	in.Identity = (&authenticator.Identity{Authenticated: true, ID: "alice", Claims: map[string]any{"a": []any{strings.Repeat("a", maxRecord)}}}).Normalize()
	document, cut, err := NewRecord(in).Document()
	if err != nil || !cut || len(document) > maxRecord || !strings.Contains(string(document), `"id":"alice"`) || len(in.Identity.Claims) != 1 {
		t.Errorf("%d bytes, cut: %t, %v, %d claims are left", len(document), cut, err, len(in.Identity.Claims))
	}
}

// TestRecordBody: a record has no body, the input document has it.
func TestRecordBody(t *testing.T) {
	for _, envoy := range []bool{false, true} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{"secret": 1}`))
		r.Header.Set("Content-Type", "application/json")
		in := inputOf(r)
		in.Envoy = envoy
		if problem, err := in.Request.ReadBody(t.Context(), request.DefaultBodyLimits); problem != "" || err != nil {
			t.Fatal(problem, err)
		}
		kept, cut, err := NewRecord(in).Document()
		if err != nil || cut || strings.Contains(string(kept), "secret") {
			t.Errorf("envoy: %t: %s, cut: %t, %v", envoy, kept, cut, err)
		}
		if whole, err := in.Document(); err != nil || !json.Valid(whole) || !strings.Contains(string(whole), `"secret":1`) || strings.Contains(string(whole), "parsed_body") != envoy {
			t.Errorf("envoy: %t: %s, %v", envoy, whole, err)
		}
		in.Request.ReleaseBody()
	}
}

// TestRecordWhole: an ordinary request is kept as it is.
func TestRecordWhole(t *testing.T) {
	record := NewRecord(inputOf(httptest.NewRequest("GET", "/admin/a?b=c", nil)))
	document, cut, err := record.Document()
	if err != nil || cut || !record.ByReference() || !strings.Contains(string(document), `"segments":["admin","a"]`) {
		t.Errorf("%s, cut: %t, %v", document, cut, err)
	}
}

// TestRecordTooLong: what is too long even so is not kept at all.
func TestRecordTooLong(t *testing.T) {
	in := inputOf(httptest.NewRequest("GET", "/admin", nil))
	in.Config = map[string]any{"a": strings.Repeat("a", maxRecord)}
	if document, cut, err := NewRecord(in).Document(); err == nil || !cut || document != nil {
		t.Errorf("%d bytes, cut: %t, %v", len(document), cut, err)
	}
}
