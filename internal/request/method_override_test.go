package request

import (
	"net/http/httptest"
	"slices"
	"testing"
)

// TestN06OverrideHeaders: T-23. A header that overrides the method is found in
// every spelling that CGI and its heirs take for the same.
func TestN06OverrideHeaders(t *testing.T) {
	for _, name := range []string{"X-HTTP-Method-Override", "X_HTTP_Method_Override", "X-HTTP_Method-Override", "x.http.method.override"} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header = map[string][]string{name: {"DELETE"}, "X-Other": {"a"}}
		request := New(r, Metadata{ID: func() string { return "1" }}, new(Config))
		for _, names := range [][]string{nil, {"x-http-method-override"}} {
			document := new(Document)
			request.fillHeaderValues(document, newHeaderFilter(names))
			if got := document.Request.HeaderValues["x-http-method-override"]; !slices.Equal(got, []string{"DELETE"}) {
				t.Errorf("%s among %v: %v", name, names, document.Request.HeaderValues)
			}
		}
	}
}
