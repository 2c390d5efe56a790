package policy

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func TestCheckTry(t *testing.T) {
	for _, body := range []string{
		"allow if not input.identity.claims.banned",
		"allow if {\n\t\"admin\" in input.identity.roles\n\tnot input.identity.claims.banned\n\tnot input.identity.claims.suspended\n}",
		"allow if not expired\n\nexpired if time.parse_rfc3339_ns(input.identity.claims.until) < input.request.time_ns",
		"allow if not time.parse_rfc3339_ns(input.identity.claims.until) < 17",
		"allow if not \"guest\" in input.identity.roles",
		"allow := count(deny) == 0\n\ndeny contains \"x\" if input.identity.claims.banned",
		"decision := {\"allow\": true, \"deny\": deny}\n\nallow := decision\n\ndeny contains \"x\" if input.identity.claims.banned == \"yes\"",
		"allow if not input.request.headers[\"x-blocked\"]",
		"allow := false if {\n\tinput.identity.claims.banned\n} else := true",
		"allow if input.identity.authenticated\n",
		"allow if object.get(input.identity.claims, \"level\", 5) > 3",
	} {
		start := time.Now()
		path := newDir(t).write("a.rego", "package caddy.authz\n\n"+body+"\n")
		report, err := Check(context.Background(), Config{Sources: []string{path}}, CheckOptions{})
		fmt.Println("-----", body, err, report.Samples, report.Denied, report.Evaluations, report.Complete, time.Since(start))
		for _, f := range report.Findings {
			fmt.Println(f.Not, f.Kind, f)
		}
	}
	for decision, source := range map[string]string{
		"data.caddy.authz.allow":        "../../examples/quickstart/policies",
		"data.examples.office.decision": "../../policies/examples/office",
		"data.examples.owners.allow":    "../../policies/examples/owners",
		"data.examples.scopes.decision": "../../policies/examples/scopes",
	} {
		start := time.Now()
		report, err := Check(context.Background(), Config{Sources: []string{source}, Decision: decision}, CheckOptions{})
		fmt.Println("-----", source, err, report.Samples, report.Denied, report.Evaluations, report.Complete, time.Since(start))
		for _, f := range report.Findings {
			fmt.Println(f.Not, f.Kind, f)
		}
	}
}
