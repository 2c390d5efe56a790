package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/identity"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// tableGenerator makes up access tables, and requests that their words fit.
type tableGenerator struct{ *rand.Rand }

func (g tableGenerator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g tableGenerator) chance(percent int) bool { return g.IntN(100) < percent }

// list picks one to three of some words.
func (g tableGenerator) list(from ...string) []string {
	return wordList(1+g.IntN(3), func() string { return g.pick(from...) })
}

// some picks none to three of some words.
func (g tableGenerator) some(from ...string) []string {
	return wordList(g.IntN(4), func() string { return g.pick(from...) })
}

// Words of tables and requests: few, so that they meet.
var (
	oracleHosts    = []string{"a.example", "b.a.example", "c.b.a.example", "xa.example", "192.0.2.1"}
	oracleNames    = []string{"a", "b", "c", "é"}
	oracleWords    = []string{"red", "blue", "Red", "red "}
	oracleMethods  = []string{"GET", "HEAD", "POST", "DELETE", "MOVE", "LOCK", "PROPFIND", "REPORT"}
	oracleUpgrades = []string{"websocket", "tcp", "spdy/3.1"}
	oracleNetworks = []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::1"}
	oracleAddrs    = []string{"10.1.2.3", "10.2.0.1", "192.0.2.7", "192.0.2.8", "2001:db8::9", "::1", "::ffff:10.1.2.3", "", "unix", "fe80::1%eth0"}
	oracleClaims   = []string{"team", "realm.team", "/a~1b"}
	oracleValues   = []string{"red", "7", "7.0", "true", "1e2", "'7'", "12345678901234567890"}
)

// path makes up a path of a request, or one of a table.
func (g tableGenerator) path() string {
	return "/" + strings.Join(wordList(g.IntN(4), func() string { return g.pick(oracleNames...) }), "/")
}

