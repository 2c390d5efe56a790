package policy

import (
	"context"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// TestWatch: an edit counts, a broken one changes nothing and is reported with
// its line, and so is a source that is gone (T-07, T-60).
func TestWatch(t *testing.T) {
	d := newDir(t)
	d.write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	var mu sync.Mutex
	var reports []Report
	set, err := Open(Config{Sources: []string{d.path + "/p"}, Watch: true}, func(r Report) {
		mu.Lock()
		defer mu.Unlock()
		reports = append(reports, r)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close()
	allowed := func() bool { return set.Decide(context.Background(), asked("/", "")).Allow }
	first := set.Status()
	d.write("p/authz.rego", "package caddy.authz\n\nallow := false\n")
	eventually(t, "the edit counts", func() bool { return !allowed() })
	if now := set.Status(); now.Revision == first.Revision || now.Error != "" {
		t.Errorf("status %+v", now)
	}
	d.write("p/authz.rego", "package caddy.authz\n\nallow := tru\n")
	eventually(t, "the broken edit is shown", func() bool { return strings.Contains(set.Status().Error, "authz.rego:3") })
	if allowed() {
		t.Error("a broken edit opened the door")
	}
	if err := os.RemoveAll(d.path + "/p"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal is shown", func() bool { return strings.Contains(set.Status().Error, "no such file") })
	d.write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	eventually(t, "it is back", func() bool { return allowed() && set.Status().Error == "" })
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(reports) < 4 || reports[0].Err != nil || reports[len(reports)-1].Err != nil {
		t.Errorf("reports %+v", reports)
	}
}

// TestReloadOff: without watching, only Reload takes changes.
func TestReloadOff(t *testing.T) {
	d := newDir(t)
	path := d.write("authz.rego", "package caddy.authz\n\nallow := true\n")
	set := open(t, Config{Sources: []string{path}})
	d.write("authz.rego", "package caddy.authz\n\nallow := nope\n")
	if err := set.Reload(); err == nil || !set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("broken: %v", err)
	}
	d.write("authz.rego", "package caddy.authz\n\nallow := false\n")
	if err := set.Reload(); err != nil || set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("mended: %v", err)
	}
}

// TestNoMix: under load, no request sees the policy of one version with the
// data of another (T-09, T-61).
func TestNoMix(t *testing.T) {
	d := newDir(t)
	version := func(n string) {
		next := d.path + "/v" + n
		d.write("v"+n+"/authz.rego", "package caddy.authz\n\nallow := data.version == \""+n+"\"\n")
		d.write("v"+n+"/data.json", `{"version": "`+n+`"}`)
		_ = os.Remove(d.path + "/link.new")
		if err := os.Symlink(next, d.path+"/link.new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(d.path+"/link.new", d.path+"/link"); err != nil {
			t.Fatal(err)
		}
	}
	version("0")
	set := open(t, Config{Sources: []string{d.path + "/link"}})
	var torn atomic.Int64
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if !set.Decide(context.Background(), asked("/", "")).Allow {
						torn.Add(1)
					}
				}
			}
		})
	}
	for _, n := range strings.Split("1 2 3 4 5 6 7 8 9", " ") {
		version(n)
		if err := set.Reload(); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	workers.Wait()
	if torn.Load() > 0 {
		t.Errorf("%d requests saw a mix", torn.Load())
	}
}
