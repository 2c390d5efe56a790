package policy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"time"
)

func TestZZ(t *testing.T) {
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n++; w.Write([]byte(`{"type":"string"}`)) }))
	defer server.Close()
	os.WriteFile("/tmp/pp/s.json", []byte(`{"type":"string"}`), 0o644)
	for _, ref := range []string{server.URL + "/s.json", "file:///tmp/pp/s.json", "/tmp/pp/s.json"} {
		for _, f := range []string{`json.verify_schema({"$ref": "REF"})[0]`, `json.match_schema("x", {"$ref": "REF"})[0]`} {
			_ = f
			src := "package caddy.authz\n\nallow := json.verify_schema({\"$ref\": input.config.ref})[0]\n"
			if f[5] == 'm' {
				src = "package caddy.authz\n\nallow := json.match_schema(\"\\\"x\\\"\", {\"$ref\": input.config.ref})[0]\n"
			}
			in := asked("/", "")
			in.Config = NewConstants(map[string]any{"ref": ref})
			got := policyOf(t, src).Decide(t.Context(), in)
			fmt.Println(ref, f, got.Allow, got.Err, n)
		}
	}
	// compile-time annotation
	src := "# METADATA\n# scope: package\n# schemas:\n#   - input: {\"$ref\": \"" + server.URL + "/c.json\"}\npackage caddy.authz\n\nallow := input.x\n"
	set, err := Open(Config{Sources: []string{newDir(t).write("a.rego", src)}}, func(Report) {})
	fmt.Println("compile", set != nil, err, n)
	// numbers
	for _, num := range []string{"1e999999999", "1e99999999999999999999", "-1e-999999999", "1e400"} {
		for _, expr := range []string{"input.identity.claims.n == 7", "input.identity.claims.n > 7", "input.identity.claims.n + 1 > 7", "round(input.identity.claims.n) > 7", "input.identity.claims.n % 7 == 1", "sprintf(\"%d\", [input.identity.claims.n]) != \"\"", "{input.identity.claims.n: 1} == {7: 1}", "input.identity.claims.n in {7, 8}"} {
			in := asked("/", "x")
			in.Identity.Claims = map[string]any{"n": json.Number(num)}
			start := time.Now()
			got := policyOf(t, "package caddy.authz\n\nallow if "+expr+"\n").Decide(t.Context(), in)
			if d := time.Since(start); d > 50*time.Millisecond || got.Reason == "policy_error" {
				fmt.Println(num, expr, got.Allow, got.Reason, got.Err, d)
			}
		}
	}
	table := newDir(t).write("access.yaml", "default: [{claims: {num: [7, 8]}}]\n")
	s := open(t, Config{Access: []string{table}})
	for _, num := range []string{"1e999999999", "1e99999999999999999999", "-0", "7.0", "70e-1", "0.7e1"} {
		in := asked("/", "x")
		in.Identity.Claims = map[string]any{"num": json.Number(num)}
		start := time.Now()
		got := s.Decide(t.Context(), in)
		fmt.Println("table", num, got.Allow, got.Reason, got.Err, time.Since(start))
	}
	// zone
	for _, ip := range []string{"fe80::1%eth0", "fe80::1", "FE80::1", "::ffff:192.0.2.1", "@", ""} {
		table := newDir(t).write("access.yaml", "default: [{networks: [\"fe80::/10\", \"192.0.2.0/24\"]}]\nblocked: {networks: [10.0.0.0/8]}\n")
		s := open(t, Config{Access: []string{table}})
		got := decideBy(s, call{"GET", "x.example", "/", nil, ip, nil})
		fmt.Println("ip", ip, got.Allow, got.Reason, got.Labels, got.Err)
	}
	for _, h := range []string{"photos.example.com..", "photos.example.com.", "[::1]:80", "[::1]", "::1", "", ".example.com", "*", "photos.example.com:", "photos.example.com:99999", "a:b:c"} {
		table := newDir(t).write("access.yaml", "rules:\n  - {hosts: [photos.example.com], allow: [{roles: [a]}]}\n  - {hosts: ['::1'], allow: [{roles: [b]}]}\ndefault: [{anyone: true}]\n")
		s := open(t, Config{Access: []string{table}})
		got := decideBy(s, call{"GET", h, "/", nil, "192.0.2.1", nil})
		fmt.Println("host", h, got.Allow, got.Labels, got.Err)
	}
	// error messages
	for _, src := range []string{"allow if to_number(input.request.path) > 1", "allow if json.unmarshal(input.request.path)", "allow := {\"allow\": true, \"headers\": {input.request.path: \"a\"}}", "allow := {\"allow\": true, input.request.path: \"a\"}", "allow := {\"allow\": false, \"challenge\": {input.request.path: 1}}", "allow := {\"allow\": false, \"log\": {\"labels\": {input.request.path: 1}}}", "x[input.request.path] := 1\n\nx[input.request.path] := 2\n\nallow if x"} {
		got := policyOf(t, "package caddy.authz\n\n"+src+"\n").Decide(t.Context(), asked("/secret-thing", ""))
		fmt.Println("msg", got.Reason, got.Err)
	}
}
