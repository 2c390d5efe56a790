//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// some are results to show.
var some = []result{
	{Name: "bare", Label: "bare Caddy", Requests: 100, PerCPUSecond: 5000, Base: "bare Caddy", Ratio: 1, Low: 1, High: 1, Pairs: 40, P50: time.Millisecond, P99: 2 * time.Millisecond, Memory: 50 << 20},
	{Name: "hit", Label: "policy_auth & <others>", Requests: 90, PerCPUSecond: 4500, Base: "bare Caddy", Ratio: 0.9, Low: 0.885, High: 0.91, Pairs: 44, P50: 2 * time.Millisecond, P99: 3 * time.Millisecond, Memory: 75 << 20},
}

// TestChart: it is XML, and has a bar for each row.
func TestChart(t *testing.T) {
	decoder := xml.NewDecoder(strings.NewReader(chart(some)))
	bars := 0
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == "rect" {
			bars++
		}
	}
	if bars != len(some) {
		t.Errorf("%d bars", bars)
	}
}

// TestInsert: the table goes to its place, and only there.
func TestInsert(t *testing.T) {
	path := filepath.Join(t.TempDir(), "performance.md")
	for _, test := range []struct{ content, want string }{
		{"before\n" + tableStart + "old\n" + tableEnd + "after\n", "before\n" + tableStart + markdown(some) + tableEnd + "after\n"},
		{"no place\n", ""},
	} {
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		err := insert(path, markdown(some))
		got, _ := os.ReadFile(path)
		if (err == nil) != (test.want != "") || err == nil && string(got) != test.want {
			t.Errorf("%v\n%s", err, got)
		}
	}
	if row := "| policy_auth & <others> | **0.90** | 0.885–0.910 | 44 | 2.00 | 1.50 | 1.50 |\n"; !strings.Contains(markdown(some), row) {
		t.Errorf("got %s", markdown(some))
	}
}

// TestSummarize: ratios are of the same pair, and the one in the middle counts.
func TestSummarize(t *testing.T) {
	base := &subject{row: row{name: "bare"}, pairs: []pair{{100, 1, 100}, {50, 1, 40}, {100, 1, 125}}, waits: []time.Duration{3, 1, 2}}
	other := &subject{row: row{name: "other"}, base: base, pairs: []pair{{80, 1, 100}, {45, 1, 50}, {70, 1, 100}}, waits: []time.Duration{5, 4, 6}}
	base.base = base
	results, err := summarize([]*subject{base, other})
	if err != nil {
		t.Fatal(err)
	}
	if r := results[0]; r.Ratio != 1 || r.Low != 0.8 || r.High != 1.25 {
		t.Errorf("bare Caddy beside itself: %+v", r)
	}
	if r := results[1]; r.Ratio != 0.8 || r.Low != 0.7 || r.High != 0.9 || r.Pairs != 3 || r.P50 != 5 || r.P99 != 6 || r.PerCPUSecond != 65 {
		t.Errorf("got %+v", r)
	}
}

// TestMedian: the interval narrows with the number of pairs, and a row is done when it
// is narrow enough, or after the most pairs.
func TestMedian(t *testing.T) {
	sample := make([]float64, 100)
	for i := range sample {
		sample[i] = float64(99 - i)
	}
	if m := medianOf(sample); m != (median{49.5, 40, 59}) {
		t.Errorf("%+v", m)
	}
	if m := medianOf([]float64{3, 1}); m != (median{2, 1, 3}) {
		t.Errorf("%+v", m)
	}
	s := &subject{}
	for i := range 60 {
		s.pairs = append(s.pairs, pair{100, 1, 100 + float64(i%2)*10})
	}
	if s.done(40, 120) || !s.done(40, 60) {
		t.Error("a wide interval")
	}
	for i := range s.pairs {
		s.pairs[i].base = 100
	}
	if !s.done(40, 120) || s.done(61, 120) {
		t.Error("a narrow interval")
	}
}

// TestPeer: another build is named by its program and its Caddyfile.
func TestPeer(t *testing.T) {
	config := filepath.Join(t.TempDir(), "Caddyfile")
	if err := os.WriteFile(config, []byte("http://:{PORT} {\n}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := peer("other=/bin/caddy," + config); err != nil || r.name != "other" || r.program != "/bin/caddy" || !strings.Contains(r.site, "{PORT}") {
		t.Errorf("%+v %v", r, err)
	}
	for _, bad := range []string{"other", "other=/bin/caddy", "=/bin/caddy," + config, "other=/bin/caddy,/nowhere"} {
		if _, err := peer(bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestLoad: each answer is read whole, and one that is not as expected is an error.
func TestLoad(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/endless" {
			_ = http.NewResponseController(w).Flush()
		}
		if r.Header.Get("Authorization") == "" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		_, _ = fmt.Fprint(w, "an answer to "+r.URL.Path)
	}))
	t.Cleanup(server.Close)
	w, err := newEnv(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, want string
		next       func(*env) func() []byte
		status     int
	}{
		{"one path", "", same("GET", "/a", bearer), 200},
		{"many paths and tokens", "", paths(true), 200},
		{"refused", "status 401 instead of 200", same("GET", "/", preflight), 200},
		{"without a length", "without a length", same("GET", "/endless", bearer), 200},
	} {
		t.Run(test.name, func(t *testing.T) {
			waits, err := load(server.Listener.Addr().String(), test.status, 50*time.Millisecond, func() func() []byte { return test.next(w) })
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) || err == nil && len(waits) < 2 {
				t.Errorf("%d answers, %v", len(waits), err)
			}
		})
	}
}

// TestProcess: what a process uses is read.
func TestProcess(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("there is no /proc")
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: &exec.Cmd{Process: self}}
	for range 1 << 28 { // some work
	}
	seconds, err1 := p.cpu()
	memory, err2 := p.memory()
	if seconds <= 0 || memory < 1<<20 || err1 != nil || err2 != nil {
		t.Errorf("%f s, %d bytes, %v, %v", seconds, memory, err1, err2)
	}
}

// TestCores: the servers and the load have the first two cores that this process may
// use, whatever their numbers are.
func TestCores(t *testing.T) {
	set := new(unix.CPUSet)
	for _, core := range []int{70, 3, 5} {
		set.Set(core)
	}
	if got := numbers(set); !slices.Equal(got, []int{3, 5, 70}) {
		t.Errorf("%v", got)
	}
	own, err := cores()
	if err != nil || len(own) == 0 {
		t.Fatal(own, err)
	}
	if len(own) < 2 {
		return
	}
	if err := onCore(loadCore, func() error {
		var here unix.CPUSet
		err := unix.SchedGetaffinity(0, &here)
		if got := numbers(&here); !slices.Equal(got, own[1:2]) {
			t.Errorf("the load is on %v of %v", got, own)
		}
		return err
	}); err != nil {
		t.Error(err)
	}
}
