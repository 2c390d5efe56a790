package policy

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// decideRewritten asks a set about a request that was rewritten before.
func decideRewritten(set *Engine, host, asked, now string) Decision {
	r := httptest.NewRequest("GET", asked, nil)
	r.Host = host
	facts := request.Metadata{ID: func() string { return "id" }, Method: "GET", URL: r.URL, RequestURI: asked, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	changed := *r
	changed.URL = &url.URL{Path: now}
	return set.Decide(r.Context(), Input{Request: request.New(&changed, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: NewConstants(nil)})
}

// TestN04AccessRewritten: whatever the rules, a rewritten path is judged by the first
// rule that fits it if that rule has paths of its own, and by none otherwise.
func TestN04AccessRewritten(t *testing.T) {
	random := rand.New(rand.NewPCG(4, 12)) // the same tables in each run
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	hosts, paths := []string{"a.example", "b.a.example"}, []string{"/a", "/a/b", "/b", "/b/a", "/"}
	for range 40 {
		var rules []plainRule
		for range 1 + random.IntN(5) {
			rules = append(rules, plainRule{
				hosts: wordList(random.IntN(2), func() string { return pick(hosts...) }),
				paths: wordList(random.IntN(3), func() string { return strings.TrimSuffix(pick(paths...), "/") + pick("/", "/*") }),
			})
		}
		table := strings.Builder{}
		table.WriteString("default: [{anyone: true}]\nrules:\n")
		for _, rule := range rules {
			table.WriteString(rule.yaml())
		}
		set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", table.String())}})
		for range 20 {
			host, asked, now := pick(hosts...), pick(paths...), pick("/A/b", "/a/b", "/b", "/b/a", "/c")
			want := []string{firstRule(rules, host, asked)}
			if named := firstRule(rules, host, now); named != "default" && now != asked {
				number := 0
				_, _ = fmt.Sscanf(named, "(rule %d)", &number)
				if len(rules[number-1].paths) > 0 && !slices.Contains(want, named) {
					want = append(want, named)
				}
			}
			got := decideRewritten(set, host, asked, now)
			for _, rule := range want {
				if !strings.Contains(got.Labels["rule"], rule) || strings.Count(got.Labels["rule"], ",") != len(want)-1 {
					t.Fatalf("%s %s rewritten to %s: %s and not %q\n%s", host, asked, now, got.Labels["rule"], want, table.String())
				}
			}
		}
	}
}

// firstRule names the first rule that fits.
func firstRule(rules []plainRule, host, path string) string {
	for i, rule := range rules {
		if rule.fits(host, path) {
			return fmt.Sprintf("(rule %d)", i+1)
		}
	}
	return "default"
}

// TestN02AccessDecoded goes from a table to the decision for paths that a later
// handler decodes again.
func TestN02AccessDecoded(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", `rules:
  - paths: [/app/admin/*, /app/top.txt]
    allow: [{roles: [admin]}]
  - paths: [/app/only-get/*]
    allow: [{anyone: true, methods: [GET]}]
  - paths: [/app/*, /files/*]
    allow: [{anyone: true}]
`)}})
	tests := []struct {
		name, target string
		allow        bool
	}{
		{"N-02 a letter", "/app/%2561dmin/keys.txt", false},
		{"N-02 a slash", "/app/admin%252fkeys.txt", false},
		{"N-02 four deep", "/app/%25252561dmin/keys.txt", false},
		{"N-02 the same outside", "/app/%2562dmin/keys.txt", true},
		{"N-03 a question mark", "/app/top.txt%3f", false},
		{"N-03 a number sign", "/app/top.txt%23", false},
		{"N-03 encoded again", "/app/top.txt%253Fx", false},
		{"S-05 a name in per cent", "/files/100%2525.txt", true},
		{"S-05 a per cent sign", "/files/100%25", true},
		{"S-06 an override in the path", "/app/only-get/x%3f_method=DELETE", false},
		{"S-06 joined with the query", "/app/only-get/x%3fa?_method=DELETE", false},
		{"S-06 none", "/app/only-get/x%3fmethod=DELETE", true},
		{"N-06 PHP's leading dot", "/app/only-get/x?.method=DELETE", false},
		{"N-06 a leading space", "/app/only-get/x?+_method=DELETE", false},
		{"N-06 a bracket", "/app/only-get/x?[method=DELETE", false},
		{"N-06 a semicolon", "/app/only-get/x?a=1;_method=DELETE", false},
		{"N-06 the same method", "/app/only-get/x?a=1;_method=get", true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := decideBy(set, call{"GET", "h.example", test.target, nil, "192.0.2.1", nil}); got.Allow != test.allow || got.Err != nil {
				t.Errorf("%t %v, want %t", got.Allow, got.Err, test.allow)
			}
		})
	}
}
