package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
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
	oracleTools    = []string{"greet", "read_*", "read", "*"}
	oracleMessages = []request.MCP{
		{Method: "tools/call", Tool: "greet"}, {Method: "tools/call", Tool: "read_file"}, {Method: "tools/call", Tool: "read_"}, {Method: "tools/call", Tool: "read*"},
		{Method: "tools/call"}, {Method: "tools/list"}, {Method: "server/discover"}, {Method: "initialize"}, {Method: "ping"}, {Method: "notifications/cancelled"},
		{Method: "resources/read"}, {Method: "notifications"}, {},
	}
	oracleNetworks = []string{"10.0.0.0/8", "10.1.0.0/16", "192.0.2.7", "2001:db8::/32", "::1"}
	oracleAddrs    = []string{"10.1.2.3", "10.2.0.1", "192.0.2.7", "192.0.2.8", "2001:db8::9", "::1", "::ffff:10.1.2.3", "", "unix", "fe80::1%eth0"}
	oracleAges     = []string{"1s", "1m", "15m", "1h", "400d"}
	oracleAuthTime = []int64{0, 1, -1, oracleTime - 61, oracleTime - 60, oracleTime - 59, oracleTime - 1, oracleTime, oracleTime + 1, oracleTime + 60, oracleTime + 61, oracleTime - 900, oracleTime - 901, oracleTime - 3600, 1 << 60}
	oracleClaims   = []string{"team", "realm.team", "/a~1b"}
	oracleValues   = []string{"red", "blue", "7", "7.0", "true", "1e2", "'7'", "12345678901234567890"}
)

// oracleTime is about when requests are made, in seconds since 1970.
const oracleTime = 1_800_000_000

// path makes up a path of a request, or one of a table.
func (g tableGenerator) path() string {
	return "/" + strings.Join(wordList(g.IntN(4), func() string { return g.pick(oracleNames...) }), "/")
}

