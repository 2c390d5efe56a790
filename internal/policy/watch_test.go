package policy

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
)

// TestWatch: an edit counts, a broken one changes nothing and is reported with
// its line, and so is a source that is gone (T-07, T-60).
func TestWatch(t *testing.T) {
	d := policytest.NewDir(t)
	d.Write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
	var mu sync.Mutex
	var reports []Report
	set, err := Open(Config{Sources: []string{d.Path + "/p"}, Watch: true}, testrun.Checker(), func(r Report) {
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
	d.Write("p/authz.rego", "package caddy.authz\n\nallow := false\n")
	eventually(t, "the edit counts", func() bool { return !allowed() })
	if now := set.Status(); now.Revision == first.Revision || now.Error != "" {
		t.Errorf("status %+v", now)
	}
	d.Write("p/authz.rego", "package caddy.authz\n\nallow := tru\n")
	eventually(t, "the broken edit is shown", func() bool { return strings.Contains(set.Status().Error, "authz.rego:3") })
	if allowed() {
		t.Error("a broken edit opened the door")
	}
	if err := os.RemoveAll(d.Path + "/p"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal is shown", func() bool { return strings.Contains(set.Status().Error, "no such file") })
	d.Write("p/authz.rego", "package caddy.authz\n\nallow := true\n")
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
	d := policytest.NewDir(t)
	path := d.Write("authz.rego", "package caddy.authz\n\nallow := true\n")
	set := open(t, Config{Sources: []string{path}})
	d.Write("authz.rego", "package caddy.authz\n\nallow := nope\n")
	if err := set.Reload(); err == nil || !set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("broken: %v", err)
	}
	d.Write("authz.rego", "package caddy.authz\n\nallow := false\n")
	if err := set.Reload(); err != nil || set.Decide(t.Context(), asked("/", "")).Allow {
		t.Errorf("mended: %v", err)
	}
}

// TestNoMix: under load, no request sees the policy of one version with the
// data of another (T-09, T-61).
func TestNoMix(t *testing.T) {
	d := policytest.NewDir(t)
	version := func(n string) {
		next := d.Path + "/v" + n
		d.Write("v"+n+"/authz.rego", "package caddy.authz\n\nallow := data.version == \""+n+"\"\n")
		d.Write("v"+n+"/data.json", `{"version": "`+n+`"}`)
		replaceLink(t, next, d.Path+"/link")
	}
	version("0")
	set := open(t, Config{Sources: []string{d.Path + "/link"}, Timeout: time.Minute})
	torn := whileAsking(t, func() bool { return !set.Decide(context.Background(), asked("/", "")).Allow }, func() {
		for n := range strings.SplitSeq("1 2 3 4 5 6 7 8 9", " ") {
			version(n)
			if err := set.Reload(); err != nil {
				t.Error(err)
			}
		}
	})
	if torn > 0 {
		t.Errorf("%d requests saw a mix", torn)
	}
}

// TestWatchSwap: a directory as Kubernetes fills it, by links to a directory
// that a link names, which is swapped while requests come. Each sees the policy,
// the data and the table of one version (T-07, T-09, T-61).
func TestWatchSwap(t *testing.T) {
	d := policytest.NewDir(t)
	version := func(n string) {
		d.Write("m/..v"+n+"/authz.rego", "package caddy.authz\n\nallow if {\n\tdata.version == \""+n+"\"\n\tdata.caddy.access.allow\n}\n")
		d.Write("m/..v"+n+"/data.json", `{"version": "`+n+`"}`)
		d.Write("m/..v"+n+"/access.yaml", "rules:\n  - paths: [/v"+n+"]\n    allow: [{anyone: true}]\n")
		replaceLink(t, "..v"+n, d.Path+"/m/..data")
	}
	version("0")
	for _, name := range []string{"authz.rego", "data.json", "access.yaml"} {
		replaceLink(t, "..data/"+name, d.Path+"/m/"+name)
	}
	set := open(t, Config{Sources: []string{d.Path + "/m"}, Access: []string{d.Path + "/m/access.yaml"}, Timeout: time.Minute, Watch: true})
	allows := func(n string) bool { return set.Decide(context.Background(), asked("/v"+n, "")).Allow }
	if !allows("0") {
		t.Fatal("the first version does not count")
	}
	torn := whileAsking(t, func() bool {
		before := set.Status().Revision
		some := allows("0") || allows("1") || allows("2") || allows("3")
		return !some && set.Status().Revision == before
	}, func() {
		for _, n := range []string{"1", "2", "3"} {
			version(n)
			eventually(t, "version "+n+" counts", func() bool { return allows(n) })
		}
	})
	if torn > 0 {
		t.Errorf("%d requests saw a mix", torn)
	}
	if status := set.Status(); status.Error != "" {
		t.Errorf("got %+v", status)
	}
}

// replaceLink puts a symbolic link in the place of another one at once.
func replaceLink(t testing.TB, target, link string) {
	t.Helper()
	if err := os.Symlink(target, link+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(link+".new", link); err != nil {
		t.Fatal(err)
	}
}

// whileAsking runs change while four goroutines ask, and counts how often the
// answer was wrong.
func whileAsking(t testing.TB, wrong func() bool, change func()) int64 {
	t.Helper()
	var count atomic.Int64
	stop := make(chan struct{})
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					if wrong() {
						count.Add(1)
					}
				}
			}
		})
	}
	defer workers.Wait()
	defer close(stop)
	change()
	return count.Load()
}

// TestWatchSlow: a file that is written slowly counts only when it is whole,
// although its first half would be a policy too (T-61).
func TestWatchSlow(t *testing.T) {
	d := policytest.NewDir(t)
	path := d.Write("p/authz.rego", "package caddy.authz\n\nallow if not data.blocked.alice\n")
	data := d.Write("p/data.yaml", "blocked:\n  alice: true\n")
	set := open(t, Config{Sources: []string{filepath.Dir(path)}, Timeout: time.Minute, Watch: true})
	first := set.Status().Revision
	file, err := os.OpenFile(data, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	opened := whileAsking(t, func() bool { return set.Decide(context.Background(), asked("/", "")).Allow }, func() {
		for _, line := range []string{"blocked:\n", "  bob: true\n", "  carol: true\n", "  alice: true\n", "version: 2\n"} {
			if _, err := file.WriteString(line); err != nil {
				t.Error(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		eventually(t, "the new data counts", func() bool { return set.Status().Revision != first && set.Status().Error == "" })
	})
	if opened > 0 {
		t.Errorf("%d requests were let in by half a file", opened)
	}
}
