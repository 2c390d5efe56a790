package policy

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestRecordBounded: wherever a stranger puts a megabyte, little is kept of it, and
// it is said that it is not all.
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
				file := policytest.NewDir(t).Write("authz.rego", "package "+shape+".authz\n\nallow := false\n")
				set := open(t, Config{Sources: []string{file}, OPAEnvoy: shape == "envoy"})
				r := httptest.NewRequest("GET", "/", nil)
				change(r)
				facts := request.Metadata{ID: func() string { return "id" }}
				in := Input{Request: request.New(r, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: NewConstants(nil)}
				document, cut, err := set.Record(in, Decision{}).Document()
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

// TestRecordWhole: an ordinary request is kept as it is.
func TestRecordWhole(t *testing.T) {
	in := asked("/admin/a?b=c", "admin")
	document, cut, err := policyOf(t, roleRule).Record(in, Decision{}).Document()
	if err != nil || cut || !strings.Contains(string(document), `"segments":["admin","a`) {
		t.Errorf("%s, cut: %t, %v", document, cut, err)
	}
}

// TestRecordTooLong: what is too long even so is not kept at all.
func TestRecordTooLong(t *testing.T) {
	in := asked("/admin", "admin")
	in.Config = NewConstants(map[string]any{"a": strings.Repeat("a", maxRecord)})
	if document, cut, err := policyOf(t, roleRule).Record(in, Decision{}).Document(); err == nil || !cut || document != nil {
		t.Errorf("%d bytes, cut: %t, %v", len(document), cut, err)
	}
}