// deep makes up a path with about as many segments, or as long, as the prefixes of a path
// are that a destination is looked for below.
func (g tableGenerator) deep() string {
	return g.pick(strings.Repeat("/a", 15+g.IntN(4)), "/"+strings.Repeat("é", 509+g.IntN(5)))
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
	case "anyone", "authenticated", "links":
		return name + ": true"
	case "kinds":
		return name + ": " + quotedList(g.list("user", "client", "guest", "anonymous"))
	case "methods":
		return name + ": " + quotedList(g.list(oracleMethods...))
	case "scopes", "acr":
		return name + ": " + quotedList(g.list(oracleWords[:3]...))
	case "max_age":
		return name + ": " + g.pick(oracleAges...)
	case "upgrades":
		return name + ": " + quotedList(g.list(oracleUpgrades...))
	case "tools":
		return name + ": " + quotedList(g.list(oracleTools...))
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
	alternatives := wordList(min(3, g.IntN(6)), func() string {
		names := []string{"claims", "authenticated", "users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "acr", "max_age", "upgrades", "tools", "clients"}
		from, count := g.IntN(2)*g.IntN(2), 1+g.IntN(2)*g.IntN(3) // claims stay first now and then
		var conditions []string
		if g.chance(20) {
			names, conditions = []string{"methods", "networks", "upgrades", "tools"}, []string{g.condition("anyone")}
			from, count = 0, g.IntN(3)
		}
		if len(conditions) == 0 && g.chance(15) {
			names, conditions = []string{"methods", "networks"}, []string{g.condition("links")}
			from, count = 0, g.IntN(3)
		}
		if len(conditions) == 0 && g.chance(30) {
			names, from, count = []string{"acr", "max_age", "scopes", "authenticated"}, 0, 1+g.IntN(4)
		}
		g.Shuffle(len(names)-from, func(i, j int) { names[from+i], names[from+j] = names[from+j], names[from+i] })
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
	var rules []tableRule
	for range g.IntN(7) {
		rules = append(rules, g.rule(rules))
		table.WriteString(rules[len(rules)-1].yaml())
	}
	return table.String()
}

// tableRule is a rule of a table.
type tableRule struct {
	hosts, paths []string
	allow        string
}

func (r tableRule) yaml() string {
	text := "  - {"
	if len(r.hosts) > 0 {
		text += "hosts: " + quotedList(slices.Clone(r.hosts)) + ", "
	}
	if len(r.paths) > 0 {
		text += "paths: " + quotedList(slices.Clone(r.paths)) + ", "
	}
	return text + "allow: " + r.allow + "}\n"
}

// rule makes up a rule after some others: often one that repeats or contradicts one of
// these, or that is for something below it.
func (g tableGenerator) rule(before []tableRule) tableRule {
	rule := tableRule{allow: g.alternatives()}
	if len(before) > 0 && g.chance(40) {
		earlier := before[g.IntN(len(before))]
		switch g.IntN(3) {
		case 0:
			return earlier
		case 1:
			rule.hosts, rule.paths = earlier.hosts, earlier.paths
		case 2:
			rule.hosts, rule.paths = g.narrower(earlier)
		}
		return rule
	}
	if g.chance(40) {
		rule.hosts = wordList(1+g.IntN(2), func() string { return g.pick("", "*.") + g.pick(oracleHosts[:4]...) })
	}
	if g.chance(5) {
		rule.paths = []string{g.deep() + "/b"}
	} else if g.chance(70) {
		rule.paths = wordList(1+g.IntN(2), func() string {
			return strings.TrimSuffix(g.path(), "/") + g.pick("/", "/", "/*", "/*", "/*", "/x.php", "/a.php", "/a.php/*")
		})
	}
	return rule
}

// narrower returns hosts and paths of which an earlier rule names more, or what is around
// a path of its own.
func (g tableGenerator) narrower(earlier tableRule) (hosts, paths []string) {
	for _, host := range earlier.hosts {
		if domain, below := strings.CutPrefix(host, "*"); below {
			host = g.pick("*.b", "b") + domain
		}
		hosts = append(hosts, host)
	}
	paths = []string{g.path()}
	for i, path := range earlier.paths {
		paths = append(paths[:i], strings.TrimSuffix(strings.TrimSuffix(path, "/*"), "/")+g.pick("/", "/a", "/b/*", "/*", "/*"))
	}
	return hosts, paths
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
func (g tableGenerator) caller() *authenticator.Identity {
	if g.chance(30) {
		return authenticator.Anonymous()
	}
	if g.chance(20) {
		return (&authenticator.Identity{Kind: authenticator.KindGuest, ID: g.pick("link:red", "red"), Method: "link"}).Normalize()
	}
	kinds := []authenticator.Kind{authenticator.KindUser, authenticator.KindClient, authenticator.KindUnknown}
	id := &authenticator.Identity{
		Authenticated: true, Kind: kinds[g.IntN(3)], ID: g.pick(oracleWords...), Username: g.pick(append(oracleWords, "")...),
		Issuer: g.pick(append(oracleWords, "")...), ACR: g.pick(append(oracleWords, "")...),
		Roles: g.some(oracleWords...), Groups: g.some(oracleWords...), Scopes: g.some(oracleWords...),
		Claims: map[string]any{"team": g.value(2), "realm": g.value(2), "a/b": g.value(1)},
		Method: g.pick("jwt", "basic", "session"), AuthTime: oracleAuthTime[g.IntN(len(oracleAuthTime))],
	}
	for _, name := range []string{"client_id", "azp"} {
		if g.chance(40) {
			id.Claims[name] = []any{g.pick(oracleWords...), g.pick(oracleWords...), nil, "", json.Number("7"), []any{"red"}}[g.IntN(6)]
		}
	}
	if g.chance(20) {
		id.Unknown = g.some(authenticator.UnknownFields()...)
	}
	return id.Normalize()
}

// document makes up a request as policies see it.
func (g tableGenerator) document() *request.Document {
	d := &request.Document{Contract: request.Contract, Identity: g.caller(), Config: map[string]any{}}
	f := &d.Request
	f.TimeNS = oracleTime*int64(time.Second) + g.Int64N(int64(time.Second))
	f.Method, f.Host = g.pick(append(oracleMethods, "GET", "GET", "CONNECT")...), g.pick(append(oracleHosts, "", "never.example")...)
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
	if g.chance(3) {
		f.Path, f.DestinationPath, f.DestinationHost = g.deep(), "/b", f.Host
		f.PathFolded, f.RewrittenPath = f.Path, f.Path
	}
	f.HeaderValues = map[string][]string{}
	if g.chance(25) {
		many := strings.Repeat("get,", 15+g.IntN(3)) + "get"
		f.HeaderValues[g.pick("x-http-method-override", "x-http-method", "x-method-override")] = []string{g.pick("DELETE", "get , get", "get,post", "", "move", many, many, many)}
	}
	if g.chance(40) {
		f.HeaderValues["depth"] = g.list("0", "1", "Infinity", "")
	}
	if g.chance(20) {
		f.Query = map[string][]string{"_method": g.list("delete", "GET", " get", "")}
	}
	if g.chance(40) {
		f.MCP = oracleMessages[g.IntN(len(oracleMessages))]
		f.Method = g.pick("POST", "POST", "POST", f.Method)
	}
	if g.chance(20) {
		f.Upgrade = g.pick(oracleUpgrades...)
	}
	d.Client = request.Client{IP: g.pick(oracleAddrs...), PeerIP: g.pick(oracleAddrs...), ForwardedUntrusted: g.chance(20)}
	return d
}

// target makes up a path as a client writes it, which can be read in several ways.
func (g tableGenerator) target() string {
	target := strings.Builder{}
	for range g.IntN(4) {
		target.WriteString(g.pick("/", "/", "/", "%2f", "//", "%252F") + g.pick("a", "b", "%61", "%2562", "C", "%C3%A9", "a.php", "b;x", "c%3fa", "a%23"))
	}
	return "/" + strings.TrimPrefix(target.String(), "/") + g.pick("", "", "/", "%3f_method=DELETE")
}

// received makes up a request as a client sends it, which a handler may have rewritten.
func (g tableGenerator) received() *request.Request {
	r := httptest.NewRequest(g.pick(oracleMethods...), "/", nil)
	r.Host, r.RequestURI = g.pick(oracleHosts...), g.target()
	r.URL.RawPath, r.URL.RawQuery = r.RequestURI, g.pick("", "", "", "_method=DELETE", "+.method=get", "a=1;[method=put")
	r.URL.Path, _ = url.PathUnescape(r.RequestURI)
	for _, header := range [][]string{
		{"Destination", "", "", g.target(), "http://" + g.pick(oracleHosts...) + g.target(), "https://foreign.example/a"},
		{"Depth", "", "", "0", "1", "infinity"},
		{"X-HTTP-Method", "", "", "", "MOVE", "get"},
		{"X-Forwarded-For", "", "", "", "10.1.2.3"},
	} {
		if value := g.pick(header[1:]...); value != "" {
			r.Header.Set(header[0], value)
		}
	}
	address := g.pick(oracleAddrs...)
	facts := request.Metadata{Time: time.Unix(oracleTime, g.Int64N(int64(time.Second))), ID: func() string { return "id" }, Method: r.Method, URL: r.URL, RequestURI: r.RequestURI, ClientIP: address, PeerIP: address}
	changed := *r
	if g.chance(20) {
		changed.URL = &url.URL{Path: g.path()}
	}
	return request.New(&changed, facts, new(request.Config))
}
