package accesstable

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// FuzzJudge: Judge decides about any request, and Explain gives the same decision.
func FuzzJudge(f *testing.F) {
	table, _, err := Parse([]File{{"access.yaml", []byte(`default: [{anyone: true, methods: [GET, PROPFIND]}]
rules:
  - {hosts: ['*.example.com'], paths: [/admin/*, /a.php, /a/b/c/*], allow: [{roles: [admin], methods: [GET]}, {upgrades: [tcp], kinds: [user]}]}
  - {hosts: [b.example.com, '*.com'], paths: [/, /open/*], allow: [{anyone: true, methods: [GET, COPY, DELETE]}]}
  - {paths: [/a/*], allow: [{authenticated: true, methods: [COPY]}, {networks: [10.0.0.0/8]}]}
`)}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("GET", "app.example.com", "/admin/x", "/admin/x", "", "", "", "", "192.0.2.1")
	f.Add("COPY", "b.example.com", "/a/b.php/c", "/c", "b.example.com", "/Open/x", "delete,PROPFIND", "infinity", "::1")
	f.Fuzz(func(t *testing.T, method, host, path, rewritten, destinationHost, destination, override, depth, address string) {
		q := adminQuestion()
		q.Request.Method, q.Request.Host, q.Request.Path, q.Request.PathFolded, q.Request.RewrittenPath = method, host, path, strings.ToLower(path), rewritten
		q.Request.DestinationHost, q.Request.DestinationPath = destinationHost, destination
		q.Request.HeaderValues = map[string][]string{"x-http-method": {override}, "depth": {depth}}
		q.Client = request.Client{IP: address, PeerIP: address}
		judged, explained := judgeAgain(table, q), table.Explain(&Question{Document: q.Document})
		if judged.Allow != explained.Allow || judged.Labels["rule"] == "" {
			t.Errorf("%+v, explained as %+v", judged, explained)
		}
	})
}
