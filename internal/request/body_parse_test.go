package request

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/internal/fairqueue"
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
		{"N-11 as many values as fit", "application/json", `[[[]], "a,b"]`, nil, []any{[]any{[]any{}}, "a,b"}, ""},
		{"N-11 one value more", "application/json", `[[[]], 1, 2]`, nil, nil, BodyTooComplex},
		{"N-11 one level more", "application/json", `[[[[]]]]`, nil, nil, BodyTooComplex},
		{"N-11 too much and no JSON", "application/json", `[{},{},{},{},`, nil, nil, BodyTooComplex},
		{"compressed", "application/json", "\x1f\x8b", http.Header{"Content-Encoding": {"gzip"}}, nil, BodyEncoded},
		{"gRPC", "application/grpc", "x", nil, nil, BodyStreamed},
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
				maps.Copy(r.Header, test.header)
				if test.contentType != "" {
					r.Header.Set("Content-Type", test.contentType)
				}
				before := r.ContentLength
				req := New(r, Metadata{ID: func() string { return "" }}, new(Config))
				if got, err := req.ReadBody(t.Context(), BodyLimits{Size: limit, Values: 4, Depth: 3}); got != test.problem || err != nil {
					t.Errorf("problem %q, %v, want %q", got, err, test.problem)
				}
				fields := req.Fields(req.Readings()[0], AllFields)
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

// TestN19UpgradeBody: what follows an upgrade is no body, whatever reader stands
// there, and nothing of it is read.
func TestN19UpgradeBody(t *testing.T) {
	for _, r := range []*http.Request{handshake(func(*http.Request) {}), connect(2, "websocket"), connect(3, "websocket")} {
		r.Body = io.NopCloser(strings.NewReader("a frame"))
		req := New(r, Metadata{ID: func() string { return "" }}, new(Config))
		problem, err := req.ReadBody(t.Context(), DefaultBodyLimits)
		if err != nil {
			t.Error(err)
		}
		fields := req.Fields(req.Readings()[0], AllFields)
		if rest, err := io.ReadAll(r.Body); problem != "" || fields.Body != nil || fields.BodyTruncated || err != nil || string(rest) != "a frame" {
			t.Errorf("HTTP/%d: %q, body %v, %q is left, %v", r.ProtoMajor, problem, fields.Body, rest, err)
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
		req := New(r, Metadata{}, new(Config))
		if got, problem := req.ReadBody(t.Context(), DefaultBodyLimits); got != want || problem != nil {
			t.Errorf("%v: %s, %v", err, got, problem)
		}
		if rest, again := io.ReadAll(r.Body); string(rest) != "begun" || !errors.Is(again, err) {
			t.Errorf("the next reader gets %q, %v", rest, again)
		}
	}
	for problem, want := range map[BodyProblem]int{BodyTooLarge: 413, BodyTooComplex: 413, BodyEncoded: 415, BodyStreamed: 415, BodyMalformed: 400} {
		if problem.Status() != want {
			t.Errorf("%s: %d", problem, problem.Status())
		}
	}
}

// FuzzReadBody: T-46, T-66. Whatever comes, it is handed on to the byte.
func FuzzReadBody(f *testing.F) {
	f.Add("application/json", []byte(`{"a":1}`))
	f.Add("text/plain", []byte("\xff\x00"))
	f.Add("multipart/form-data; boundary=x", []byte("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := httptest.NewRequest("POST", "/", strings.NewReader(string(body)))
		r.Header["Content-Type"] = []string{contentType}
		_, _ = New(r, Metadata{}, new(Config)).ReadBody(t.Context(), BodyLimits{Size: 64, Values: 8, Depth: 4, Forms: true})
		if rest, err := io.ReadAll(r.Body); err != nil || string(rest) != string(body) {
			t.Errorf("%q became %q, %v", body, rest, err)
		}
	})
}

// jsonRequest is a request with a JSON body.
func jsonRequest(body string) *Request {
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return New(r, Metadata{ClientIP: "192.0.2.1"}, new(Config))
}

// TestN11ParsersAtOnce: as many bodies are parsed at once as there are processors;
// others wait, a second at most, and not at all if the client hangs up.
func TestN11ParsersAtOnce(t *testing.T) {
	for range runtime.GOMAXPROCS(0) {
		if err := parseQueue.Acquire(t.Context(), netip.Addr{}); err != nil {
			t.Fatal(err)
		}
	}
	start, req := time.Now(), jsonRequest(`{}`)
	problem, err := req.ReadBody(t.Context(), DefaultBodyLimits)
	if took := time.Since(start); problem != "" || !errors.Is(err, fairqueue.ErrBusy) || took < maxWait || took > 10*maxWait || !req.bodyTruncated {
		t.Errorf("%s: %q, %v", took, problem, err)
	}
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, err := jsonRequest(`{}`).ReadBody(gone, DefaultBodyLimits); !errors.Is(err, context.Canceled) {
		t.Errorf("a client who is gone: %v", err)
	}
	if problem, err := jsonRequest("["+strings.Repeat("{},", 30_000)+"1]").ReadBody(t.Context(), DefaultBodyLimits); problem != BodyTooComplex || err != nil {
		t.Errorf("one that is too complex waits: %q, %v", problem, err)
	}
	for range runtime.GOMAXPROCS(0) {
		parseQueue.Release()
	}
	if problem, err := jsonRequest(`{}`).ReadBody(t.Context(), DefaultBodyLimits); problem != "" || err != nil {
		t.Errorf("afterwards: %q, %v", problem, err)
	}
}

// TestN11GivenUp: parsing ends when its time is over or its client is gone.
func TestN11GivenUp(t *testing.T) {
	large := "[" + strings.Repeat("{},", 400_000) + "1]"
	limits := BodyLimits{Size: 1 << 30, Values: 1 << 30, Depth: 64, Time: time.Nanosecond}
	req := jsonRequest(large)
	if problem, err := req.ReadBody(t.Context(), limits); problem != "" || !errors.Is(err, context.DeadlineExceeded) || req.body != nil || !req.bodyTruncated {
		t.Errorf("out of time: %q, %v", problem, err)
	}
	limits.Time = 0
	if problem, err := jsonRequest(large).ReadBody(t.Context(), limits); problem != "" || err != nil {
		t.Errorf("with time: %q, %v", problem, err)
	}
}
