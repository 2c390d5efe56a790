package request

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// TestReadBody: T-46. What policies see of a body, and that whoever comes next
// reads the same bytes.
func TestReadBody(t *testing.T) {
	const limit = 40
	long := strings.Repeat("x", limit+1)
	tests := []struct {
		name, contentType, body string
		header                  http.Header
		want                    any
		problem                 BodyProblem
	}{
		{"JSON", "application/json", `{"a": [1, true]}`, nil, map[string]any{"a": []any{json.Number("1"), true}}, ""},
		{"JSON of a kind", "application/merge-patch+json; charset=utf-8", `"x"`, nil, "x", ""},
		{"in capitals", "APPLICATION/JSON", `null`, nil, nil, ""},
		{"text", "text/plain", "a\xffb", nil, "a\uFFFDb", ""},
		{"a form", "application/x-www-form-urlencoded", "a=1", nil, "a=1", ""},
		{"of no type", "", `{"a": 1}`, nil, `{"a": 1}`, ""},
		{"none", "application/json", "", nil, nil, ""},
		{"no JSON", "application/json", `{"a": `, nil, nil, BodyMalformed},
		{"a name twice", "application/json", `{"a": 1, "a": 2}`, nil, nil, BodyMalformed},
		{"a type that begins with JSON's", "application/jsonp", `{"a": 1, "a": 2}`, nil, `{"a": 1, "a": 2}`, ""},
		{"no type at all", "application/json; =", `{}`, nil, nil, BodyMalformed},
		{"compressed", "application/json", "\x1f\x8b", http.Header{"Content-Encoding": {"gzip"}}, nil, BodyEncoded},
		{"gRPC", "application/grpc", "x", nil, nil, BodyStreamed},
		{"a WebSocket by extended CONNECT", "", "x", http.Header{"Upgrade": {"websocket"}}, nil, BodyStreamed},
		{"just fits", "text/plain", long[:limit], nil, long[:limit], ""},
		{"too large", "text/plain", long, nil, nil, BodyTooLarge},
	}
	for _, test := range tests {
		for _, length := range []string{"known", "unknown"} {
			t.Run(test.name+", length "+length, func(t *testing.T) {
				r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
				if length == "unknown" {
					r.Body, r.ContentLength = io.NopCloser(iotest.OneByteReader(strings.NewReader(test.body))), -1
				}
				for name, lines := range test.header {
					r.Header[name] = lines
				}
				if test.contentType != "" {
					r.Header.Set("Content-Type", test.contentType)
				}
				before := r.ContentLength
				req := New(r, Facts{ID: func() string { return "" }}, new(Config))
				if got := req.ReadBody(limit); got != test.problem {
					t.Errorf("problem %q, want %q", got, test.problem)
				}
				fields := req.Fields(req.Readings()[0], Everything)
				if diff := cmp.Diff(test.want, fields.Body); diff != "" || fields.BodyTruncated != (test.problem != "") {
					t.Errorf("truncated %v\n%s", fields.BodyTruncated, diff)
				}
				rest, err := io.ReadAll(r.Body)
				if err != nil || string(rest) != test.body || r.ContentLength != before {
					t.Errorf("the next reader gets %q, %v, of length %d", rest, err, r.ContentLength)
				}
				if err := r.Body.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestReadBodyErrors: T-04. A body that breaks off is no shorter body, for
// policies and for whoever comes next.
func TestReadBodyErrors(t *testing.T) {
	broken := errors.New("broken")
	for err, want := range map[error]BodyProblem{broken: BodyMalformed, &http.MaxBytesError{Limit: 1}: BodyTooLarge} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Body, r.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader("begun"), iotest.ErrReader(err))), -1
		req := New(r, Facts{}, new(Config))
		if got := req.ReadBody(100); got != want {
			t.Errorf("%v: %s", err, got)
		}
		if rest, again := io.ReadAll(r.Body); string(rest) != "begun" || !errors.Is(again, err) {
			t.Errorf("the next reader gets %q, %v", rest, again)
		}
	}
	for problem, want := range map[BodyProblem]int{BodyTooLarge: 413, BodyEncoded: 415, BodyStreamed: 415, BodyMalformed: 400} {
		if problem.Status() != want {
			t.Errorf("%s: %d", problem, problem.Status())
		}
	}
}

// FuzzReadBody: T-46, T-66. Whatever comes, it is handed on to the byte.
func FuzzReadBody(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1}`))
	f.Add("text/plain", []byte("\xff\x00"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Header["Content-Type"] = []string{contentType}
		New(r, Facts{}, new(Config)).ReadBody(64)
		if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != string(body) {
			t.Errorf("%q became %q, %v", body, rest, err)
		}
	})
}
