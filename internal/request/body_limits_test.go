package request

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestN11FormLimits: forms and their JSON parts have no more values than JSON bodies.
func TestN11FormLimits(t *testing.T) {
	part := func(header, value string) string {
		return "--x\r\nContent-Disposition: form-data; name=a\r\n" + header + "\r\n" + value + "\r\n"
	}
	const form, multipart = "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"
	tests := []struct {
		name, body string
		types      []string
		want       BodyProblem
	}{
		{"N-11 as many fields as fit", "a=1&b=2&c=3", []string{form}, ""},
		{"N-11 one field more", "a=1&b=2&c=3&d=4", []string{form}, BodyTooComplex},
		{"N-11 as many parts as fit", strings.Repeat(part("", "1"), 3) + "--x--", []string{multipart}, ""},
		{"N-11 one part more", strings.Repeat(part("", "1"), 4) + "--x--", []string{multipart}, BodyTooComplex},
		{"N-11 a JSON part with too many values", part("Content-Type: application/json\r\n", "[1,2,3]") + "--x--", []string{multipart}, BodyTooComplex},
		{"N-11 a JSON part that fits", part("Content-Type: application/json\r\n", "[1,2]") + "--x--", []string{multipart}, ""},
		{"two content types", "{}", []string{"text/plain", "application/json"}, BodyMalformed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			r.Header["Content-Type"] = test.types
			got, err := New(r, Metadata{}, new(Config)).ReadBody(t.Context(), BodyLimits{Size: 1 << 10, Values: 3, Depth: 3, Forms: true})
			if got != test.want || err != nil {
				t.Errorf("%q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestN11AnnouncedTooLarge: a body that announces more than the limit is not read at all,
// and neither is what follows a CONNECT.
func TestN11AnnouncedTooLarge(t *testing.T) {
	for method, want := range map[string]BodyProblem{http.MethodPost: BodyTooLarge, http.MethodConnect: ""} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		untouched := errors.New("the body is read")
		r.Method, r.Body, r.ContentLength = method, io.NopCloser(iotest.ErrReader(untouched)), 41
		if got, err := New(r, Metadata{}, new(Config)).ReadBody(t.Context(), BodyLimits{Size: 40}); got != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", method, got, err, want)
		}
	}
}
