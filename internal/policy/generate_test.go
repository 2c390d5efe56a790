package policy

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// generator makes up policies.
type generator struct {
	*rand.Rand
	rules strings.Builder
	count int
}

// generate returns a policy for a seed, the same one each time.
func generate(seed uint64) string {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 4711))}
	g.rule("allow", 3)
	if g.IntN(2) == 0 {
		g.rule("allow", 3)
	}
	imports := ""
	if g.IntN(3) == 0 {
		imports = "import input.request as req\n\n"
		g.rules.WriteString("allow if {\n\treq.method == \"POST\"\n\treq.headers.other == \"changed\"\n}\n")
	}
	return "package caddy.authz\n\n" + imports + g.rules.String()
}

func (g *generator) pick(from ...string) string { return from[g.IntN(len(from))] }

func (g *generator) name() string {
	g.count++
	return fmt.Sprintf("r%d", g.count)
}

// rule writes a rule, with rules that it needs down to a depth.
func (g *generator) rule(name string, depth int) {
	var body []string
	for range 1 + g.IntN(3) {
		body = append(body, g.condition(depth))
	}
	text := name + " if {\n\t" + strings.Join(body, "\n\t") + "\n}"
	if g.IntN(5) == 0 {
		text += " else if {\n\t" + g.condition(0) + "\n}"
	}
	g.rules.WriteString(text + "\n\n")
}

func (g *generator) text() string {
	return g.pick("input.request.method", "input.request.path", "input.request.host", "input.request.scheme", "input.client.ip", "input.identity.id",
		"input.identity.username", "input.tls.sni", "input.failure.reason", "input.config.a", "input.identity.claims.team",
		`input.request.headers["x-tenant"]`, "input.request.headers.accept", "input.request.segments[0]", "input.request.query.a[0]", "input.tls.client_certificate.subject")
}

func (g *generator) list() string {
	return g.pick("input.identity.roles", "input.identity.groups", "input.identity.scopes", "input.request.segments", "input.identity.claims.tags",
		`input.request.header_values["x-tenant"]`, "input.identity.amr", "input.request.path_flags")
}

func (g *generator) object() string {
	return g.pick("input.request.headers", "input.identity.claims", "input.request.query", "input.client", "input.tls.client_certificate", "input.identity", "input.config", "input")
}

func (g *generator) literal() string {
	return g.pick(`"a"`, `"b"`, `""`, `"GET"`, `"POST"`, `"/a/b"`, `"changed"`)
}

// condition returns one line of a rule's body.
func (g *generator) condition(depth int) string {
	forms := []func(int) string{g.compare, g.member, g.function, g.whole, g.known}
	if depth > 0 {
		forms = append(forms, g.other, g.negated, g.with, g.helper, g.collection, g.every)
	}
	return forms[g.IntN(len(forms))](depth - 1)
}

func (g *generator) compare(int) string {
	return g.pick(g.text()+" == "+g.literal(), g.text()+" != "+g.literal(), g.text()+" == "+g.text(), "input.request.port > 1", "input.client.trusted_proxy",
		"input.request.websocket", "input.identity.expires_at > 40000", "input.tls.client_certificate.verified", "object.get(input.request.headers, \"other\", \"none\") == "+g.literal())
}

func (g *generator) member(int) string {
	return g.pick(g.literal()+" in "+g.list(), g.list()+"[_] == "+g.literal(), "count("+g.list()+") > 1", g.list()+"["+g.pick("0", "1")+"] == "+g.text())
}

func (g *generator) function(int) string {
	return g.pick("startswith("+g.text()+", "+g.literal()+")", "lower("+g.text()+") == "+g.literal(), "contains("+g.text()+", "+g.text()+")",
		"net.cidr_contains(\"192.0.2.0/24\", input.client.ip)", "concat(\"/\", "+g.list()+") != "+g.literal())
}

// whole reads an object without naming all that it reads of it.
func (g *generator) whole(int) string {
	k, v := g.name(), g.name()
	return g.pick("some "+k+", "+v+" in "+g.object()+"; "+k+" == "+v, "count("+g.object()+") > 2", g.object()+"["+g.text()+"]", k+" := "+g.object()+"; "+k+"["+g.literal()+"]",
		"walk("+g.object()+", [[\"a\"], _])", "json.marshal("+g.object()+") != \"\"", "object.keys("+g.object()+") != set()")
}

// known reads members whose names are known, though not at once.
func (g *generator) known(int) string {
	name := g.name()
	return g.pick(
		"object.get("+g.object()+", "+g.pick(`"a"`, `"team"`, `["headers", "accept"]`, `["claims", "team"]`, g.literal())+", "+g.pick(g.literal(), g.text())+") == "+g.literal(),
		"some "+name+" in "+g.pick(`["x-tenant", "accept"]`, `{"team", "a"}`, `["a", 1]`)+"; "+g.object()+"["+name+"] == "+g.pick(g.literal(), g.text()),
		name+" := "+g.pick(g.text(), g.object()),
		name+" := "+g.object()+"; object.get("+name+", \"a\", \"x\") == "+g.literal()+"; "+g.pick("true", "is_object("+name+")", "count("+name+") > 2"),
		g.object()+"["+name+"] == "+g.literal()+"; count([1 | "+name+" = [\"accept\"][_]]) "+g.pick("> 0", "== 0"),
	)
}

func (g *generator) other(depth int) string {
	name := g.name()
	g.rule(name, depth)
	return g.pick(name, "data.caddy.authz."+name, "data.caddy.authz[\""+name+"\"]")
}

func (g *generator) negated(depth int) string { return "not " + g.other(depth) }

func (g *generator) with(depth int) string {
	return g.other(depth) + " with " + g.pick(g.pick("input.request.method", "input.identity.id", "input.config.a")+" as "+g.pick(g.text(), g.literal()), "input as {\"request\": input.request}", "input.identity as input.client")
}

func (g *generator) helper(int) string {
	name := g.name()
	fmt.Fprintf(&g.rules, "%s(x) if x == %s\n\n%s(x) if {\n\tis_object(x)\n\tx[%s]\n}\n\n", name, g.literal(), name, g.text())
	return name + "(" + g.pick(g.text(), g.object(), g.list()) + ")"
}

func (g *generator) collection(int) string {
	name := g.name()
	switch g.IntN(5) {
	case 0:
		fmt.Fprintf(&g.rules, "%s contains x if some x in %s\n\n", name, g.list())
		return g.literal() + " in " + name
	case 1:
		fmt.Fprintf(&g.rules, "%s[x] := %s if some x in %s\n\n", name, g.text(), g.list())
		return name + "[" + g.literal() + "] == " + g.literal()
	case 2: // which is an error if there are several
		fmt.Fprintf(&g.rules, "%s := x if some x in %s\n\n", name, g.list())
		return name + " == " + g.text()
	case 3:
		g.members(name)
		return name + "[" + g.pick(g.literal(), g.text()) + "].may == " + g.literal()
	}
	return "count({x | some x in " + g.list() + "; x != " + g.text() + "}) > 0"
}

// members writes rules of which each is one or several members of an object.
func (g *generator) members(name string) {
	fmt.Fprintf(&g.rules, "%s[%s].may := %s if %s\n\n", name, g.text(), g.pick(g.literal(), g.text()), g.compare(0))
	if g.IntN(2) == 0 {
		fmt.Fprintf(&g.rules, "%s.a.may := %s if %s\n\n", name, g.text(), g.compare(0))
	}
}

func (g *generator) every(int) string {
	return "every x in " + g.list() + " { x != " + g.text() + " }"
}
