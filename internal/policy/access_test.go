package policy

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestAccess asks the embedded policy, from the YAML on: product.md, section 4.
func TestAccess(t *testing.T) {
	d := policytest.NewDir(t)
	set := open(t, Config{Access: []string{d.Write("access.yaml", `
networks: {lan: [192.0.2.0/24]}
blocked: {users: [mallory]}
rules:
  - paths: [/healthz]
    allow: [{anyone: true, methods: [GET]}]
  - paths: [/local/*]
    allow: [{networks: [lan]}]
  - paths: [/Admin/*]
    allow: [{roles: [admin], claims: {team: [blue, red]}}]
  - hosts: [other.example]
    allow: [{authenticated: true}]
`)}})
	blue := (&authenticator.Identity{Authenticated: true, ID: "a", Roles: []string{"admin"}, Claims: map[string]any{"team": "blue"}}).Normalize()
	tests := []struct {
		name, target string
		id           *authenticator.Identity
		want         bool
		rule         string
	}{
		{"open", "/healthz", nil, true, "access.yaml:5 (rule 1)"},
		{"below an exact path", "/healthz/x", nil, false, "default"},
		{"local", "/local/x", nil, true, "access.yaml:7 (rule 2)"},
		{"admin", "/admin", blue, true, "access.yaml:9 (rule 3)"},
		{"admin, upper case", "/ADMIN/x", blue, true, "access.yaml:9 (rule 3)"},
		{"admin, anonymous", "/admin", nil, false, "access.yaml:9 (rule 3)"},
		{"admin, doubled slash", "//admin", nil, false, "default"},
		{"admin, encoded", "/%61dmin%2fx", nil, false, "default"},
		{"administrator", "/administrator", blue, false, "default"},
		{"another host's rule", "/x", blue, false, "default"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := asked(test.target, "")
			if test.id != nil {
				in.Identity = test.id
			}
			got := set.Decide(t.Context(), in)
			if got.Allow != test.want || got.Labels["rule"] != test.rule || got.Err != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestInputTerm: what policies read is the document, whether it is built
// straight or by way of JSON.
func TestInputTerm(t *testing.T) {
	in := asked("/a%2fb//c;d?x=1&x=2;y", "admin")
	claims := map[string]any{"n": json.Number("12345678901234567890"), "f": json.Number("1.5"), "l": []any{"a", nil, true}, "o": map[string]any{"k": "v"}}
	in.Identity = (&authenticator.Identity{Authenticated: true, ID: "a", Claims: claims, AuthTime: 5, ExpiresAt: 1 << 53}).Normalize()
	config := map[string]any{"int": 1, "float": 2.5, "text": "x", "list": []any{"a", 1}, "yes": true}
	for _, reading := range in.Request.Readings() {
		document := in.Request.Document(reading, in.Identity, authenticator.ReasonSessionExpired, config, request.AllFields)
		checkTerm(t, &document)
	}
	empty := request.Document{Identity: authenticator.Anonymous(), Config: map[string]any{}}
	empty.Request.Segments, empty.Request.PathFlags, empty.Request.QueryFlags = []string{}, []string{}, []string{}
	empty.Request.Query, empty.Request.Headers, empty.Request.HeaderValues = map[string][]string{}, map[string]string{}, map[string][]string{}
	empty.TLS.ClientCertificate = request.Certificate{DNSNames: []string{}, Emails: []string{}, URIs: []string{}}
	checkTerm(t, &empty)
}

func checkTerm(t *testing.T, document *request.Document) {
	t.Helper()
	encoded, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	want, err := ast.ValueFromReader(strings.NewReader(string(encoded)))
	if err != nil {
		t.Fatal(err)
	}
	if got := whole.term(document, NewConstants(document.Config).term, nil).Value; got.Compare(want) != 0 {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
