package policy

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

// steadyNames returns the paths of steady rules, sorted, below the package.
func (s *steady) names() []string {
	names := []string{}
	for _, rules := range s.rules {
		for _, rule := range rules {
			names = append(names, strings.TrimPrefix(rule.path.String(), "data.caddy.authz."))
		}
	}
	slices.Sort(names)
	return names
}

// TestSteady: T-05, R-CACHE-6. Which rules are steady, and that what is learnt of
// them changes no decision about the same caller, whatever else changes.
func TestSteady(t *testing.T) {
	tests := []struct{ name, rules, steady string }{
		{"the caller", "allow if {\n\town\n\tinput.request.method == \"GET\"\n}\n\nown if input.identity.id == \"a\"\n", "own"},
		{"all of it", "allow if input.identity.id == \"a\"\n", "allow"},
		{"nothing of input", "allow if {\n\tever\n\tinput.request.method == \"GET\"\n}\n\never := 1 + 1 == 2\n", "ever"},
		{"undefined", "allow if {\n\tnot own\n\tinput.request.method == \"GET\"\n}\n\nown if count(input.identity.id) > 5\n", "own"},
		{"a default and an else", "allow if {\n\tlevel > 1\n\tinput.request.method == \"GET\"\n}\n\ndefault level := 0\n\nlevel := 2 if input.identity.id == \"a\"\n\nelse := 1 if input.identity.authenticated\n", "level"},
		{"a set", "allow if input.request.segments[0] in roles\n\nroles contains role if some role in input.identity.roles\n\nroles contains \"all\" if input.identity.authenticated\n", "roles"},
		{"a set of which members are asked for", "allow if {\n\troles[input.request.segments[0]]\n\tnot roles.c\n\tcount(roles) > 1\n}\n\nroles contains role if some role in input.identity.roles\n", "roles"},
		{"an object", "allow if grants[input.request.segments[1]] == input.request.segments[0]\n\ngrants[role] := \"a\" if some role in input.identity.roles\n", ""},
		{"members that are rules", "allow if {\n\tare.one\n\tinput.request.method == \"GET\"\n}\n\nare.one if input.identity.id == \"a\"\n\nare.two if input.request.path == \"/\"\n", "are.one"},
		{"one by another", "allow if {\n\tmay\n\tinput.request.method == \"GET\"\n}\n\nmay if own\n\nown if input.identity.claims.team == \"a\"\n", "may own"},
		{"one by one that is not", "allow if {\n\tmay\n\tinput.identity.authenticated\n}\n\nmay if own\n\nown if input.request.method == \"GET\"\n", ""},
		{"where from", "allow if {\n\tnear\n\tinput.request.method == \"GET\"\n}\n\nnear if net.cidr_contains(\"192.0.2.0/24\", input.client.ip)\n", "near"},
		{"who and where from", "allow if {\n\tnear\n\tinput.request.method == \"GET\"\n}\n\nnear if input.client.ip == \"192.0.2.1\"\n\nnear if input.identity.id == \"a\"\n", "near"},
		{"the constants", "allow if {\n\topen\n\tinput.request.method == \"GET\"\n}\n\nopen if input.config.a == \"a\"\n", "open"},
		{"the connection", "allow if {\n\tsecure\n\tinput.identity.authenticated\n}\n\nsecure if input.tls.sni == \"a\"\n", ""},
		{"why a cookie did not count", "allow if {\n\tgone\n\tinput.identity.authenticated\n}\n\ngone if input.failure.reason == \"a\"\n", ""},
		{"all of input", "allow if {\n\tany\n\tinput.identity.authenticated\n}\n\nany if count([1 | walk(input, [_, \"POST\"])]) > 0\n", ""},
		{"a function", "allow if {\n\tis(input.request.method)\n\tinput.identity.authenticated\n}\n\nis(x) if x == input.identity.id\n\nis(x) if x == \"GET\"\n", ""},
		{"by a function", "allow if {\n\tme\n\tinput.request.method == \"GET\"\n}\n\nme if is(input.identity.id)\n\nis(x) if x == \"a\"\n", "me"},
		{"several values are an error", "allow if {\n\tlevel == \"b\"\n\tinput.request.method == \"GET\"\n}\n\nallow if input.request.method == \"POST\"\n\nlevel := x if some x in input.identity.groups\n", "level"},
		{"rules that contradict each other", "allow if {\n\tlevel > 0\n\tinput.request.method == \"GET\"\n}\n\nlevel := 1 if \"a\" in input.identity.roles\n\nlevel := 2 if \"c\" in input.identity.roles\n", "level"},
		{"a member may be an error", "allow if {\n\tinput.request.method == \"POST\"\n\troles[input.request.segments[0]]\n}\n\nallow if {\n\tinput.request.method == \"GET\"\n\tcount(roles) == 0\n}\n\nroles contains x if {\n\tsome x in input.identity.groups\n\tx != \"b\"\n\tto_number(x) > 1\n}\n", "roles"},
		{"beside members of any name", "allow if {\n\tare.one == 7\n\tinput.request.method == \"GET\"\n}\n\nare[x] := 5 if some x in input.identity.roles\n\nare.one := 7 if input.identity.id == \"a\"\n", "are.one"},
		{"beside the request's members", "allow if {\n\tare.one == 7\n\tinput.identity.authenticated\n}\n\nare[x] := 5 if some x in input.request.segments\n\nare.one := 7 if input.identity.id == \"a\"\n", ""},
		{"numbers that are equal", "allow if {\n\tare[1.0] == \"b\"\n\tinput.request.method == \"GET\"\n}\n\nallow if {\n\tare[1] == \"b\"\n\tinput.request.method == \"POST\"\n}\n\nare[1] := input.identity.id\n\nare[1.0] := input.identity.username\n", ""},
		{"named by the request", "allow if {\n\tare.GET.may\n\tinput.identity.authenticated\n}\n\nare[input.request.method].may if input.identity.authenticated\n", ""},
		{"named by the caller", "allow if {\n\tare[input.request.segments[0]].may\n\tinput.identity.authenticated\n}\n\nare[input.identity.id].may if input.identity.authenticated\n", ""},
		{"a value that a rule adds to", "allow if {\n\tcount(own) == 2\n\tinput.request.method == \"GET\"\n}\n\nallow if {\n\tinput.request.method == \"POST\"\n\tcount(are) > 0\n\tcount(own) == 2\n}\n\nown := {x | some x in input.identity.roles}\n\nare.a := own\n\nare[x] contains input.request.path if x := \"a\"\n", "own"},
		{"a default that is made", "allow if {\n\tcount(own) > 0\n\tinput.identity.authenticated\n}\n\ndefault own := [m | m := input.request.method; m == \"GET\"]\n\nown := [] if input.identity.id == \"b\"\n", ""},
		{"a template", "allow if {\n\town == \"a\"\n\tinput.request.method == \"GET\"\n}\n\nown := $\"{input.identity.id}\"\n", "own"},
		{"with a function of the request", "allow if {\n\town\n\tinput.identity.authenticated\n}\n\nown if lower(\"x\") == \"GET\" with lower as method\n\nmethod(_) := input.request.method\n", ""},
		{"with another object.get", "allow if {\n\tinput.request.method == \"GET\"\n\town with object.get as other\n\town\n}\n\nown if {\n\to := input.identity\n\tobject.get(o, \"id\", \"\") == \"a\"\n}\n\nother(o, _, _) := o.id\n", "own"},
		{"with the same in turn", "allow if {\n\tsome s in input.request.segments\n\town with input.identity.id as s\n\town\n}\n\nown if input.identity.id == \"a\"\n", "own"},
		{"in pairs", "allow if {\n\tinput.request.method == \"POST\"\n\tpairs[[\"a\", input.request.segments[0]]]\n}\n\nallow if {\n\tinput.request.method == \"GET\"\n\tsome [x, _] in pairs\n\tx == \"b\"\n}\n\npairs contains [x, y] if {\n\tsome x in input.identity.roles\n\tsome y in input.identity.groups\n}\n", "pairs"},
		{"every one", "allow if {\n\tinput.request.method == \"POST\"\n\tevery s in input.request.segments {\n\t\troles[s]\n\t}\n}\n\nallow if {\n\tinput.request.method == \"GET\"\n\tcount(roles) > 0\n}\n\nroles contains x if some x in input.identity.roles\n", "roles"},
		{"all of a package", "allow if count(data.caddy.authz.may) > 1\n\nmay.a if input.identity.id == \"a\"\n\nmay.b if input.request.method == \"GET\"\n\nmay.c contains x if some x in input.identity.roles\n", "may.a may.c"},
		{"what is there", "allow if {\n\tnot other\n\tinput.identity.authenticated\n\tteam\n}\n\nother if _ = input.request.headers.other\n\nteam if x := input.identity.claims.team\n", "team"},
		{"with another caller", "allow if {\n\town\n\tnot own with input.identity.id as input.request.method\n}\n\nown if input.identity.id == \"a\"\n", "own"},
		{"with another caller first", "allow if {\n\tnot own with input.identity.id as input.request.method\n\town\n}\n\nown if input.identity.id == \"a\"\n", "own"},
		{"with another rule", "allow if {\n\tnot own\n\town with data.caddy.authz.base as input.request.method\n}\n\nown if base == \"GET\"\n\nbase := input.identity.id\n", "base own"},
		{"with another function", "allow if {\n\town\n\tnot own with lower as upper\n\tinput.request.method == \"GET\"\n}\n\nown if lower(input.identity.id) == \"a\"\n", "own"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := compiled(t, "package caddy.authz\n\n"+test.rules)
			if got := strings.Join(s.steady.names(), " "); got != test.steady {
				t.Errorf("steady: %q, want %q", got, test.steady)
			}
			base, _ := everyChange()
			s.resultKnowing(t, base.all, s.memoryOf(base))
			if learnt := len(s.memoryOf(base).facts); learnt == 0 && test.steady != "" {
				t.Error("nothing was learnt")
			}
			prove(t, s)
		})
	}
}

