package policy

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/rego"
	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
)

// TestShadowedReported: the warnings are in the report of a load and of check, also
// of the next load of the same table, and there is no more than a page of them.
func TestShadowedReported(t *testing.T) {
	d := policytest.NewDir(t)
	table := d.Write("access.yaml", "rules:\n  - allow: [{authenticated: true}]\n"+strings.Repeat("  - {paths: [/admin/*], allow: [{roles: [admin]}]}\n", 3*bundle.MaxErrors))
	set := open(t, Config{Access: []string{table}})
	for range 2 {
		warnings := set.live.Load().warnings
		if len(warnings) != bundle.MaxErrors+1 || !strings.Contains(warnings[0], "access.yaml:3:5") || !strings.HasPrefix(warnings[bundle.MaxErrors], "and ") {
			t.Fatalf("got %q", warnings)
		}
		d.Write("authz.rego", "package other\n")
		if err := set.Reload(); err != nil {
			t.Fatal(err)
		}
	}
}

// shadowWarning names the line of a rule, and the path and the host for which it is
// never asked.
var shadowWarning = regexp.MustCompile(`:(\d+):\d+: the rule never decides about (\S+?)(?: on (\S+))?: `)

// checkShadowed holds that the policy picks a rule that is warned of as shadowed for
// nothing of what the warning names, and every other rule for something of each host and
// path that it names. It returns how many are warned of.
func (o *oracle) checkShadowed(content string) int {
	o.t.Helper()
	picked, err := rego.New(rego.Compiler(o.evaluator.compiler), rego.Store(o.evaluator.store), rego.Transaction(o.evaluator.txn),
		rego.Query("data.caddy.access.picked(input[0], input[1]).label")).PrepareForEval(o.t.Context())
	if err != nil {
		o.t.Fatal(err)
	}
	picks := func(line, host, path string) bool {
		results, err := picked.Eval(o.t.Context(), rego.EvalTransaction(o.evaluator.txn), rego.EvalInput([]any{host, path}))
		if err != nil || len(results) != 1 {
			o.t.Fatalf("%s\n%v %v", o.about, results, err)
		}
		return strings.HasPrefix(fmt.Sprint(results[0].Expressions[0].Value), "access.yaml:"+line+" ")
	}
	warned := map[string]bool{}
	for _, warning := range o.warnings {
		parts := shadowWarning.FindStringSubmatch(warning)
		if parts == nil {
			o.t.Fatalf("%s\n%s", o.about, warning)
		}
		warned[parts[1]] = true
		for _, host := range hostsOf(parts[3]) {
			for _, path := range pathsOf(parts[2]) {
				if picks(parts[1], host, path) {
					o.t.Fatalf("%s\nit is picked for %s%s: %s", o.about, host, path, warning)
				}
			}
		}
	}
	for line, rule := range selectors(o.t, content) {
		for _, host := range rule.Hosts {
			for _, path := range rule.Paths {
				hosts, paths := hostsOf(host), pathsOf(path)
				if !warned[line] && !picks(line, hosts[0], paths[0]) {
					o.t.Fatalf("%s\nline %s is not picked for %s%s, without a warning", o.about, line, hosts[0], paths[0])
				}
			}
		}
	}
	return len(warned)
}

// selectors returns what the rules of a table say of hosts and paths, by their lines.
func selectors(t *testing.T, content string) map[string]struct{ Hosts, Paths []string } {
	t.Helper()
	var table struct{ Rules []yaml.Node }
	if err := yaml.Unmarshal([]byte(content), &table); err != nil {
		t.Fatal(err)
	}
	rules := map[string]struct{ Hosts, Paths []string }{}
	for _, node := range table.Rules {
		rule := struct{ Hosts, Paths []string }{}
		if err := node.Decode(&rule); err != nil {
			t.Fatal(err)
		}
		if rule.Hosts == nil {
			rule.Hosts = []string{""}
		}
		if rule.Paths == nil {
			rule.Paths = []string{"/*"}
		}
		rules[fmt.Sprint(node.Line)] = rule
	}
	return rules
}

// hostsOf returns hosts that a host of a rule means, first one that no other rule names.
func hostsOf(host string) []string {
	domain, below := strings.CutPrefix(host, "*")
	switch {
	case host == "":
		return append([]string{"new.test"}, oracleHosts...)
	case below:
		return []string{"new" + domain, "a.b" + domain, "b" + domain}
	}
	return []string{host}
}

// pathsOf returns paths that a path of a rule means, first one that no other rule names.
func pathsOf(path string) []string {
	key, below := strings.CutSuffix(strings.ToLower(path), "/*")
	key = strings.TrimSuffix(key, "/")
	if below {
		return []string{key + "/new/x", key + "/", key + "/a", key + "/a/b/c"}
	}
	return []string{key + "/", key}
}
