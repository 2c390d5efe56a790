package policy

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decision"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// verdict is what is compared of a decision.
type verdict struct {
	Allow     bool
	Reason    authenticator.Reason
	Codes     []string
	Challenge *decision.Challenge
	Login     *decision.Login
	Labels    map[string]string
}

func verdictOf(d decision.Decision) verdict {
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

// oracle asks the policy caddy.access, in Rego, what the judge in Go is asked.
type oracle struct {
	*snapshot
	t                 *testing.T
	about             string // seed and table, for failures
	compared, allowed int
	asked             map[string]int // challenges, by what they ask for
}

// compare holds a decision of the judge to what the policy makes of a document.
func (o *oracle) compare(native decision.Decision, d *request.Document) {
	o.t.Helper()
	rego := o.evaluate(o.t.Context(), o.evaluator.begin(), whole.term(d, NewConstants(nil).term, nil), o.span(time.Minute))
	if diff := cmp.Diff(verdictOf(rego), verdictOf(native)); diff != "" || rego.Err != nil {
		encoded, _ := json.Marshal(d)
		o.t.Fatalf("%s\n%v %s\n%s", o.about, rego.Err, diff, encoded)
	}
	o.compared++
	if native.Allow {
		o.allowed++
	}
	if c := native.Challenge; c != nil {
		for what, asked := range map[string]bool{
			"scope": len(c.Scopes) > 0, "acr": len(c.ACRValues) > 0, "age": c.MaxAge >= 0,
			"classes": len(c.ACRValues) > 1, "everything": len(c.Scopes) > 0 && len(c.ACRValues) > 0 && c.MaxAge >= 0,
		} {
			if asked {
				o.asked[what]++
			}
		}
	}
}

// compareMade compares decisions about documents that no request has to lead to.
func (o *oracle) compareMade(g tableGenerator) {
	for range 100 {
		d := g.document()
		native := decisionOf(o.table.Judge(&accesstable.Question{Document: d}))
		o.compare(native, d)
		if e := o.table.Explain(&accesstable.Question{Document: d}); e.Allow != native.Allow || ruleOf(e) != native.Labels["rule"] {
			o.t.Fatalf("%s\n%+v is explained as %+v", o.about, native, e)
		}
	}
}

// ruleOf returns the label of the decision that an explanation is of.
func ruleOf(e *accesstable.Explanation) string {
	if e.Blocked {
		return "blocked"
	}
	var labels []string
	for _, rule := range e.Rules {
		if e.Allow || !rule.Holds {
			labels = append(labels, rule.Label)
		}
	}
	slices.Sort(labels)
	return strings.Join(slices.Compact(labels), ", ")
}

// compareReceived compares decisions about each reading of requests, of which the judge
// sees only what it reads.
func (o *oracle) compareReceived(g tableGenerator) {
	for range 15 {
		in := Input{Request: g.received(), Identity: g.caller(), Config: NewConstants(nil)}
		asked := question{ctx: o.t.Context(), in: in, timeout: time.Minute}
		for _, reading := range in.Request.Readings() {
			d := in.Request.Document(reading, in.Identity, "", map[string]any{}, request.AllFields)
			o.compare(o.decideByTable(&asked, &reading), &d)
		}
	}
}

// TestAccessOracle: whatever the table, the caller and the request, the judge in Go
// decides as the policy caddy.access does: reasons, challenge, login and labels too.
// A rule that is warned of as shadowed is picked by neither.
// It runs for 60 tables, or as long as POLICY_AUTH_LONG says.
func TestAccessOracle(t *testing.T) {
	seed, long := uint64(13), longTests(t)
	if long > 0 {
		seed = rand.Uint64()
	}
	g, o, shadowed := tableGenerator{rand.New(rand.NewPCG(seed, 1))}, oracle{t: t, asked: map[string]int{}}, 0
	config := Config{Sources: []string{"/other.rego"}, Access: []string{"/access.yaml"}, Decision: accessDecision}.Normalized()
	l := newLoader(config, testrun.Checker())
	end := time.Now().Add(long)
	var err error
	for tables := 0; tables < 60 || time.Now().Before(end); tables++ {
		content := g.table()
		o.about = fmt.Sprintf("seed %d\n%s", seed, content)
		tree := files.Tree{config.Sources[0]: []byte("package other\n"), config.Access[0]: []byte(content)} // so that there is Rego to ask
		if o.snapshot, err = l.load(tree); err != nil {
			t.Fatal(o.about, err)
		}
		o.compareMade(g)
		o.compareReceived(g)
		shadowed += o.checkShadowed(content)
	}
	t.Logf("%d decisions compared, of which %d allow; %d rules are shadowed; challenges: %v", o.compared, o.allowed, shadowed, o.asked)
	if len(o.asked) != 5 {
		t.Errorf("challenges: %v", o.asked)
	}
	if o.allowed < o.compared/20 || shadowed == 0 {
		t.Errorf("only %d of %d allow, and %d rules are shadowed", o.allowed, o.compared, shadowed)
	}
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
		if got := test.config.Normalized().options().TableOnly; got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
