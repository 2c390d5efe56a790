package accesstable

import (
	"fmt"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// tableOf returns a table with n rules, of which the last but one decides about /admin.
func tableOf(t testing.TB, rules int) *Table {
	t.Helper()
	content := strings.Builder{}
	content.WriteString("rules:\n")
	for i := range rules - 2 {
		fmt.Fprintf(&content, "  - paths: [/service-%d/*, /other-%d]\n    allow: [{roles: [role-%d]}]\n", i, i, i)
	}
	content.WriteString("  - paths: [/admin/*]\n    allow: [{networks: [10.0.0.0/8]}, {roles: [admin], methods: [GET], kinds: [user], authenticated: true}]\n  - allow: []\n")
	table, _, err := Parse([]File{{"access.yaml", []byte(content.String())}})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// adminQuestion is a request of an admin for /admin/users/7.
func adminQuestion() *Question {
	d := &request.Document{Identity: (&authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: "alice", Roles: []string{"staff", "admin"}}).Normalize()}
	d.Request.Method, d.Request.Host, d.Request.Path, d.Request.PathFolded, d.Request.RewrittenPath = "GET", "app.example.com", "/admin/users/7", "/admin/users/7", "/admin/users/7"
	d.Client.IP, d.Client.PeerIP = "192.0.2.1", "192.0.2.1"
	return &Question{Document: d}
}

// judgeAgain calls Judge without the values that the question has cached.
func judgeAgain(table *Table, q *Question) Verdict {
	d := q.Document
	q.Reset()
	q.Document = d
	return table.Judge(q)
}

// BenchmarkJudge measures decisions by tables of several lengths.
func BenchmarkJudge(b *testing.B) {
	for _, rules := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("%d rules", rules), func(b *testing.B) {
			table, q := tableOf(b, rules), adminQuestion()
			b.ReportAllocs()
			for b.Loop() {
				if v := judgeAgain(table, q); !v.Allow {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}

// TestJudgeAllocations: an allow allocates nothing, and a denial only its verdict.
func TestJudgeAllocations(t *testing.T) {
	table, q := tableOf(t, 10_000), adminQuestion()
	if got := testing.AllocsPerRun(100, func() { judgeAgain(table, q) }); got != 0 {
		t.Errorf("an allow: %v allocations", got)
	}
	q.Document.Identity = authenticator.Anonymous()
	if got := testing.AllocsPerRun(100, func() { judgeAgain(table, q) }); got > 3 {
		t.Errorf("a denial: %v allocations", got)
	}
}

// TestReset: the memory that the next request reuses has no data of the last one.
func TestReset(t *testing.T) {
	table, q := tableOf(t, 10), adminQuestion()
	q.Request.Path, q.Request.PathFolded, q.Request.RewrittenPath = "/a.php/b", "/a.php/b", "/c"
	q.Request.Query = map[string][]string{"_method": {"put"}}
	table.Judge(q)
	q.overriding()
	judged, names, paths := q.judged, q.overrides.names, q.others.paths
	if len(judged) == 0 || len(names) == 0 || len(paths) == 0 {
		t.Fatal(len(judged), len(names), len(paths))
	}
	q.Reset()
	if judged[0] != nil || names[0] != "" || paths[0] != "" {
		t.Errorf("%v %q %q", judged[0], names[0], paths[0])
	}
}
