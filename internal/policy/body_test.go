package policy

import (
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisioncache"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// posted is a request with a JSON body.
func posted(body string) Input {
	in := asked("/", "")
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1"}, new(request.Config))
	in.Body = request.DefaultBodyLimits
	return in
}

// TestN11Narrow: of a body no more is built than the decision asks for, and what it
// asks for is what it would be of the whole.
func TestN11Narrow(t *testing.T) {
	whole := map[string]any{"a": map[string]any{"b": "x", "c": []any{"y"}}, "d": []any{map[string]any{"e": "z"}}, "f": nil}
	tests := []struct{ read, want string }{
		{"request.body.a.b", `{"a": {"b": "x"}}`},
		{"request.body.a.b request.body.d", `{"a": {"b": "x"}, "d": [{"e": "z"}]}`},
		{"request.body.a request.body.a.b", `{"a": {"b": "x", "c": ["y"]}}`},
		{"request.body.d.e", `{"d": []}`},
		{"request.body.f.g request.body.missing", `{"f": null}`},
		{"request.body", `{"a": {"b": "x", "c": ["y"]}, "d": [{"e": "z"}], "f": null}`},
	}
	for _, test := range tests {
		read := decisioncache.ReadSet{}
		for path := range strings.FieldsSeq(test.read) {
			read[path] = true
		}
		parts := bodyParts(read)
		if got := build(parts, &request.Fields{Body: whole}).Get(parts[0].name).String(); got != test.want {
			t.Errorf("N-11 %s: %s, want %s", test.read, got, test.want)
		}
	}
	rules := []string{"input.request.body.a.b == \"x\"", "some x in input.request.body.d; x.e == \"z\"", "body := input.request.body; body.a.c[0] == \"y\"",
		"not input.request.body.d.e", "object.get(input.request.body, [\"a\", \"b\"], \"\") == \"x\"", "input.request.body.f == null", "is_object(input.request.body)"}
	for _, rule := range rules {
		got := policyOf(t, "package caddy.authz\n\nallow if { "+rule+" }\n").Decide(t.Context(), posted(`{"a": {"b": "x", "c": ["y"]}, "d": [{"e": "z"}], "f": null}`))
		if !got.Allow {
			t.Errorf("N-11 %s: %+v", rule, got)
		}
	}
}

// TestN11TooComplexIsRefused: whatever the policy says, unless it looks at
// body_truncated itself.
func TestN11TooComplexIsRefused(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if not input.request.body.admin\n")
	for body, problem := range map[string]request.BodyProblem{
		`{"a":[` + strings.Repeat("{},", 345_000) + `1]}`:                request.BodyTooLarge,
		`{"a":[` + strings.Repeat("{},", 345_000) + `1]}`:                request.BodyTooComplex,
		strings.Repeat(`{"a":`, 65) + "1" + strings.Repeat("}", 65):      request.BodyTooComplex,
		`{"a":[` + strings.Repeat("{},", 19_990) + `1], "admin": false}`: "",
	} {
		start := time.Now()
		got := set.Decide(t.Context(), posted(body))
		if problem != "" && (got.Allow || got.Reason != authenticator.ReasonBodyRefused || got.Status != 413 || got.Codes[0] != string(problem)) {
			t.Errorf("N-11 %d bytes: %+v", len(body), got)
		}
		if took := time.Since(start); problem != "" && took > time.Second {
			t.Errorf("N-11 %d bytes took %s", len(body), took)
		}
	}
	aware := policyOf(t, "package caddy.authz\n\nallow if {\n\tinput.request.body_truncated\n\tinput.request.body == null\n}\n")
	if got := aware.Decide(t.Context(), posted("["+strings.Repeat("{},", 30_000)+"1]")); !got.Allow {
		t.Errorf("N-11 one that looks at it: %+v", got)
	}
}

// TestN11BodiesAreReleased: a body that is judged makes room for others.
func TestN11BodiesAreReleased(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if input.request.body.a\n")
	body := `{"a": "` + strings.Repeat("x", 1<<20-100) + `"}`
	for i := range 150 {
		if got := set.Decide(t.Context(), posted(body)); !got.Allow {
			t.Fatalf("N-11 body %d: %+v", i, got)
		}
		if _, err := set.Documents(posted(body)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestN11SlowBodyIsRefused: also by a policy that decides about bodies it cannot see.
func TestN11SlowBodyIsRefused(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if input.request.body_truncated\n\nallow if input.request.body\n")
	in := posted("")
	client, server := net.Pipe()
	defer client.Close()
	_ = server.SetReadDeadline(time.Now()) // as the web server's own timeout
	r := httptest.NewRequest("POST", "/", server)
	r.Header.Set("Content-Type", "application/json")
	in.Request = request.New(r, request.Metadata{ID: func() string { return "id" }}, new(request.Config))
	got := set.Decide(t.Context(), in)
	if got.Allow || got.Reason != authenticator.ReasonBodyRefused || got.Status != 408 || len(got.Codes) != 1 || got.Codes[0] != "body_timeout" {
		t.Errorf("N-11 %+v", got)
	}
}
