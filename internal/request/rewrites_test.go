package request

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// changedTo makes a Request of which handlers changed the target and the method.
func changedTo(method, asked, newMethod, now string, cut StrippedQuery) *Request {
	r := httptest.NewRequest(method, asked, nil)
	facts := Metadata{ID: func() string { return "" }, Method: method, URL: r.URL, RequestURI: asked, StrippedQuery: cut}
	changed := *r
	changed.Method = newMethod
	changed.URL, _ = url.Parse("http://h.example" + now)
	return New(&changed, facts, new(Config))
}

// TestN04Changed: what handlers made of the method and of the query is judged beside
// what the client sent.
func TestN04Changed(t *testing.T) {
	tests := []struct {
		name, method, asked, newMethod, now string
		cut                                 StrippedQuery
		want                                []string // method path > rewritten path ? query
	}{
		{"N-04 nothing", "GET", "/a?q", "GET", "/a?q", StrippedQuery{}, []string{"GET /a > /a ?q"}},
		{"N-04 the method", "GET", "/a", "DELETE", "/a", StrippedQuery{}, []string{"GET /a > /a ?", "DELETE /a > /a ?"}},
		{"N-04 the method of two readings", "POST", "/%2561", "GET", "/%2561", StrippedQuery{}, []string{"POST /%61 > /%61 ?", "POST /a > /a ?", "GET /%61 > /%61 ?", "GET /a > /a ?"}},
		{"N-04 the query", "GET", "/a?user=x", "GET", "/a?uid=x", StrippedQuery{}, []string{"GET /a > /a ?user=x", "GET /a > /a ?uid=x"}},
		{"N-04 the query, with two readings", "GET", "/%2561?x", "GET", "/%2561?y", StrippedQuery{}, []string{"GET /%61 > /%61 ?x", "GET /a > /a ?x", "GET /%61 > /%61 ?y", "GET /a > /a ?y"}},
		{"N-04 the path and the query", "GET", "/%2561?x", "GET", "/b?y", StrippedQuery{}, []string{"GET /%61 > /b ?x", "GET /%61 > /b ?y", "GET /a > /b ?x", "GET /a > /b ?y"}},
		{"N-04 all", "GET", "/a?x", "PUT", "/b?y", StrippedQuery{}, []string{"GET /a > /b ?x", "GET /a > /b ?y", "PUT /a > /b ?x", "PUT /a > /b ?y"}},
		{"S-05 only the path", "GET", "/a?x", "GET", "/index.php?x", StrippedQuery{}, []string{"GET /a > /index.php ?x"}},
		{"S-05 our own removal", "GET", "/a?t=1&x", "GET", "/a?x", StrippedQuery{"t=1&x", "x"}, []string{"GET /a > /a ?t=1&x"}},
		{"N-04 a change after our removal", "GET", "/a?t=1&x", "GET", "/a?y", StrippedQuery{"t=1&x", "x"}, []string{"GET /a > /a ?t=1&x", "GET /a > /a ?y"}},
		{"N-04 a change before our removal", "GET", "/a?t=1&x", "GET", "/a?y", StrippedQuery{"t=1&y", "y"}, []string{"GET /a > /a ?t=1&x", "GET /a > /a ?t=1&y"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := changedTo(test.method, test.asked, test.newMethod, test.now, test.cut)
			var got []string
			for _, reading := range r.Readings() {
				document := r.Document(reading, authenticator.Anonymous(), "", nil, AllFields)
				got = append(got, fmt.Sprintf("%s %s > %s ?%s", document.Request.Method, reading.Path, reading.Rewritten, document.Request.RawQuery))
				if envoy := fmt.Sprint(r.Envoy(reading, nil, false)["attributes"]); !strings.Contains(envoy, ":method:"+reading.Method) {
					t.Errorf("for Envoy: %s", envoy)
				}
			}
			if !slices.Equal(got, test.want) || r.RejectedFlag() != "" {
				t.Errorf("readings %q, want %q, refused for %q", got, test.want, r.RejectedFlag())
			}
		})
	}
}

// TestN04ChangedBound: readings with two methods count as two.
func TestN04ChangedBound(t *testing.T) {
	for methods, want := range map[string]Flag{"GET": "", "PUT": FlagTooLong} {
		r := changedTo("GET", "/", methods, "/", StrippedQuery{})
		r.readings = make([]Reading, maxReadings/2+1)
		if r.addMethodReadings(); len(r.readings) > maxReadings || r.RejectedFlag() != want {
			t.Errorf("%s: %d readings, refused for %q", methods, len(r.readings), r.RejectedFlag())
		}
	}
}

// TestN04ChangedEarly: a request that was, or becomes, more than a GET is not taken early.
func TestN04ChangedEarly(t *testing.T) {
	for _, methods := range [][2]string{{"POST", "GET"}, {"GET", "DELETE"}} {
		r := httptest.NewRequest(methods[1], "/", nil)
		r.TLS = &tls.ConnectionState{}
		if !New(r, Metadata{Method: methods[0], URL: r.URL}, new(Config)).TooEarly() {
			t.Errorf("%v is taken early", methods)
		}
	}
}

// TestN04AllMethods: each method that an application may take is told once.
func TestN04AllMethods(t *testing.T) {
	many := strings.Split("abcdefghijklmnopq", "")
	tests := []struct {
		name, method, now, target string
		header                    http.Header
		want                      []string
	}{
		{"own", "GET", "GET", "/?methods=x&%41", nil, []string{"GET"}},
		{"changed", "GET", "PUT", "/", nil, []string{"PUT", "GET"}},
		{"headers", "POST", "POST", "/", http.Header{"X_Http_Method": {"put, patch", "PUT"}}, []string{"POST", "PUT", "PATCH"}},
		{"the query", "POST", "POST", "/?_%6dethod=delete&.method=POST", nil, []string{"POST", "DELETE"}},
		{"the query in the path", "POST", "POST", "/a%253f_method=delete", nil, []string{"POST", "DELETE"}},
		{"S-06 too many", "POST", "POST", "/", http.Header{"X-Method-Override": {strings.Join(many, ",")}}, nil},
		{"S-06 too many in the query", "POST", "POST", "/?_method=" + strings.Join(many, "&_method="), nil, nil},
	}
	for _, test := range tests {
		r := changedTo(test.method, test.target, test.now, test.target, StrippedQuery{})
		r.http.Header = test.header
		r.ClassifyHeaders()
		if got, all := r.PossibleMethods(); !slices.Equal(got, test.want) || all != (test.want != nil) {
			t.Errorf("%s: %q %v, want %q", test.name, got, all, test.want)
		}
	}
}

// TestN04UnchangedAllocations: what nothing changed costs nothing.
func TestN04UnchangedAllocations(t *testing.T) {
	r := httptest.NewRequest("GET", "/a/b?c", nil)
	facts, config := Metadata{Method: "GET", URL: r.URL, RequestURI: "/a/b?c"}, new(Config)
	request := new(Request)
	if got := testing.AllocsPerRun(100, func() { request.Init(r, facts, config) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}
