package policy

import (
	"path/filepath"
	"testing"
)

// accessFaults are faults in the judge of access tables: each is planted alone, and
// TestAccessOracle must find it.
var accessFaults = []fault{
	{"a rule's last alternative decides", "table.go", "for i := range r.Allow {\n\t\tif alternative", "for i := len(r.Allow) - 1; i < len(r.Allow) && i >= 0; i++ {\n\t\tif alternative"},
	{"a destination is not judged", "table.go", `if f.DestinationPath != "" {`, `if f.DestinationPath == "" {`},
	{"any rule names a rewritten path", "table.go", "; rule.Named {", "; rule != nil {"},
	{"an unseen protocol is allowed to anyone", "table.go", "return q.Identity.Authenticated || isPlain", "return true || isPlain"},
	{"a blocked username counts as id alone", "table.go", "|| b.users.has(q.Identity.Username) ", ""},
	{"an unknown username is not blocked", "table.go", ` || q.unknown("username")`, ""},
	{"HEAD does not count as GET", "condition_methods.go", "method == http.MethodHead &&", "method == http.MethodPatch &&"},
	{"only the first override counts", "condition_methods.go", `strings.SplitSeq(line, ",")`, `strings.SplitSeq(line, ";")`},
	{"with too many overrides a method holds", "condition_methods.go", "return !q.overrides.many", "return true"},
	{"with too many overrides nothing acts below", "denied_below.go", "q.actingBelow) || q.overrides.many", "q.actingBelow)"},
	{"a hidden address is tested under allow", "condition_networks.go", "known && !q.Client.ForwardedUntrusted &&", "known &&"},
	{"the peer of a hidden address is not tested", "condition_networks.go", "return !known || n.contains(peer)", "return !known || peer.IsValid() && n.contains(client)"},
	{"numbers of claims are compared as texts", "condition_claims.go", "return ok && sameNumber(a, b)", "return ok && a == b"},
	{"a text is compared with numbers alone", "condition_claims.go", "return c.texts.has(text)", "return len(c.others) > 0 && c.texts.has(text)"},
	{"an unknown kind is any kind", "condition.go", "|| under == deny && q.Identity.Kind", "|| q.Identity.Kind"},
	{"every caller is a guest", "condition.go", "return q.Identity.Kind == authenticator.KindGuest", "return true"},
	{"a caller who is not authenticated is a guest", "condition.go", "return q.Identity.Kind == authenticator.KindGuest", "return !q.Identity.Authenticated"},
	{"signing in makes a guest", "deny.go", `"upgrades", "links":`, `"upgrades":`},
	{"one of the scopes is enough", "condition.go", "if !slices.Contains(q.Identity.Scopes, scope) {\n\t\t\treturn false", "if slices.Contains(q.Identity.Scopes, scope) {\n\t\t\treturn true"},
	{"a later rule decides", "index.go", "n < number) {", "n > number) {"},
	{"a host below *.domain is the domain itself", "index.go", "take(host[end:])", "take(host[end+1:])"},
	{"what is below a path is not", "index.go", "if at < depth {", "if at <= depth {"},
	{"a challenge where more is missing", "step_up.go", "if alternative == nil {\n\t\t\treturn nil", "if alternative == nil {\n\t\t\tcontinue"},
	{"a condition that no challenge asks for is asked for", "step_up.go", "if !q.canObtain(condition.Name) && ", "if condition.Name != \"roles\" && !q.canObtain(condition.Name) && "},
	{"a holding alternative does not count", "step_up.go", "holding != nil {", "holding != nil && len(r.Allow) == 1 {"},
	{"a class is asked of a password", "step_up.go", "case \"acr\":\n\t\treturn q.Identity.Issuer != \"\"", "case \"acr\":\n\t\treturn true"},
	{"the age of a session of this server is not asked for", "step_up.go", "q.Identity.Issuer != \"\" || q.Identity.Method == methodSession", "q.Identity.Issuer != \"\""},
	{"scopes that are there are asked for", "step_up.go", "if r.lacksScopes {", "if len(r.scopes) > 0 {"},
	{"a sign-in that is there is asked for", "step_up.go", "if r.lacksSignIn {", "if len(r.acrs) > 0 || r.maxAge >= 0 {"},
	{"the longest age is asked for", "step_up.go", "int64(wanted) < r.maxAge {", "int64(wanted) > r.maxAge {"},
	{"a class of one rule is asked for", "step_up.go", "if !slices.ContainsFunc(r.acrs, func(list acrs) bool {", "if slices.ContainsFunc(r.acrs, func(list acrs) bool {"},
	{"an impossible class is asked for", "step_up.go", "len(c.ACRValues) == 0 {", "len(r.acrs) > 2 {"},
	{"login is said beside a step-up", "step_up.go", "len(c.ACRValues) > 0 || c.MaxAge >= 0)", "len(c.ACRValues) > 0)"},
	{"max_age is kept a second longer", "condition_max_age.go", "return age <= int64(m)", "return age <= int64(m)+1"},
	{"max_age is kept a second shorter", "condition_max_age.go", "return age <= int64(m)", "return age < int64(m)"},
	{"without a time of signing in max_age is kept", "condition_max_age.go", "return under == deny", "return true"},
	{"a sign-in in the future counts", "condition_max_age.go", "at > now+maxSkew {", "at > now+maxSkew+1 {"},
	{"max_age is kept by anyone", "condition_max_age.go", "if !q.Identity.Authenticated {", "if false {"},
	{"a destination elsewhere is not judged", "alternate_paths.go", "if f.DestinationHost == f.Host {", "if f.DestinationHost != f.Host {"},
	{"a rewritten path is not judged", "alternate_paths.go", "if f.RewrittenPath != f.Path {", "if f.RewrittenPath == f.Path {"},
	{"what lies below is not judged", "denied_below.go", "if !q.actsBelow() {", "if true {"},
	{"LOCK acts on the path alone", "denied_below.go", "return q.depth() != \"0\"\n\tcase \"PROPFIND\"", "return q.depth() == \"infinity\"\n\tcase \"PROPFIND\""},
	{"a shadowed rule below refuses", "denied_below.go", "own.liesBelow(key) && t.index.find(at.host, own.form()) == number", "own.liesBelow(key)"},
	{"a script itself is not judged", "table.go", "for _, path := range q.elsewhere() {\n\t\tif rule := t.pickFor(f.Host, path); rule.Named {", "for i, path := range q.elsewhere() {\n\t\tif rule := t.pickFor(f.Host, path); rule.Named && i > 0 {"},
	{"a path shadows what is below it", "shadow.go", "if !p.below {", "if true {"},
	{"a rule for all hosts is not warned of", "shadow.go", "hosts := []string{host, anyHost}", "hosts := []string{host, host}"},
	{"a rule below *.domain shadows the domain", "shadow.go", "hosts = append(hosts, host[i:])", "hosts = append(hosts, host[i+1:])"},
	{"a tool is called over an upgrade", "condition_tools.go", `case f.Upgrade != "":`, `case f.Upgrade == "tcp":`},
	{"a message of any kind", "condition_tools.go", "called || toolMethods", "true || toolMethods"},
	{"a message with any method", "condition_tools.go", "return f.Method == http.MethodPost && (", "return ("},
	{"no message with any method", "condition_tools.go", "return f.Method == http.MethodGet || f.Method == http.MethodDelete", "return true"},
	{"a tool whose name begins with one", "condition_tools.go", "strings.CutSuffix(pattern, \"*\"); ok", "strings.CutSuffix(pattern, \"*\"); ok || true"},
	{"a prefix is no tool itself", "condition_tools.go", "range len(tool) + 1", "range len(tool)"},
	{"the first claim names the client", "condition_clients.go", "found && text != id", "found && text == \"\""},
	{"a client that is no text is absent", "condition_clients.go", "!isText || found", "found"},
	{"signing in helps with methods", "deny.go", `case "anyone", "methods",`, `case "anyone",`},
}

// TestAccessFaults: the oracle finds each fault in the judge.
func TestAccessFaults(t *testing.T) {
	findFaults(t, "TestAccessOracle", filepath.Join("..", "accesstable"), "", accessFaults)
}
