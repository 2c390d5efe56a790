package decisioncache

import (
	"slices"
	"testing"
)

// TestNotCacheable checks which policies have decisions that cannot be cached, and that the
// reasons are given.
func TestNotCacheable(t *testing.T) {
	tests := []struct {
		name, rules string
		want        []string
	}{
		{"a field", `allow if input.request.method == "GET"`, nil},
		{"pure functions", `allow if startswith(lower(input.request.path), "/a")`, nil},
		{"in and every", `allow if every r in input.identity.roles { r in {"a", "b"} }`, nil},
		{"a template", `allow := {"allow": true, "message": $"hello {input.identity.name}"}`, nil},
		{"the time", `allow if input.request.time_ns > 0`, []string{"it reads input.request.time_ns"}},
		{"the id", `allow if input.request.id != ""`, []string{"it reads input.request.id"}},
		{"the body", `allow if input.request.body.a`, []string{"it reads input.request.body.a"}},
		{"whether there is all of a body", `allow if not input.request.body_truncated`, []string{"it reads input.request.body_truncated"}},
		{"all of the request", `allow if count(input.request) > 0`, []string{"it reads input.request"}},
		{"all of it", `allow if walk(input, [["x"], true])`, []string{"it reads input"}},
		{"envoy's document", `allow if input.attributes.request.http.method == "GET"`, []string{"it reads input.attributes.request.http.method"}},
		{"a clock", `allow if time.now_ns() > 0`, []string{"it calls time.now_ns"}},
		{"a clock, hidden", `allow if io.jwt.decode_verify("x", {})[0]`, []string{"it calls io.jwt.decode_verify"}},
		{"chance", `allow if rand.intn("x", 2) == 1`, []string{"it calls rand.intn"}},
		{"another server", `allow if http.send({"url": "x", "method": "GET"}).status_code == 200`, []string{"it calls http.send"}},
		{"in another rule", "allow if data.caddy.authz.day\n\nday if time.weekday(0) == \"Monday\"", []string{"it calls time.weekday"}},
		{"in a function", "allow if f(\"x\")\n\nf(x) if uuid.rfc4122(x) != \"\"", []string{"it calls uuid.rfc4122"}},
		{"in a comprehension", `allow if count([x | x := opa.runtime()[_]]) > 0`, []string{"it calls opa.runtime"}},
		{"in the head", `allow := {"allow": true, "labels": {"a": uuid.rfc4122("x")}}`, []string{"it calls uuid.rfc4122"}},
		{"in a head's reference", "allow if count(rules) > 0\n\nrules[uuid.rfc4122(\"x\")].a := input.tls.sni if true", []string{"it calls uuid.rfc4122"}},
		{"in place of another", `allow if ok with lower as uuid.rfc4122` + "\n\nok if lower(\"A\") == \"a\"", []string{"it calls uuid.rfc4122"}},
		{"replaced", `allow if ok with time.now_ns as 5` + "\n\nok if time.now_ns() == 5", []string{"it calls time.now_ns"}},
		{"in else", "allow if false\n\nallow if {\n\tfalse\n} else if time.now_ns() > 0", []string{"it calls time.now_ns"}},
		{"what is not asked", "allow := true\n\nother if time.now_ns() > 0", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := inspected(t, test.rules).NotCacheable(); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
