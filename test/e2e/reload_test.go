//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// long reports whether the long form of tests is wanted.
func long() bool { return os.Getenv("POLICY_AUTH_LONG") != "" }

// edition is a site whose policies, data, access table and users are written
// again and again. All of them name the version they are of, the data at its
// beginning and at its end, so that a mix and half a file show.
type edition struct {
	*env
	hash    string
	version int
	seen    atomic.Int64 // the newest version that an answer named
	last    time.Time    // when the last piece was written
	gap     time.Duration
	mu      sync.Mutex
	started []writing
}

// writing is when the writing of a version began, and whether this machine was
// so slow that the writer paused for longer than a file may while it is not
// settled. What a server sees then is not to be blamed on it.
type writing struct {
	version int
	began   time.Time
	excused bool
}

// pause is how long a writer may pause, well below the 200 ms of the promise.
const pause = 120 * time.Millisecond

// contents returns the files of a version, below the directory of each watcher.
func (e *edition) contents(n int) [][2]string {
	account := func(name, more string) string {
		return fmt.Sprintf("  %s:\n    password: %s\n    roles: [v%d]\n%s", name, e.hash, n, more)
	}
	filler := func(format string) string {
		var b strings.Builder
		for i := range 40 {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return [][2]string{
		{"p/authz.rego", fmt.Sprintf("package caddy.authz\n\nversion := \"%d\"\n\ndefault last := \"none\"\n\nlast := data.last\n\nallow := {\"allow\": true, \"response_headers_to_add\": {\"X-Versions\": sprintf(\"%%s %%s %%s\", [version, data.first, last])}} if data.caddy.access.allow\n", n)},
		{"p/data.yaml", fmt.Sprintf("first: \"%d\"\nmore:\n%slast: \"%d\"\n", n, filler("  name-%d: value\n"), n)},
		{"p/access.yaml", fmt.Sprintf("# version %d\nrules:\n  - paths: [/first]\n    allow: [{authenticated: true}]\n%s  - paths: [/last]\n    allow: [{authenticated: true}]\n", n, filler("  - paths: [/more/%d]\n    allow: [{authenticated: true}]\n"))},
		{"u/users.yaml", "users:\n" + account("alice", "") + strings.ReplaceAll(filler("  user-%d:\n    password: HASH\n"), "HASH", e.hash) + account("zoe", "") + account("mallory", "    disabled: true\n")},
	}
}

// wrote notes that a piece of the version was written.
func (e *edition) wrote() {
	now := time.Now()
	e.gap = max(e.gap, now.Sub(e.last))
	e.last = now
}

// put writes a file by one of the ways in which editors and tools do.
func (e *edition) put(t *testing.T, way, path, content string) {
	t.Helper()
	var err error
	switch way {
	case "rename":
		temporary := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".tmp")
		if err = os.WriteFile(temporary, []byte(content), 0o644); err == nil {
			err = os.Rename(temporary, path)
		}
	case "in place":
		err = os.WriteFile(path, []byte(content), 0o644)
	case "slowly":
		err = e.slowly(path, content)
	}
	if err != nil {
		t.Error(err)
	}
	e.wrote()
}

// slowly writes a file in place, piece by piece. What is there after each piece
// would often load.
func (e *edition) slowly(path, content string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	e.wrote()
	lines := strings.SplitAfter(content, "\n")
	for piece := range slices.Chunk(lines, 1+len(lines)/5) {
		if _, err := file.WriteString(strings.Join(piece, "")); err != nil {
			return err
		}
		e.wrote()
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// publish writes the next version.
func (e *edition) publish(t *testing.T, way string) {
	t.Helper()
	e.version++
	e.gap, e.last = 0, time.Now()
	e.mu.Lock()
	e.started = append(e.started, writing{version: e.version, began: time.Now(), excused: true}) // until it is known
	e.mu.Unlock()
	if way == "symlink" {
		e.swap(t)
	} else {
		for _, file := range e.contents(e.version) {
			dir, name := filepath.Split(file[0])
			e.put(t, way, filepath.Join(e.Dir, dir, "..data", name), file[1])
		}
	}
	e.mu.Lock()
	e.started[len(e.started)-1].excused = e.gap > pause
	e.mu.Unlock()
}

// swap writes the version beside the last one and swaps the links that lead
// there, as Kubernetes does.
func (e *edition) swap(t *testing.T) {
	t.Helper()
	next := fmt.Sprintf("..v%d", e.version)
	for _, file := range e.contents(e.version) {
		dir, name := filepath.Split(file[0])
		e.env.Write(filepath.Join(dir, next, name), file[1])
	}
	e.last, e.gap = time.Now(), 0
	for _, dir := range []string{"p", "u"} {
		link := filepath.Join(e.Dir, dir, "..data")
		if err := os.Symlink(next, link+".new"); err != nil {
			t.Error(err)
		}
		if err := os.Rename(link+".new", link); err != nil {
			t.Error(err)
		}
		e.wrote()
	}
}

// excused reports whether what happened at a time may have been this machine's fault.
func (e *edition) excused(at time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, w := range e.started {
		over := i+1 == len(e.started) || at.Before(e.started[i+1].began.Add(time.Second))
		if w.excused && at.After(w.began) && over {
			return true
		}
	}
	return false
}

// demand is a request and its only right answer.
type demand struct {
	user, path string
	want       int
}

// questions are asked in turn. Mallory's account is disabled by the last line.
var questions = []demand{{"alice", "/first", 200}, {"zoe", "/last", 200}, {"", "/first", 401}, {"zoe", "/first", 200}, {"alice", "/last", 200}}

// crowd asks five hundred times a second and remembers what went wrong.
type crowd struct {
	*edition
	url     string
	client  *http.Client
	asked   atomic.Int64
	excuses atomic.Int64
	mu      sync.Mutex
	wrong   []string
	waits   []time.Duration
}

// ask asks until the context ends. Requests come at their times, however long
// the answers take, as far as sixteen connections allow.
func (c *crowd) ask(ctx context.Context) {
	const connections, interval = 16, 2 * time.Millisecond
	var clients sync.WaitGroup
	begun := time.Now()
	for i := range connections {
		clients.Go(func() {
			for n := i; ctx.Err() == nil; n += connections {
				time.Sleep(time.Until(begun.Add(time.Duration(n) * interval)))
				q := questions[n%len(questions)]
				if n%250 == 0 {
					q = demand{"mallory", "/first", 401}
				}
				c.one(q)
			}
		})
	}
	clients.Wait()
}

// one asks one question.
func (c *crowd) one(q demand) {
	r, err := http.NewRequest("GET", c.url+q.path, nil)
	if err != nil {
		c.fail(time.Now(), err.Error())
		return
	}
	if q.user != "" {
		r.SetBasicAuth(q.user, canary)
	}
	begun := time.Now()
	response, err := c.client.Do(r)
	if err != nil {
		c.fail(begun, err.Error())
		return
	}
	_ = response.Body.Close()
	took := time.Since(begun)
	c.asked.Add(1)
	throttled := q.user == "mallory" && response.StatusCode == http.StatusTooManyRequests
	if response.StatusCode != q.want && !throttled {
		c.fail(begun, fmt.Sprintf("%s, %s: %d", q.user, q.path, response.StatusCode))
	} else if q.want == 200 {
		c.compare(begun, response.Header.Get("X-Versions"))
	}
	c.mu.Lock()
	c.waits = append(c.waits, took)
	c.mu.Unlock()
}

// compare holds that policy and data are of one version, and whole.
func (c *crowd) compare(at time.Time, versions string) {
	var policy, first, last int64
	if _, err := fmt.Sscan(versions, &policy, &first, &last); err != nil || policy != first || first != last {
		c.fail(at, "a mix: "+versions)
		return
	}
	for {
		newest := c.seen.Load()
		if policy <= newest || c.seen.CompareAndSwap(newest, policy) {
			return
		}
	}
}

// fail notes what went wrong.
func (c *crowd) fail(at time.Time, what string) {
	if c.excused(at) {
		c.excuses.Add(1)
		return
	}
	c.mu.Lock()
	c.wrong = append(c.wrong, at.Format("05.000")+" "+what)
	c.mu.Unlock()
}

// spent returns the waits since the last call, in the middle and at the end.
func (c *crowd) spent() (p50, p99 time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(c.waits)
	if n := len(c.waits); n > 0 {
		p50, p99 = c.waits[n/2], c.waits[n*99/100]
	}
	c.waits = nil
	return p50, p99
}

// TestE2EReload asks five hundred times a second while policies, data, access
// table and users are replaced by rename, in place, slowly and by swapping
// links: no request fails, and none sees a mix or a file that had not settled
// (T-07, T-09, T-61). The long form is among a thousand policies.
func TestE2EReload(t *testing.T) {
	policies, duration, calm := 20, 5*time.Second, time.Second
	if long() {
		policies, duration, calm = 1000, 30*time.Second, 5*time.Second
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(canary), 8)
	if err != nil {
		t.Fatal(err)
	}
	e := &edition{env: newEnv(t), hash: string(hash), version: 1}
	e.swap(t)
	for _, file := range e.contents(1) {
		dir, name := filepath.Split(file[0])
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(e.Dir, dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range policies {
		e.env.Write(fmt.Sprintf("more/p%d.rego", i), fmt.Sprintf("package more.p%d\n\nallow if {\n\tsome role in input.identity.roles\n\trole in data.more.roles_%[1]d\n\tinput.request.method == \"GET\"\n}\n", i))
	}
	s, url := e.serve("policy_auth {\nbasic {\n users DIR/u/users.yaml\n }\n access DIR/p/access.yaml\n policies DIR/p DIR/more {\n timeout 5s\n }\n}\nrespond ok")
	up := func() bool { response, err := http.Get(url); return err == nil && response.Body.Close() == nil }
	eventually(t, "the site answers", up)
	c := &crowd{edition: e, url: url, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	t.Cleanup(c.client.CloseIdleConnections)
	ctx, cancel := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	asking.Go(func() { c.ask(ctx) })
	time.Sleep(calm / 5) // connections are made and passwords checked
	c.spent()
	time.Sleep(calm)
	calm50, calm99 := c.spent()
	ways := []string{"rename", "in place", "slowly", "symlink"}
	for end := time.Now().Add(duration); time.Now().Before(end) || e.version <= len(ways); {
		way := ways[e.version%len(ways)]
		e.publish(t, way)
		eventually(t, fmt.Sprintf("version %d, %s, counts", e.version, way), func() bool { return c.seen.Load() == int64(e.version) })
	}
	busy50, busy99 := c.spent()
	cancel()
	asking.Wait()
	t.Logf("%d requests, %d versions among %d policies; p50 %v and %v, p99 %v and %v while they change; %d answers excused since this machine paused the writer",
		c.asked.Load(), e.version, policies, calm50, busy50, calm99, busy99, c.excuses.Load())
	if len(c.wrong) > 0 {
		t.Errorf("%d answers were wrong: %s", len(c.wrong), strings.Join(c.wrong[:min(10, len(c.wrong))], "; "))
	}
	if logged := s.logged(); strings.Contains(logged, "not taken") && c.excuses.Load() == 0 {
		t.Error("something that had not settled was read")
	}
}
