package policy

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// decideTable is product.md's, and more of it.
const decideTable = `
networks: {lan: [192.168.0.0/16, "fd00::/8"]}
blocked: {users: [mallory], networks: [203.0.113.0/24]}
rules:
  - paths: [/healthz, /.well-known/*]
    allow: [{anyone: true, methods: [GET]}]
  - hosts: [photos.example.com]
    allow: [{networks: [lan]}, {groups: [family]}]
  - hosts: [deploy.example.com]
    paths: [/api/deploy/*]
    allow: [{users: [build-server], scopes: [deploy, read], methods: [POST]}]
  - hosts: ["*.example.com"]
    paths: [/admin/*]
    allow: [{roles: [admin]}]
  - paths: [/drop/*, /team/*]
    allow: [{claims: {realm.team: blue}}, {claims: {/a.b: [7, true]}}]
  - hosts: [open.example.com]
    allow: [{anyone: true}]
`

// call is a request and its caller.
type call struct {
	method, host, target string
	header               map[string]string
	ip                   string
	id                   *authenticator.Identity
}

// decideBy asks a set about a call.
func decideBy(set *Engine, c call) Decision {
	r := httptest.NewRequest(c.method, c.target, nil)
	r.Host = c.host
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	if c.id == nil {
		c.id = authenticator.Anonymous()
	}
	facts := request.Metadata{ID: func() string { return "id" }, ClientIP: c.ip, PeerIP: c.ip}
	return set.Decide(r.Context(), Input{
		Request: request.New(r, facts, new(request.Config)), Identity: c.id, Config: NewConstants(nil),
	})
}

func caller(change func(*authenticator.Identity)) *authenticator.Identity {
	id := &authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: "bob", Username: "bob", Method: "basic"}
	change(id)
	return id.Normalize()
}

