//go:build linux

// Command bench measures what policy_auth costs, beside bare Caddy and the
// alternatives, on this machine. tools/bench/run builds and runs it.
//
// It is the program of all processes of a run: the load generator, which also measures;
// Caddy, with a naive handler that verifies and evaluates each request anew; and a small
// server for forward_auth.
package main

import (
	"flag"
	"fmt"
	"os"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	// The standard modules and this project's own.
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	_ "github.com/policyauth/caddy-policy-auth"
)

func main() {
	if len(os.Args) > 1 && os.Args[1] == authCommand {
		fail(serveAuth(os.Args[2], os.Args[3]))
		return
	}
	if len(os.Args) > 1 && os.Args[1] == "run" { // as caddy run
		caddycmd.Main()
		return
	}
	var o options
	flag.BoolVar(&o.quick, "quick", false, "about half a minute: whether everything works, not how fast it is")
	flag.StringVar(&o.opa, "opa", "", "OPA's `binary`; without it, OPA's server is left out")
	flag.StringVar(&o.out, "out", "", "`directory` for performance.json, performance.svg and the table in performance.md; without it, only the table is printed")
	flag.StringVar(&o.only, "only", "", "a `name` of a row: measure only that one, beside bare Caddy")
	flag.Func("peer", "`name=program,Caddyfile` of another build of Caddy to measure as well", func(text string) error {
		r, err := peer(text)
		o.peers = append(o.peers, r)
		return err
	})
	flag.Parse()
	fail(stayOn(loadCore))
	fail(run(o))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
}
