package forward

import (
	"net/http/httptest"
	"testing"
)

// TestQuery: T-19, T-29. What a policy removes is gone in every spelling, and
// what it sets is one parameter.
func TestQuery(t *testing.T) {
	tests := []struct {
		name, raw string
		removed   []string
		set       map[string][]string
		want      string
	}{
		{"nothing", "a=1;b", nil, nil, "/x?a=1;b"},
		{"removed", "a=1&debug=1&d%65bug=2;debug=3", []string{"debug"}, nil, "/x?a=1"},
		{"all removed", "debug", []string{"debug"}, nil, "/x"},
		{"set", "a=1", nil, map[string][]string{"tenant": {"blue & green"}, "b": {"1", "2"}}, "/x?a=1&b=1&b=2&tenant=blue+%26+green"},
		{"replaced", "tenant=red&a=1&tenant=black", nil, map[string][]string{"tenant": {"blue"}}, "/x?a=1&tenant=blue"},
		{"emptied", "tenant=red&a=1", nil, map[string][]string{"tenant": {}}, "/x?a=1"},
		{"a line end", "", nil, map[string][]string{"a\r\n": {"b\r\nc: d"}}, "/x?a%0D%0A=b%0D%0Ac%3A+d"},
	}
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/x?"+test.raw, nil)
		changeQuery(r, test.removed, test.set)
		if got := r.URL.RequestURI(); got != test.want || r.RequestURI != got {
			t.Errorf("%s: %s, %s", test.name, got, r.RequestURI)
		}
	}
}
