package accesstable

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// wordList returns a list of different words.
func wordList(count int, word string) string {
	words := make([]string, count)
	for i := range words {
		words[i] = fmt.Sprintf(word, i)
	}
	return "[" + strings.Join(words, ",") + "]"
}

// largeTables are functions that write a table with n items, and the n that are tried.
var largeTables = []struct {
	name  string
	count int
	write func(count int) string
}{
	{"rules", 10_000, func(count int) string {
		table := strings.Builder{}
		table.WriteString("rules:\n")
		for i := range count {
			fmt.Fprintf(&table, "  - {paths: [/service-%d/*], allow: [{roles: [role-%d]}]}\n", i, i)
		}
		return table.String()
	}},
	{"shadowed rules", 10_000, func(count int) string {
		return "rules:\n  - allow: []\n" + strings.Repeat("  - {hosts: [a.b.example.com], paths: [/a/b/*], allow: []}\n", count)
	}},
	{"users", 100_000, func(count int) string { return "rules: [{allow: [{users: " + wordList(count, "u%d") + "}]}]" }},
	{"groups", 100_000, func(count int) string { return "rules: [{allow: [{groups: " + wordList(count, "u%d") + "}]}]" }},
	{"values of a claim", 100_000, func(count int) string {
		return "rules: [{allow: [{claims: {email: " + wordList(count, "u%d") + "}}]}]"
	}},
	{"blocked users", 100_000, func(count int) string { return "blocked: {users: " + wordList(count, "u%d") + "}\nrules: []" }},
	{"alternatives", 20_000, func(count int) string { return "rules: [{allow: " + wordList(count, "{users: [u%d]}") + "}]" }},
	{"hosts", 20_000, func(count int) string {
		return "rules: [{hosts: " + wordList(count, "h%d.example.com") + ", allow: []}]"
	}},
	{"paths", 50_000, func(count int) string { return "rules: [{paths: " + wordList(count, "/p%d/*") + ", allow: []}]" }},
	{"networks", 20_000, func(count int) string {
		networks := make([]string, count)
		for i := range networks {
			networks[i] = fmt.Sprintf("10.%d.%d.0/24", i/256, i%256)
		}
		return "networks: {lan: [" + strings.Join(networks, ",") + "]}\nblocked: {networks: [lan]}\nrules: []"
	}},
}

// allocated returns the number of bytes that a call allocates.
func allocated(call func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// mistakenTables are tables with very many mistakes.
var mistakenTables = []struct {
	name  string
	count int
	write func(count int) string
}{
	{"names of networks", 4_000, func(count int) string {
		table := strings.Builder{}
		table.WriteString("networks:\n")
		for i := range count {
			fmt.Fprintf(&table, "  n%d: [10.0.0.0/8]\n", i)
		}
		return table.String() + "rules: [{allow: [{networks: " + wordList(count, "m%d") + "}]}]"
	}},
	{"conditions", 20_000, func(count int) string { return "rules: [{allow: " + wordList(count, "{rols: [u%d]}") + "}]" }},
	{"hosts", 20_000, func(count int) string { return "rules: [{hosts: " + wordList(count, "'h%d/x'") + ", allow: []}]" }},
}

// TestLargeTables: the memory for a table is proportional to its length, also if it has
// very many mistakes.
func TestLargeTables(t *testing.T) {
	const mostPerByte = 250 // allocated for each byte of a file
	for _, table := range append(largeTables, mistakenTables...) {
		t.Run(table.name, func(t *testing.T) {
			parse := func(count int) (length, bytes int) {
				content := []byte(table.write(count))
				return len(content), allocated(func() { _, _, _ = Parse([]File{{"access.yaml", content}}) })
			}
			_, half := parse(table.count / 2)
			length, whole := parse(table.count)
			if 2*whole > 5*half || whole > mostPerByte*length {
				t.Errorf("%d bytes for half of it, %d for all %d bytes", half, whole, length)
			}
		})
	}
	for _, table := range largeTables {
		if _, _, err := Parse([]File{{"access.yaml", []byte(table.write(table.count))}}); err != nil {
			t.Errorf("%s: %v", table.name, err)
		}
	}
}

// TestTooLargeTables: tables that would need memory out of proportion to their length are
// rejected, and the error names the limit.
func TestTooLargeTables(t *testing.T) {
	for _, test := range []struct{ name, content, want string }{
		{"a file", "rules: [] # " + strings.Repeat("x", maxFile), "access.yaml: the file has more than 1048576 bytes"},
		{"hosts and paths", "rules: [{hosts: " + wordList(400, "h%d.example.com") + ", paths: " + wordList(400, "/p%d") + ", allow: []}]", "access.yaml:1:9: the rules have more than 100000 pairs of a host and a path"},
		{"names of networks", "networks: {lan: [" + strings.Repeat("10.0.0.0/8, ", 2_000) + "]}\ndefault: [{networks: [" + strings.Repeat("lan, ", 100) + "]}]\n", "networks: more than 100000 networks after names are replaced"},
		{"a path", "rules: [{paths: [/" + strings.Repeat("a/", 10_000) + "b], allow: []}]", "access.yaml:1:9: the paths of the rules have too many segments in total"},
		{"a host", "rules: [{hosts: [" + strings.Repeat("a.", 200) + "example], allow: []}]", "is not a host"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, _, err := Parse([]File{{"access.yaml", []byte(test.content)}}); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestLongConditions: the cost of a condition depends on the values of the caller, not on
// the length of the list. The test compares the shortest of several times, because other
// processes make single ones longer.
func TestLongConditions(t *testing.T) {
	has := strings.Split(strings.Trim(wordList(1_000, "has%d"), "[]"), ",")
	claims := make([]any, len(has))
	for i, word := range has {
		claims[i] = word
	}
	for name, condition := range map[string]string{
		"users": "users: ", "roles": "roles: ", "groups": "groups: ", "issuers": "issuers: ", "claims": "claims: {list: ",
	} {
		t.Run(name, func(t *testing.T) {
			took := func(count int) time.Duration {
				end := strings.Repeat("}", strings.Count(condition, "{"))
				table, _, err := Parse([]File{{"access.yaml", []byte("rules: [{allow: [{" + condition + wordList(count, "u%d") + end + "}]}]")}})
				if err != nil {
					t.Fatal(err)
				}
				q, least := adminQuestion(), time.Hour
				q.Identity = (&authenticator.Identity{Authenticated: true, ID: "has", Roles: has, Groups: has, Claims: map[string]any{"list": claims}}).Normalize()
				for range 20 {
					start := time.Now()
					if judgeAgain(table, q).Allow {
						t.Fatal("it holds")
					}
					least = min(least, time.Since(start))
				}
				return least
			}
			if few, many := took(100), took(90_000); many > 100*few {
				t.Errorf("%v for 100 words, %v for 90,000", few, many)
			}
		})
	}
}

// TestDepth: a long Depth allocates nothing, and several lines count as infinity.
func TestDepth(t *testing.T) {
	q := adminQuestion()
	for want, lines := range map[string][]string{"": nil, "0": {"0"}, "1": {"1"}, "infinity": {"0", "0"}} {
		q.Request.HeaderValues = map[string][]string{"depth": lines}
		if got := q.depth(); got != want {
			t.Errorf("%q: %q", lines, got)
		}
	}
	q.Request.HeaderValues = map[string][]string{"depth": {strings.Repeat("A", 1<<16), "0"}}
	if got := testing.AllocsPerRun(10, func() { q.actingBelow("PROPFIND") }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
