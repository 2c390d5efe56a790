package challengetest

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type params = map[string]string

// TestParse reads the examples of RFC 9110, 7617, 6750, 9449, 9470 and 4559, and
// the corners of the grammar.
func TestParse(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		want  []Challenge
	}{
		{"nothing", nil, nil},
		{"RFC 9110, section 11.6.1", []string{`Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\""`}, []Challenge{
			{Scheme: "Basic", Params: params{"realm": "simple"}},
			{Scheme: "Newauth", Params: params{"realm": "apps", "type": "1", "title": `Login to "apps"`}},
		}},
		{"RFC 7617, section 2", []string{`Basic realm="WallyWorld"`}, []Challenge{{Scheme: "Basic", Params: params{"realm": "WallyWorld"}}}},
		{"RFC 7617, section 2.1", []string{`Basic realm="foo", charset="UTF-8"`}, []Challenge{{Scheme: "Basic", Params: params{"realm": "foo", "charset": "UTF-8"}}}},
		{"RFC 6750, section 3", []string{`Bearer realm="example", error="invalid_token", error_description="The access token expired"`}, []Challenge{
			{Scheme: "Bearer", Params: params{"realm": "example", "error": "invalid_token", "error_description": "The access token expired"}},
		}},
		{"RFC 9449, section 7.1", []string{`DPoP algs="ES256 PS256"`}, []Challenge{{Scheme: "DPoP", Params: params{"algs": "ES256 PS256"}}}},
		{"RFC 9470, section 3", []string{`Bearer error="insufficient_user_authentication", max_age="5"`}, []Challenge{
			{Scheme: "Bearer", Params: params{"error": "insufficient_user_authentication", "max_age": "5"}},
		}},
		{"RFC 4559, section 5", []string{"Negotiate a87421000492aa874209af8bc028"}, []Challenge{{Scheme: "Negotiate", Token68: "a87421000492aa874209af8bc028", Params: params{}}}},
		{"padding", []string{"Negotiate YQ==, Basic realm=\"a\""}, []Challenge{
			{Scheme: "Negotiate", Token68: "YQ==", Params: params{}}, {Scheme: "Basic", Params: params{"realm": "a"}},
		}},
		{"schemes alone", []string{"Negotiate , NTLM"}, []Challenge{{Scheme: "Negotiate", Params: params{}}, {Scheme: "NTLM", Params: params{}}}},
		{"several lines", []string{`A x=1`, `B x="2"`}, []Challenge{{Scheme: "A", Params: params{"x": "1"}}, {Scheme: "B", Params: params{"x": "2"}}}},
		{"quoted", []string{`A realm="a, B c=\"\\d\"", e=""`}, []Challenge{{Scheme: "A", Params: params{"realm": `a, B c="\d"`, "e": ""}}}},
		{"letters of parameters do not matter", []string{`A Realm="a"`}, []Challenge{{Scheme: "A", Params: params{"realm": "a"}}}},
		{"a tab and spaces", []string{"A  x=\"a\tb\"\t,\t y=1"}, []Challenge{{Scheme: "A", Params: params{"x": "a\tb", "y": "1"}}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Read(http.Header{"Www-Authenticate": test.lines})
			if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// TestParseErrors: what a sender must not generate is refused.
func TestParseErrors(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"an empty line", "", "empty"},
		{"an empty member", `A x=1,, y=2`, "no challenge"},
		{"an empty first member", `, A x=1`, "no challenge"},
		{"an empty last member", `A x=1, `, "empty"},
		{"no comma", `A x=1 y=2`, "no parameter"},
		{"a parameter before any scheme", `realm="a"`, "no challenge"},
		{"a tab behind the scheme", "A\tx=1", "no challenge"},
		{"whitespace around the equals sign", `A x = 1`, "no parameter"},
		{"no value", `A x=1, y=`, "no challenge"},
		{"a value that is no token", `A x=1, y=a@b`, "no challenge"},
		{"a quote that does not end", `A x="a`, "no parameter"},
		{"a quote within a token", `A x=a"b"`, "no parameter"},
		{"something behind a quote", `A x="a"b`, "no parameter"},
		{"a quoted-pair that is not needed", `A x="a\b"`, "no parameter"},
		{"a control character", "A x=\"a\x01\"", "no parameter"},
		{"a line break", "A x=\"a\r\nb\"", "no parameter"},
		{"not ASCII", `A x="ä"`, "no parameter"},
		{"a scheme that is no token", `A@b x=1`, "no challenge"},
		{"a parameter twice", `A x=1, y=2, X=3`, "x twice"},
		{"a realm that is not quoted", `A realm=a`, "not quoted"},
		{"token68 and a parameter", `A YQ==, x=1`, "no challenge"},
		{"two of token68", `A YQ== YQ==`, "no parameter"},
		{"Basic without a realm", `Basic charset="UTF-8"`, "no realm"},
		{"Basic alone", `Basic`, "no realm"},
		{"Basic of another charset", `basic realm="a", charset="ISO-8859-1"`, "charset"},
		{"Bearer without a parameter", `Bearer`, "no parameter"},
		{"Bearer with a token68", `Bearer abc`, "no parameter"},
		{"a quote in a scope", `Bearer scope="a\"b"`, "scope"},
		{"a backslash in a scope", `Bearer scope="a\\b"`, "scope"},
		{"two spaces in a scope", `Bearer scope="a  b"`, "scope"},
		{"an empty scope", `BEARER scope=""`, "scope"},
		{"a tab in an error", "Bearer error=\"a\tb\"", "error"},
		{"a quote in a description", `Bearer error="x", error_description="\"a\""`, "error_description"},
		{"a space in the error's address", `Bearer error="x", error_uri="https://a/ b"`, "error_uri"},
		{"no address", `Bearer error="x", error_uri="https://a:b"`, "invalid port"},
		{"a space before a value", `Bearer acr_values=" a"`, "acr_values"},
		{"an age that is no number", `DPoP error="x", max_age="-1"`, "max_age"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Read(http.Header{"Www-Authenticate": {test.line}})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, %v", got, err)
			}
		})
	}
}