// TestSteadyPlaces: the same holds for rules that stand in several modules and
// beside data, and where what a built-in function cannot take is undefined.
func TestSteadyPlaces(t *testing.T) {
	for name, envoy := range map[string]bool{"strict": false, "as opa-envoy-plugin": true} {
		t.Run(name, func(t *testing.T) {
			d := newDir(t)
			d.write("a.rego", "package caddy.authz\n\nallow if {\n\tsome name, value in data.caddy.authz.own\n\tname == input.request.segments[0]\n\tvalue == 1\n}\n\nallow if {\n\tdata.caddy.authz.own.a == 1\n\tinput.request.method == \"GET\"\n}\n")
			d.write("b.rego", "package caddy.authz.own\n\na := 1 if input.identity.id == \"a\"\n\nb := 1 if input.request.host == \"\"\n")
			d.write("c.rego", "package caddy.authz.own\n\na := 1 if to_number(input.identity.username) > 1\n\nc.d := input.client.ip\n")
			d.write("data.json", `{"caddy": {"authz": {"own": {"changed": 1}}}}`)
			s := open(t, Config{Sources: []string{d.path}, Decision: defaultDecision, OPAEnvoy: envoy}).live.Load()
			if got := s.steady.names(); !slices.Equal(got, []string{"own.a", "own.c.d"}) {
				t.Errorf("steady: %q", got)
			}
			prove(t, s)
		})
	}
}

