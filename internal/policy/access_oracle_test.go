package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// plainRule is a rule as its author reads it.
type plainRule struct{ hosts, paths []string }

// fits says what product.md, section 4, says of hosts and paths, one rule after
// the other and without an index.
func (r plainRule) fits(host, path string) bool {
	hostFits, pathFits := len(r.hosts) == 0, len(r.paths) == 0
	for _, wanted := range r.hosts {
		domain, below := strings.CutPrefix(wanted, "*")
		hostFits = hostFits || wanted == host || below && strings.HasSuffix(host, domain)
	}
	given := strings.Split(strings.Trim(strings.ToLower(path), "/"), "/")
	for _, wanted := range r.paths {
		start, below := strings.CutSuffix(strings.ToLower(wanted), "/*")
		segments := strings.Split(strings.Trim(start, "/"), "/")
		if segments[0] == "" {
			segments = nil
		}
		same := len(given) >= len(segments)
		for i := range min(len(segments), len(given)) {
			same = same && segments[i] == given[i]
		}
		exact := len(segments) == len(given) || len(segments) == 0 && given[0] == ""
		pathFits = pathFits || same && (below || exact)
	}
	return hostFits && pathFits
}

// yaml writes the rule as a table has it; it lets everybody in.
func (r plainRule) yaml() string {
	text := "  - allow: [{anyone: true}]\n"
	for name, words := range map[string][]string{"hosts": r.hosts, "paths": r.paths} {
		if len(words) > 0 {
			text += "    " + name + ": ['" + strings.Join(words, "', '") + "']\n"
		}
	}
	return text
}

// TestAccessFirstRule: whatever the rules and the request, the index finds the
// rule that somebody finds who reads the table from the top (T-20, T-55, T-72).
func TestAccessFirstRule(t *testing.T) {
	random := rand.New(rand.NewPCG(20, 55)) // the same tables in each run
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	list := func(most int, word func() string) []string { return wordList(random.IntN(most+1), word) }
	path := func(names ...string) string {
		return "/" + strings.Join(wordList(random.IntN(4), func() string { return pick(names...) }), "/")
	}
	hosts := []string{"a.example", "b.a.example", "c.b.a.example", "xa.example", "example", "b.a.example.evil"}
	for range 60 {
		var rules []plainRule
		for range 1 + random.IntN(6) {
			rules = append(rules, plainRule{
				hosts: list(2, func() string { return pick("", "*.") + pick(hosts...) }),
				paths: list(3, func() string { return strings.TrimSuffix(path("a", "A", "ab", "é"), "/") + pick("/", "/*", "/*") }),
			})
		}
		table := strings.Builder{}
		table.WriteString("rules:\n")
		for _, rule := range rules {
			table.WriteString(rule.yaml())
		}
		set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", table.String())}})
		for range 40 {
			host, target := pick(hosts...), path("a", "A", "ab", "é", "b", "a*")+pick("", "/")
			if target == "//" {
				target = "/"
			}
			want := "default"
			for i, rule := range rules {
				if rule.fits(host, target) {
					want = fmt.Sprintf("(rule %d)", i+1)
					break
				}
			}
			got := decideBy(set, call{"GET", host, strings.ReplaceAll(target, "é", "%C3%A9"), nil, "192.0.2.1", nil})
			if !strings.HasSuffix(got.Labels["rule"], want) || got.Allow != (want != "default") || got.Err != nil {
				t.Fatalf("%s %s: %s and not %s, %v\n%s", host, target, got.Labels["rule"], want, got.Err, table.String())
			}
		}
	}
}

// wordList makes a list of words.
func wordList(count int, word func() string) []string {
	words := make([]string, count)
	for i := range words {
		words[i] = word()
	}
	return words
}
