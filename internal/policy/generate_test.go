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
	forms := []func(int) string{g.compare, g.member, g.function, g.whole, g.known, g.alias, g.aliasUsed, g.words, g.template}
	if depth > 0 {
		forms = append(forms, g.other, g.negated, g.with, g.helper, g.collection, g.every, g.aliasGiven, g.aliasHead)
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

// section picks a part of input and names that its members may have.
func (g *generator) section() (ref string, names []string) {
	switch g.IntN(5) {
	case 0:
		return "input.request", []string{"method", "path", "host", "segments", "headers"}
	case 1:
		return "input.identity", []string{"id", "username", "roles", "claims"}
	case 2:
		return "input.identity.claims", []string{"team", "level", "tags", "other"}
	case 3:
		return "input.client", []string{"ip", "trusted_proxy"}
	}
	return "input.request.headers", []string{"x-tenant", "accept", "other"}
}

// get asks for a member of a variable, in a call.
func (g *generator) get(name string, members []string) string {
	path := g.pick(`"`+g.pick(members...)+`"`, `"`+g.pick(members...)+`"`, `["`+g.pick(members...)+`"]`, `["`+g.pick(members...)+`", "`+g.pick("team", "accept")+`"]`)
	return "object.get(" + name + ", " + path + ", " + g.pick(`"x"`, g.text(), "set()") + ")"
}

// alias reads members of a variable that stands for a part of input, and maybe more.
func (g *generator) alias(int) string {
	name, again := g.name(), g.name()
	ref, members := g.section()
	read := g.get(name, members) + g.pick(" == ", " != ") + g.literal()
	define := g.pick(name+" := "+ref, name+" := "+ref, ref+" = "+name, "some "+name+"; "+name+" = "+ref, again+" := "+ref+"; "+name+" := "+again,
		"["+name+", "+again+"] := ["+ref+", "+g.text()+"]", "{\"a\": "+name+"} = {\"a\": "+ref+"}", name+" := {\"a\": "+ref+"}.a")
	more := g.pick("true", "true", name+"["+g.text()+"]", name+"."+strings.ReplaceAll(g.pick(members...), "-", "_")+" == "+g.literal(), "count("+name+") > 2",
		"not "+g.get(name, members)+" == "+g.literal(), "lower("+g.get(name, members)+") == "+g.text(), name+" != "+g.object())
	return define + "; " + g.pick(read+"; "+more, more+"; "+read, read)
}

// aliasUsed reads of a variable where one inside another body may be another.
func (g *generator) aliasUsed(int) string {
	name, value := g.name(), g.name()
	ref, members := g.section()
	inner, innerMembers := g.section()
	define, read := name+" := "+ref+"; ", g.get(name, members)
	return define + g.pick(
		"count(["+value+" | "+value+" := "+read+"; "+value+" != "+g.literal()+"]) > 0; "+read+" != "+g.literal(),
		"count({"+read+" | "+g.text()+" == "+g.literal()+"}) > 0",
		"count({"+value+": "+read+" | some "+value+" in "+g.list()+"}) > 1",
		"count(["+value+" | "+name+" := "+inner+"; "+value+" := "+g.get(name, innerMembers)+"; "+value+" != "+g.literal()+"]) > 0; "+read+" == "+g.literal(),
		"every "+value+" in "+g.list()+" { "+value+" != "+read+" }",
		"some "+value+" in ["+name+"]; "+g.get(value, members)+" == "+g.literal()+"; "+read+" != "+g.literal(),
		"some _, "+value+" in "+name+"; "+value+" == "+g.literal()+"; "+read+" != "+g.literal(),
		read+" == "+g.literal()+" with "+g.pick("input.identity.id", "input.request.method")+" as "+g.text(),
		read+" != "+g.literal()+"; "+name+" == "+inner+" with input.request.method as "+g.text(),
		"$\"{"+name+"}\" != $\"{"+read+"}\"",
	)
}

// aliasGiven gives a variable to a function that reads members of it.
func (g *generator) aliasGiven(int) string {
	name, value := g.name(), g.name()
	ref, members := g.section()
	fmt.Fprintf(&g.rules, "%s(o) := %s if %s == %s\n\n%s(o) := %s if {\n\tx := o\n\t%s != %s\n\t%s\n}\n\n", name, g.literal(), g.get("o", members), g.literal(),
		name, g.literal(), g.get("x", members), g.text(), g.pick("true", "x["+g.text()+"]"))
	return g.pick(name+"("+ref+")", value+" := "+ref+"; "+g.get(value, members)+" != "+g.literal()+"; "+name+"("+value+")", name+"(object.union("+ref+", {}))") + " == " + g.literal()
}

// aliasHead makes a rule in whose head stands a variable for a part of input.
func (g *generator) aliasHead(int) string {
	name := g.name()
	ref, members := g.section()
	body, read := " if {\n\to := "+ref+"\n\t"+g.get("o", members)+" != "+g.literal()+"\n}\n\n", g.get("o", members)
	switch g.IntN(5) {
	case 0:
		g.rules.WriteString(name + " := o" + body)
		return name + g.pick("."+strings.ReplaceAll(g.pick(members...), "-", "_")+" == ", "["+g.text()+"] == ") + g.literal()
	case 1:
		g.rules.WriteString(name + " := " + read + body)
		return name + " == " + g.literal()
	case 2:
		g.rules.WriteString(name + " contains " + g.pick("o", read, "[o]") + body)
		return "count({x | some x in " + name + "; x != " + g.pick(ref, g.text()) + "}) > 0"
	case 3:
		g.rules.WriteString(name + "[o] := " + g.literal() + body)
		key := g.name()
		return "some " + key + ", _ in " + name + "; " + key + g.pick("."+strings.ReplaceAll(g.pick(members...), "-", "_"), "["+g.text()+"]") + " == " + g.literal()
	}
	g.rules.WriteString(name + " := " + g.literal() + body[:len(body)-2] + " else := o if {\n\to := " + ref + "\n\t" + read + " != " + g.literal() + "\n}\n\n")
	return name + " == " + g.pick(ref, g.literal())
}

// words reads members by a variable that stands for one of a few names.
func (g *generator) words(int) string {
	name, value := g.name(), g.name()
	object, members := g.section()
	list := g.pick(`["`+g.pick(members...)+`", "`+g.pick(members...)+`"]`, `{"`+g.pick(members...)+`", "`+g.pick(members...)+`"}`, `["`+g.pick(members...)+`", 1]`,
		`["`+g.pick(members...)+`", [`+g.text()+`][0]]`)
	read := object + "[" + name + "]"
	other := `["` + g.pick(members...) + `"]`
	return g.pick(
		"some "+name+" in "+list+"; "+read+" == "+g.literal(),
		name+" := "+list+"[_]; "+read+" != "+g.literal(),
		value+" := "+list+"; "+name+" = "+value+"[_]; "+read+" == "+g.literal(),
		name+" := ["+list+", "+other+"][_][_]; "+read+" == "+g.literal(),
		"every "+name+" in "+list+" { "+read+" != "+g.literal()+" }",
		"count(["+name+" | some "+name+" in "+list+"; "+read+" == "+g.literal()+"]) > 0",
		"count([1 | "+name+" := "+other+"[_]; "+read+" != "+g.literal()+"]) > 0; some "+name+" in "+list+"; "+read+" == "+g.literal(),
		object+"["+name+"]; count([1 | "+name+" = "+other+"[_]]) == 0; "+g.pick(object, g.object())+"["+name+"] == "+g.literal(),
		"some "+value+" in "+list+"; object.get("+object+", "+value+", \"x\") == "+g.literal(),
		"some "+name+" in "+list+"; not "+read+" == "+g.literal(),
	)
}

// template writes texts with values in them.
func (g *generator) template(int) string {
	name := g.name()
	ref, members := g.section()
	return g.pick(
		"$\"{"+g.text()+"}\" == "+g.literal(),
		"$\"a{"+g.text()+"}{"+g.text()+"}\" != $\"a{"+g.text()+"}\"",
		"contains($\"{"+ref+"}\", "+g.literal()+")",
		name+" := "+ref+"; $\"{"+g.get(name, members)+"}\" == "+g.literal(),
		name+" := $\"{"+g.text()+"}\"; "+ref+"["+name+"]",
		"some "+name+" in "+g.list()+"; $\"{"+name+"}\" == $\"{"+g.text()+"}\"",
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
