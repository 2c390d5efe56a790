package policy

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/internal/policy/bundle"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestEmbeddedStays: what is built in is copied for each set, since compiling
// writes to it.
func TestEmbeddedStays(t *testing.T) {
	own, err := bundle.Embedded()
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]*ast.Module{}
	for name, module := range own {
		before[name] = module.Copy()
	}
	for range 2 {
		open(t, Config{})
	}
	for name, module := range own {
		if !module.Equal(before[name]) {
			t.Errorf("%s has changed", name)
		}
	}
}

// TestTogether: requests, reloads, looks at the status and the end of a set at
// the same time; each request sees one version (T-09).
func TestTogether(t *testing.T) {
	d := policytest.NewDir(t)
	version := func(n int) {
		text := strconv.Itoa(n)
		d.Write("next/a.rego", "package caddy.authz\n\nallow := {\"allow\": data.n == "+text+", \"headers\": {\"X-N\": \""+text+"\"}}\n")
		d.Write("next/data.json", `{"n": `+text+`}`)
	}
	version(0)
	var mu sync.Mutex // held while the files change
	set, err := Open(Config{Sources: []string{d.Path + "/next"}, Timeout: time.Minute}, testrun.Checker(), func(r Report) {
		if r.Err != nil {
			t.Error(r.Err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	wrong := whileAsking(t, func() bool {
		got := set.Decide(context.Background(), asked("/", ""))
		return !got.Allow || got.Headers.Get("X-N") == "" || set.Status().Error != ""
	}, func() {
		var workers sync.WaitGroup
		for worker := range 2 {
			workers.Go(func() {
				for i := range 10 {
					mu.Lock()
					version(10*worker + i)
					err := set.Reload()
					mu.Unlock()
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		workers.Wait()
		if err := set.Close(); err != nil {
			t.Error(err)
		}
	})
	if wrong > 0 {
		t.Errorf("%d answers were wrong", wrong)
	}
}
