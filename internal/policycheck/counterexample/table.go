package counterexample

import (
	"maps"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
)

// tableCallers returns a part of an input for each alternative of each rule of the access
// tables: a caller and a request that the table allows.
func tableCallers(t *accesstable.Table) []map[string]any {
	if t == nil {
		return nil
	}
	table := t.Data()
	index, _ := table["index"].(map[string]any)
	rules, _ := table["rules"].([]any)
	var callers []map[string]any
	for number, rule := range rules {
		members, _ := rule.(map[string]any)
		if request := requestOf(index, number); request != nil {
			callers = append(callers, callersOf(members["allow"], request)...)
		}
	}
	return append(callers, callersOf(table["default"], map[string]any{})...)
}

// requestOf returns a host and a path for which a rule decides, or nil if it is
// unreachable.
func requestOf(index map[string]any, number int) map[string]any {
	for _, form := range slices.Sorted(maps.Keys(index)) {
		hosts, _ := index[form].(map[string]any)
		for _, host := range slices.Sorted(maps.Keys(hosts)) {
			if hosts[host] != number {
				continue
			}
			request := map[string]any{"path": path.Join("/", strings.Replace(form, "*", "x", 1))}
			switch {
			case strings.HasPrefix(host, "."):
				request["host"] = "x" + host
			case host != "*":
				request["host"] = host
			}
			return request
		}
	}
	return nil
}

// callersOf returns a part of an input for each alternative of a rule. Conditions that are
// not in tellings hold for every authenticated caller.
func callersOf(alternatives any, request map[string]any) []map[string]any {
	list, _ := alternatives.([]any)
	var callers []map[string]any
	for _, alternative := range list {
		conditions, _ := alternative.(map[string]any)
		caller := map[string]any{"request": maps.Clone(request), "identity": map[string]any{}, "client": map[string]any{}}
		for name, wanted := range conditions {
			if values, ok := wanted.([]any); ok && tellings[name] != nil {
				tellings[name](caller, values)
			}
			switch name {
			case "max_age":
				justSignedIn(caller)
			case "links":
				into(caller, "identity")["kind"] = string(authenticator.KindGuest)
			}
		}
		callers = append(callers, caller)
	}
	return callers
}

// tellings are functions that make conditions hold: each adds the values that a condition
// requires to a part of an input.
var tellings = map[string]func(caller map[string]any, wanted []any){
	"users":    first("identity", "id"),
	"kinds":    first("identity", "kind"),
	"issuers":  first("identity", "issuer"),
	"acr":      first("identity", "acr"),
	"methods":  first("request", "method"),
	"upgrades": first("request", "upgrade"),
	"roles":    every("roles"),
	"groups":   every("groups"),
	"scopes":   every("scopes"),
	"networks": inFirst,
	"claims":   withClaims,
	"tools":    callsFirst,
	"clients":  withClient,
}

// justSignedIn makes the caller sign in when the request is made.
func justSignedIn(caller map[string]any) {
	const now = 1_700_000_000
	into(caller, "identity")["auth_time"] = now
	into(caller, "request")["time_ns"] = now * int64(time.Second)
}

// first sets a field to the first listed value.
func first(section, field string) func(map[string]any, []any) {
	return func(caller map[string]any, wanted []any) { into(caller, section)[field] = wanted[0] }
}

// every adds all listed values to a list of the identity.
func every(field string) func(map[string]any, []any) {
	return func(caller map[string]any, wanted []any) { into(caller, "identity")[field] = wanted }
}

// callsFirst makes the request call the first tool.
func callsFirst(caller map[string]any, wanted []any) {
	pattern, _ := wanted[0].(string)
	request := into(caller, "request")
	request["method"] = "POST"
	request["mcp"] = map[string]any{"method": "tools/call", "tool": strings.Replace(pattern, "*", "x", 1)}
}

// withClient makes the first client the one of the caller's token.
func withClient(caller map[string]any, wanted []any) {
	withClaims(caller, []any{map[string]any{"path": []any{"client_id"}, "values": wanted[:1]}})
}

// inFirst sets the address of the client to one of the first network.
func inFirst(caller map[string]any, wanted []any) {
	text, _ := wanted[0].(string)
	if prefix, err := netip.ParsePrefix(text); err == nil {
		into(caller, "client")["ip"] = prefix.Addr().String()
	}
}

// withClaims sets each claim to its first listed value.
func withClaims(caller map[string]any, wanted []any) {
	for _, item := range wanted {
		claim, _ := item.(map[string]any)
		names, _ := claim["path"].([]any)
		values, _ := claim["values"].([]any)
		at := into(into(caller, "identity"), "claims")
		for i, name := range names {
			text, _ := name.(string)
			if i == len(names)-1 && len(values) > 0 {
				at[text] = values[0]
			} else {
				at = into(at, text)
			}
		}
	}
}

// into returns a member that is an object, and creates it if it is missing.
func into(object map[string]any, name string) map[string]any {
	inner, ok := object[name].(map[string]any)
	if !ok {
		inner = map[string]any{}
		object[name] = inner
	}
	return inner
}