// TestSteadyBounded: there are not more of them than a few, and of rules that reach
// many others not all are looked at.
func TestSteadyBounded(t *testing.T) {
	const many = 400
	for name, test := range map[string]struct {
		next       string
		least, max int
	}{"side by side": {"input.identity.id", maxSteady, maxSteady}, "in a row": {"r%03d", 1, maxSteady - 1}} {
		rules := "package caddy.authz\n\nallow if {\n\tinput.request.method == \"GET\"\n"
		for i := range many {
			rules += fmt.Sprintf("\tr%03d\n", i)
		}
		rules += "}\n\n"
		for i := range many {
			next := test.next
			if strings.Contains(next, "%") {
				next = fmt.Sprintf(next, i+1)
			}
			rules += fmt.Sprintf("r%03d if {\n\tinput.identity.authenticated\n\t%s\n}\n\n", i, next)
		}
		s, _ := compiled(t, rules+fmt.Sprintf("r%d if input.client.ip\n", many))
		if got := len(s.steady.names()); got < test.least || got > test.max {
			t.Errorf("%s: %d", name, got)
		}
	}
}

// TestSteadyLarge: a rule may come to all of the data, of which no more is looked
// at than would be kept.
func TestSteadyLarge(t *testing.T) {
	numbers := make([]*ast.Term, 1<<16)
	for i := range numbers {
		numbers[i] = ast.InternedTerm(i)
	}
	list := ast.NewArray(numbers...)
	for name, value := range map[string]ast.Value{
		"a list": list, "a set": ast.NewSet(numbers...), "an object": ast.NewObject(member{ast.StringTerm("a"), ast.NewTerm(list)}, member{ast.StringTerm("b"), ast.NewTerm(list)}),
	} {
		if size := sizeOf(value); size <= maxValue || size > 2*maxValue {
			t.Errorf("%s: %d", name, size)
		}
	}
}