// TestAccessDecides goes all the way from YAML to the decision: T-12, T-14,
// T-15, T-18, T-20, T-23, T-55, T-72, T-73.
func TestAccessDecides(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", decideTable)}})
	bob := caller(func(*authenticator.Identity) {})
	admin := caller(func(i *authenticator.Identity) { i.Roles = []string{"admin"} })
	family := caller(func(i *authenticator.Identity) { i.Groups = []string{"family"} })
	claiming := func(claims map[string]any) *authenticator.Identity {
		return caller(func(i *authenticator.Identity) { i.Claims = claims })
	}
	token := func(id, username string, scopes ...string) *authenticator.Identity {
		return caller(func(i *authenticator.Identity) {
			i.ID, i.Username, i.Issuer, i.Method, i.Scopes = id, username, "https://id.example.com", "jwt", scopes
		})
	}
	const far, lan = "192.0.2.1", "192.168.1.2"
	forwarded := map[string]string{"X-Forwarded-For": "192.168.1.2"}
	tests := []struct {
		name string
		call call
		want bool
		rule string
	}{
		{"everybody may see the health", call{"GET", "x.example", "/healthz", nil, far, nil}, true, "access.yaml:5 (rule 1)"},
		{"HEAD counts as GET", call{"HEAD", "x.example", "/healthz", nil, far, nil}, true, "access.yaml:5 (rule 1)"},
		{"POST does not", call{"POST", "x.example", "/healthz", nil, far, nil}, false, "access.yaml:5 (rule 1)"},
		// T-23
		{"get does not", call{"get", "x.example", "/healthz", nil, far, nil}, false, "access.yaml:5 (rule 1)"},
		// T-23
		{"an overriding header does not", call{"POST", "x.example", "/healthz", map[string]string{"X-HTTP-Method-Override": "GET"}, far, nil}, false, "access.yaml:5 (rule 1)"},
		{"a trailing slash changes nothing", call{"GET", "x.example", "/healthz/", nil, far, nil}, true, "access.yaml:5 (rule 1)"},
		{"an exact path is not a prefix", call{"GET", "x.example", "/healthz/x", nil, far, nil}, false, "default"},
		{"below", call{"GET", "x.example", "/.well-known/a/b", nil, far, nil}, true, "access.yaml:5 (rule 1)"},
		{"at home", call{"GET", "photos.example.com", "/x", nil, lan, nil}, true, "access.yaml:7 (rule 2)"},
		{"at home, IPv6", call{"GET", "photos.example.com", "/x", nil, "fd12::1", nil}, true, "access.yaml:7 (rule 2)"},
		{"at home, IPv4 in IPv6", call{"GET", "photos.example.com", "/x", nil, "::ffff:192.168.1.2", nil}, true, "access.yaml:7 (rule 2)"},
		{"far away", call{"GET", "photos.example.com", "/x", nil, far, nil}, false, "access.yaml:7 (rule 2)"},
		{"far away, family", call{"GET", "photos.example.com", "/x", nil, far, family}, true, "access.yaml:7 (rule 2)"},
		// T-73
		{"at home says a stranger", call{"GET", "photos.example.com", "/x", forwarded, lan, nil}, false, "access.yaml:7 (rule 2)"},
		{"no address", call{"GET", "photos.example.com", "/x", nil, "", nil}, false, "blocked"},
		// T-15
		{"a host in capitals with port and dot", call{"GET", "PHOTOS.example.COM.:8443", "/x", nil, far, family}, true, "access.yaml:7 (rule 2)"},
		{"an admin", call{"GET", "a.b.example.com", "/admin/x", nil, far, admin}, true, "access.yaml:12 (rule 4)"},
		// T-72
		{"/admin itself", call{"GET", "a.example.com", "/admin", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		// T-72
		{"/ADMIN", call{"GET", "open.example.com", "/ADMIN/x", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"/%41dmin", call{"GET", "open.example.com", "/%41dmin/x", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		// T-12
		{"//admin", call{"GET", "open.example.com", "//admin/x", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		// T-14
		{"/admin%2fx", call{"GET", "open.example.com", "/admin%2fx", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		// T-14
		{"/admin%2Fx", call{"GET", "open.example.com", "/admin%2Fx", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"/admin;a/x", call{"GET", "open.example.com", "/admin;a/x", nil, far, bob}, false, "access.yaml:12 (rule 4)"},
		// T-20, T-55
		{"/administrator", call{"GET", "open.example.com", "/administrator", nil, far, bob}, true, "access.yaml:17 (rule 6)"},
		// T-55
		{"/x/admin", call{"GET", "open.example.com", "/x/admin", nil, far, bob}, true, "access.yaml:17 (rule 6)"},
		// T-18
		{"a path in a query", call{"GET", "x.example", "/x?/healthz", nil, far, nil}, false, "default"},
		// T-18
		{"a query in a path", call{"GET", "x.example", "/healthz%3fx", nil, far, nil}, false, "default"},
		{"the apex is not below itself", call{"GET", "example.com", "/admin", nil, far, admin}, false, "default"},
		{"a host that only ends alike", call{"GET", "badexample.com", "/admin", nil, far, admin}, false, "default"},
		{"a host that goes on", call{"GET", "a.example.com.evil", "/admin", nil, far, admin}, false, "default"},
		// T-72
		{"MOVE into a protected destination", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "https://open.example.com/Admin/a"}, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"MOVE into an encoded one", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "/%61dmin%2fa"}, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"MOVE out of a protected place", call{"MOVE", "open.example.com", "/admin/a", map[string]string{"Destination": "/a"}, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"MOVE by an admin", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "/admin/a"}, far, admin}, true, "access.yaml:12 (rule 4), access.yaml:17 (rule 6)"},
		{"N-07 Destination beside GET", call{"GET", "open.example.com", "/a", map[string]string{"Destination": "/admin/a"}, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"N-07 an overriding MOVE", call{"POST", "open.example.com", "/a", map[string]string{"Destination": "/admin/a", "X-HTTP-Method-Override": "MOVE"}, far, bob}, false, "access.yaml:12 (rule 4)"},
		{"N-07 the rules of another host", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "http://photos.example.com/a"}, far, bob}, false, "access.yaml:7 (rule 2)"},
		{"N-07 allowed by the rules of another host", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "http://photos.example.com/a"}, far, family}, true, "access.yaml:17 (rule 6), access.yaml:7 (rule 2)"},
		{"S-08 a host that no rule names", call{"MOVE", "open.example.com", "/a", map[string]string{"Destination": "http://evil.example/healthz"}, far, admin}, false, "foreign_destination"},
		{"a deployer", call{"POST", "deploy.example.com", "/api/deploy/x", nil, far, token("build-server", "", "read", "deploy")}, true, "access.yaml:9 (rule 3)"},
		{"a username chosen freely", call{"POST", "deploy.example.com", "/api/deploy/x", nil, far, token("eve", "build-server", "read", "deploy")}, false, "access.yaml:9 (rule 3)"},
		{"a claim", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"realm": map[string]any{"team": "blue"}})}, true, "access.yaml:15 (rule 5)"},
		{"a claim, in a list", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"realm": map[string]any{"team": []any{"red", "blue"}}})}, true, "access.yaml:15 (rule 5)"},
		{"a claim, another value", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"realm": map[string]any{"team": "bluer"}})}, false, "access.yaml:15 (rule 5)"},
		{"a claim through a string", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"realm": "team"})}, false, "access.yaml:15 (rule 5)"},
		{"a claim with a dot in its name", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"a.b": json.Number("7.0")})}, true, "access.yaml:15 (rule 5)"},
		{"a claim that is a string of digits", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"a.b": "7"})}, false, "access.yaml:15 (rule 5)"},
		{"a claim that is null", call{"GET", "x.example", "/team/x", nil, far, claiming(map[string]any{"a.b": nil})}, false, "access.yaml:15 (rule 5)"},
		{"a blocked user", call{"GET", "open.example.com", "/", nil, far, caller(func(i *authenticator.Identity) { i.ID = "mallory" })}, false, "blocked"},
		{"a blocked user of an issuer", call{"GET", "open.example.com", "/", nil, far, token("9f3c", "mallory")}, false, "blocked"},
		{"a blocked network", call{"GET", "open.example.com", "/", nil, "203.0.113.9", admin}, false, "blocked"},
		{"a blocked network that forwards", call{"GET", "open.example.com", "/", forwarded, "203.0.113.9", nil}, false, "blocked"},
		{"the root", call{"GET", "open.example.com", "/", nil, far, nil}, true, "access.yaml:17 (rule 6)"},
		{"every path of a server", call{"OPTIONS", "open.example.com", "*", nil, far, nil}, true, "access.yaml:17 (rule 6)"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := decideBy(set, test.call)
			if got.Allow != test.want || got.Labels["rule"] != test.rule || got.Err != nil {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestAccessChallenge: R-403-2, R-BR-5. All scopes that the operation needs in
// one challenge, and none where a scope would not help.
func TestAccessChallenge(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", decideTable)}})
	token := func(id string, scopes ...string) *authenticator.Identity {
		return caller(func(i *authenticator.Identity) { i.ID, i.Method, i.Scopes = id, "jwt", scopes })
	}
	tests := []struct {
		name, method string
		id           *authenticator.Identity
		want         []string
	}{
		{"one is missing", "POST", token("build-server", "read"), []string{"deploy", "read"}},
		{"both are missing", "POST", token("build-server"), []string{"deploy", "read"}},
		{"none is missing", "POST", token("build-server", "read", "deploy"), nil},
		{"it is another user", "POST", token("bob", "read"), nil},
		{"it is another method", "GET", token("build-server", "read"), nil},
		{"it is anonymous", "POST", authenticator.Anonymous(), nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := decideBy(set, call{test.method, "deploy.example.com", "/api/deploy/x", nil, "192.0.2.1", test.id})
			var scopes []string
			if got.Challenge != nil {
				scopes = got.Challenge.Scopes
			}
			if diff := cmp.Diff(test.want, scopes); diff != "" || got.Err != nil {
				t.Errorf("%v %s", got.Err, diff)
			}
			if !got.Allow && !slices.Equal(got.Codes, []string{"rule_denied"}) {
				t.Errorf("codes %v", got.Codes)
			}
		})
	}
}

// TestAccessManyNetworks: a long list of who is shut out does not shut out
// everybody by running into the timeout.
func TestAccessManyNetworks(t *testing.T) {
	table := strings.Builder{}
	table.WriteString("default: [{anyone: true}]\nblocked:\n  networks:\n")
	for i := range 10_000 {
		fmt.Fprintf(&table, "    - 10.%d.%d.0/24\n", i/256, i%256)
	}
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", table.String())}})
	for ip, want := range map[string]bool{"192.0.2.1": true, "10.39.15.7": false, "10.39.16.7": true} {
		if got := decideBy(set, call{"GET", "x.example", "/", nil, ip, nil}); got.Allow != want || got.Err != nil {
			t.Errorf("%s: got %+v", ip, got)
		}
	}
}

// TestAccessLongPaths: neither a long path nor a host with many labels takes
// longer than a decision may.
func TestAccessLongPaths(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", decideTable)}})
	target, host := make([]byte, 0, 200_000), make([]byte, 0, 200_000)
	for range 30_000 {
		target, host = append(target, "/a"...), append(host, "a."...)
	}
	got := decideBy(set, call{"GET", string(host) + "example.com", string(target), nil, "192.0.2.1", nil})
	if got.Allow || got.Err != nil || got.Labels["rule"] != "default" {
		t.Errorf("got %+v", got)
	}
}
