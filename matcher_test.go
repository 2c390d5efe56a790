package policyauth

import (
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// TestMatcherReadings: T-12 to T-17, T-54, T-70. No spelling of a path slips past
// the matcher, and nobody is judged for what no reading asks for.
func TestMatcherReadings(t *testing.T) {
	w := newWorld(t)
	h, err := w.provision("basic {\n users DIR/users.yaml\n }\n allow_ambiguous_paths backslash\n")
	if err != nil {
		t.Fatal(err)
	}
	h.matchers = caddyhttp.MatcherSets{caddyhttp.MatcherSet{caddyhttp.MatchPath{"/ours/*"}}}
	tests := map[string]int{
		"/ours/x": 401, "/OURS/x": 401, "/ours;v=1/x": 401, "/ours%2fx": 401, "//ours/x": 401, "/ours%5cx": 401, "/%6furs/x": 401,
		"/theirs/x": 200, "/theirs;v=1/x": 200, "/theirs/ours/x": 200, "/theirs%2fours/x": 200,
		"/theirs/%2e%2e/ours/x": 400, "/theirs/../ours/x": 400, "/theirs/../x": 200,
	}
	for target, want := range tests {
		next := new(reached)
		recorder, err := ask(h, get(target), next)
		if err != nil || recorder.Code != want {
			t.Errorf("%s: %d %v, want %d", target, recorder.Code, err, want)
		}
		if next.request != nil && next.request.URL.RequestURI() != target {
			t.Errorf("%s: the next handler sees %s", target, next.request.URL.RequestURI())
		}
	}
	for _, host := range []string{"a:80:80", "..", ".example.com"} {
		r := get("/theirs/x")
		r.Host = host
		if recorder, _ := ask(h, r, new(reached)); recorder.Code != 400 {
			t.Errorf("host %s: %d", host, recorder.Code)
		}
	}
}