// TestMemories: one caller's are nobody else's, and they have an end.
func TestMemories(t *testing.T) {
	m, alice, bob := newMemories(), &identity.Identity{ID: "alice"}, &identity.Identity{ID: "bob"}
	client := []byte("192.0.2.1")
	m.learn(m.of(alice, client, 1), []fact{{1, ast.InternedTerm(true)}})
	m.learn(m.of(alice, client, 1), []fact{{2, nil}})
	client[0] = 'x' // the key is somebody else's now
	for name, test := range map[string]struct {
		known *memory
		want  int
	}{
		"the same": {m.of(alice, []byte("192.0.2.1"), 1), 2}, "another caller": {m.of(bob, []byte("192.0.2.1"), 1), 0},
		"the same from elsewhere": {m.of(alice, client, 1), 0}, "of another site": {m.of(alice, []byte("192.0.2.1"), 2), 0},
		"one that is equal": {m.of(&identity.Identity{ID: "alice"}, []byte("192.0.2.1"), 1), 0},
	} {
		if len(test.known.facts) != test.want {
			t.Errorf("%s: %v, want %d", name, test.known.facts, test.want)
		}
	}
	long := ast.StringTerm(strings.Repeat("a", maxMemory))
	m.learn(m.of(bob, nil, 1), []fact{{1, long}, {2, ast.InternedTerm(true)}})
	if known := m.of(bob, nil, 1); len(known.facts) != 1 || known.size > maxMemory {
		t.Errorf("kept %v", known.facts)
	}
	// as many as there are slots
	for i := range 10 * maxSlots {
		m.learn(m.of(&identity.Identity{ID: fmt.Sprint(i)}, nil, 1), []fact{{1, nil}})
	}
}

// TestMemoriesWatched: what is known is looked at again, and not used any more
// once it is wrong.
func TestMemoriesWatched(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if {\n\tinput.request.segments[0] == \"a\"\n\tknown\n}\n\nknown if count(input.identity.id) < 6\n")
	id := (&identity.Identity{Authenticated: true, ID: "mallory"}).Normalize()
	constants := NewConstants(nil)
	ask := func(i int) Decision {
		in := asked(fmt.Sprintf("/a/%d", i), "")
		in.Identity, in.Config = id, constants
		return set.Decide(t.Context(), in)
	}
	current := set.live.Load()
	ask(0)
	known := current.memories.of(id, nil, constants.id)
	if len(known.facts) != 1 || known.facts[0].value != nil {
		t.Fatalf("learnt %v", known.facts)
	}
	known.facts[0].value = ast.InternedTerm(true) // as if a bit had flipped
	open := 0
	for i := range 2 * review {
		if ask(1 + i).Allow {
			open++
		}
	}
	if open == 0 || open >= review || !current.cache.broken.Load() || ask(0).Allow {
		t.Errorf("%d wrong decisions, distrusted: %v", open, current.cache.broken.Load())
	}
}

// TestMemoriesConcurrent: callers learn at once, with the race detector.
func TestMemoriesConcurrent(t *testing.T) {
	set := policyOf(t, "package caddy.authz\n\nallow if {\n\tsome role in roles\n\trole == input.request.segments[0]\n}\n\nroles contains role if some role in input.identity.roles\n")
	ids := []*identity.Identity{asked("/", "admin").Identity, asked("/", "user").Identity}
	constants := NewConstants(nil)
	var callers sync.WaitGroup
	for worker := range 8 {
		callers.Go(func() {
			for i := range 200 {
				id := ids[i%2]
				in := asked(fmt.Sprintf("/admin/%d/%d", worker, i), "")
				in.Identity, in.Config = id, constants
				if got := set.Decide(t.Context(), in); got.Allow != slices.Contains(id.Roles, "admin") {
					t.Errorf("%v: %+v", id.Roles, got)
				}
			}
		})
	}
	callers.Wait()
}