func quotedList(words []string) string {
	for i, word := range words {
		words[i] = strconv.Quote(word)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// condition writes a condition with a name.
func (g tableGenerator) condition(name string) string {
	switch name {
	case "anyone", "authenticated":
		return name + ": true"
	case "kinds":
		return name + ": " + quotedList(g.list("user", "client", "anonymous"))
	case "methods":
		return name + ": " + quotedList(g.list(oracleMethods...))
	case "scopes":
		return name + ": " + quotedList(g.list(oracleWords[:3]...))
	case "upgrades":
		return name + ": " + quotedList(g.list(oracleUpgrades...))
	case "networks":
		return name + ": " + quotedList(g.list(append(oracleNetworks, "lan")...))
	case "claims":
		values := g.list(oracleValues...)
		return fmt.Sprintf("claims: {%s: [%s]}", g.pick(oracleClaims...), strings.Join(values, ", "))
	}
	return name + ": " + quotedList(g.list(oracleWords...))
}

// alternatives writes a list of alternatives.
func (g tableGenerator) alternatives() string {
	alternatives := wordList(g.IntN(4), func() string {
		names := []string{"authenticated", "users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "claims", "acr", "upgrades"}
		var conditions []string
		if g.chance(20) {
			names, conditions = []string{"methods", "networks", "upgrades"}, []string{g.condition("anyone")}
		}
		g.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		count := 1 + g.IntN(3)
		if len(conditions) > 0 {
			count = g.IntN(3)
		}
		for _, name := range names[:count] {
			conditions = append(conditions, g.condition(name))
		}
		return "{" + strings.Join(conditions, ", ") + "}"
	})
	return "[" + strings.Join(alternatives, ", ") + "]"
}

// table writes a table.
func (g tableGenerator) table() string {
	table := strings.Builder{}
	table.WriteString("networks: {lan: [10.1.0.0/16, '::1']}\n")
	if g.chance(30) {
		fmt.Fprintf(&table, "blocked: {users: %s, networks: %s}\n", quotedList(g.some(oracleWords...)), quotedList(g.some(oracleNetworks...)))
	}
	if g.chance(50) {
		table.WriteString("default: " + g.alternatives() + "\n")
	}
	table.WriteString("rules:\n  - {hosts: [never.example], allow: []}\n")
	for range g.IntN(6) {
		table.WriteString("  - {")
		if g.chance(40) {
			table.WriteString("hosts: " + quotedList(wordList(1+g.IntN(2), func() string {
				return g.pick("", "*.") + g.pick(oracleHosts[:4]...)
			})) + ", ")
		}
		if g.chance(70) {
			table.WriteString("paths: " + quotedList(wordList(1+g.IntN(2), func() string {
				return strings.TrimSuffix(g.path(), "/") + g.pick("/", "/", "/*", "/*", "/*", "/x.php", "/a.php", "/a.php/*")
			})) + ", ")
		}
		table.WriteString("allow: " + g.alternatives() + "}\n")
	}
	return table.String()
}

// value makes up a claim's value.
func (g tableGenerator) value(depth int) any {
	switch g.IntN(9) {
	case 0:
		return nil
	case 1:
		return g.chance(50)
	case 2, 3:
		return json.Number(g.pick("7", "7.0", "70e-1", "100", "12345678901234567890", "12345678901234567891"))
	case 4:
		if depth > 0 {
			return []any{g.value(depth - 1), g.value(depth - 1)}
		}
	case 5:
		if depth > 0 {
			return map[string]any{"team": g.value(depth - 1)}
		}
	}
	return g.pick("red", "blue", "7", "true")
}

// caller makes up a caller, known or not.
func (g tableGenerator) caller() *identity.Identity {
	if g.chance(30) {
		return identity.Anonymous()
	}
	kinds := []identity.Kind{identity.KindUser, identity.KindClient, identity.KindUnknown}
	id := &identity.Identity{
		Authenticated: true, Kind: kinds[g.IntN(3)], ID: g.pick(oracleWords...), Username: g.pick(append(oracleWords, "")...),
		Issuer: g.pick(append(oracleWords, "")...), ACR: g.pick(append(oracleWords, "")...),
		Roles: g.some(oracleWords...), Groups: g.some(oracleWords...), Scopes: g.some(oracleWords...),
		Claims: map[string]any{"team": g.value(2), "realm": g.value(2), "a/b": g.value(1)},
	}
	if g.chance(20) {
		id.Unknown = g.some(identity.UnknownFields()...)
	}
	return id.Normalize()
}

// document makes up a request as policies see it.
func (g tableGenerator) document() *request.Document {
	d := &request.Document{Contract: request.Contract, Identity: g.caller(), Config: map[string]any{}}
	f := &d.Request
	f.Method, f.Host = g.pick(append(oracleMethods, "CONNECT")...), g.pick(append(oracleHosts, "", "never.example")...)
	f.Path = g.path() + g.pick("", "", "/", "//")
	if g.chance(3) {
		f.Path = g.pick("*", "", "//", "///", "/É/A")
	}
	if g.chance(10) {
		f.Path = g.path() + g.pick(".php", ".PHP", "/x.php", "/a.php", ".phpx") + g.pick("", "/", g.path(), ".php/a")
	}
	f.PathFolded, f.RewrittenPath = strings.ToLower(f.Path), f.Path
	if g.chance(20) {
		f.RewrittenPath = g.pick(g.path(), strings.ToUpper(g.path()), "")
	}
	if g.chance(20) {
		f.DestinationPath, f.DestinationHost = g.pick(g.path(), strings.ToUpper(g.path())), g.pick(append(oracleHosts, f.Host, "foreign.example")...)
	}
	if g.chance(20) {
		f.HeaderValues = map[string][]string{g.pick("x-http-method-override", "x-http-method", "x-method-override"): {g.pick("DELETE", "get , get", "get,post", "", "move")}}
	}
	if g.chance(40) {
		f.HeaderValues = map[string][]string{"depth": g.list("0", "1", "Infinity", "")}
	}
	if g.chance(20) {
		f.Query = map[string][]string{"_method": g.list("delete", "GET", " get", "")}
	}
	if g.chance(20) {
		f.Upgrade = g.pick(oracleUpgrades...)
	}
	d.Client = request.Client{IP: g.pick(oracleAddrs...), PeerIP: g.pick(oracleAddrs...), ForwardedUntrusted: g.chance(20)}
	return d
}

// verdict is what is compared of a decision.
type verdict struct {
	Allow     bool
	Reason    identity.Reason
	Codes     []string
	Challenge *Challenge
	Login     *Login
	Labels    map[string]string
}

func verdictOf(d Decision) verdict {
	return verdict{d.Allow, d.Reason, d.Codes, d.Challenge, d.Login, d.Labels}
}

// longTests says how long the tests that generate cases run, or 0 for briefly:
// POLICY_AUTH_LONG=30m.
func longTests(t testing.TB) time.Duration {
	t.Helper()
	if os.Getenv("POLICY_AUTH_LONG") == "" {
		return 0
	}
	long, err := time.ParseDuration(os.Getenv("POLICY_AUTH_LONG"))
	if err != nil {
		t.Fatal(err)
	}
	return long
}

// TestAccessOracle: whatever the table, the caller and the request, the judge in Go
// decides as the policy caddy.access does: reasons, challenge, login and labels too.
// It runs for 40 tables, or as long as POLICY_AUTH_LONG says.
func TestAccessOracle(t *testing.T) {
	seed, long := uint64(13), longTests(t)
	if long > 0 {
		seed = rand.Uint64()
	}
	g, path := tableGenerator{rand.New(rand.NewPCG(seed, 1))}, newDir(t)
	other := path.write("other.rego", "package other\n") // so that there is Rego to ask
	end, compared, allowed := time.Now().Add(long), 0, 0
	for tables := 0; tables < 40 || time.Now().Before(end); tables++ {
		content := g.table()
		current := load(t, Config{Sources: []string{other}, Access: []string{path.write("access.yaml", content)}, Decision: accessDecision, Timeout: time.Minute})
		for range 200 {
			d := g.document()
			native := decisionOf(current.table.Judge(&accesstable.Question{Document: d}))
			span := current.span(time.Minute)
			oracle := current.evaluate(t.Context(), whole.term(d, NewConstants(nil).term, nil, nil), span, nil)
			if diff := cmp.Diff(verdictOf(oracle), verdictOf(native)); diff != "" || oracle.Err != nil {
				encoded, _ := json.Marshal(d)
				t.Fatalf("seed %d, %v %s\n%s\n%s", seed, oracle.Err, diff, content, encoded)
			}
			compared++
			if native.Allow {
				allowed++
			}
		}
	}
	t.Logf("%d decisions compared, of which %d allow", compared, allowed)
	if allowed < compared/20 {
		t.Errorf("only %d of %d allow", allowed, compared)
	}
}

// load loads policies once, without watching them.
func load(t testing.TB, config Config) *snapshot {
	t.Helper()
	set := open(t, config)
	return set.live.Load()
}

// TestNative: a table decides by itself only where nothing else is to be asked.
func TestNative(t *testing.T) {
	table := []string{"access.yaml"}
	for name, test := range map[string]struct {
		config Config
		want   bool
	}{
		"a table":                  {Config{Access: table}, true},
		"policies beside it":       {Config{Access: table, Sources: []string{"p"}}, false},
		"its decision beside some": {Config{Access: table, Sources: []string{"p"}, Decision: accessDecision}, false},
		"the input of opa-envoy":   {Config{Access: table, Decision: accessDecision, OPAEnvoy: true}, false},
		"another decision":         {Config{Access: table, Decision: "data.caddy.access.allow"}, false},
		"no table":                 {Config{Decision: accessDecision}, false},
		"nothing":                  {Config{}, false},
	} {
		if got := test.config.Normalized().native(); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
