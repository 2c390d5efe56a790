//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// options are the command line.
type options struct {
	quick     bool
	opa       string
	out, only string
	peers     []row
}

// Each row is measured in pairs, what it is compared with just before itself, until
// the interval of the median is narrow enough.
const (
	minPairs = 40
	maxPairs = 120
	// narrow is how far either end of the interval may be from the median.
	narrow = 0.015
)

// pairs are the minimum and the maximum number of pairs; warm and busy are how long
// each half of one takes.
func (o options) pairs() (least, most int, warm, busy time.Duration) {
	if o.quick {
		return 2, 2, 50 * time.Millisecond, 200 * time.Millisecond
	}
	return minPairs, maxPairs, 50 * time.Millisecond, 250 * time.Millisecond
}

// subject is a row with its running servers.
type subject struct {
	row
	servers []*process // Caddy, and the server for forward_auth
	base    *subject   // the row to compare with
	cookie  string     // of a session, as a header
	pairs   []pair
	waits   []time.Duration // of all pairs
}

// pair is the result of one pair.
type pair struct {
	requests int
	cpu      float64 // seconds
	base     float64 // requests per second that the other half computed just before
}

func (p pair) perSecond() float64 { return float64(p.requests) / p.cpu }

// done reports whether there are enough pairs for the median.
func (s *subject) done(least, most int) bool {
	if len(s.pairs) < least {
		return false
	}
	m := medianOf(s.ratios())
	return len(s.pairs) >= most || m.value-m.low <= narrow && m.high-m.value <= narrow
}

// run measures everything, interleaved, and reports it.
func run(o options) (err error) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return errors.New("it measures by /proc, which Linux has")
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	w, err := newEnv(dir)
	if err != nil {
		return err
	}
	var subjects []*subject
	defer func() {
		for _, s := range subjects {
			err = errors.Join(err, s.stop())
		}
	}()
	for _, r := range pick(o) {
		s, err := w.start(r, o)
		if err != nil {
			return fmt.Errorf("%s: %w", r.label, err)
		}
		subjects = append(subjects, s)
	}
	for _, s := range subjects {
		if s.base = named(subjects, s.row.base); s.base == nil {
			return fmt.Errorf("%s: no row is named %q", s.label, s.row.base)
		}
	}
	if err := w.measureAll(o, subjects); err != nil {
		return err
	}
	results, err := summarize(subjects)
	if err != nil {
		return err
	}
	return report(o, results)
}

// named returns the subject of a name, bare Caddy for "", or nil.
func named(subjects []*subject, name string) *subject {
	for _, s := range subjects {
		if s.name == name || name == "" && s.name == bare {
			return s
		}
	}
	return nil
}

// measureAll measures one pair of each row in turn, so that what else the machine does
// weighs on all, until each row has enough.
func (w *env) measureAll(o options, subjects []*subject) error {
	least, most, warm, busy := o.pairs()
	for round := 1; ; round++ {
		left := 0
		for _, s := range subjects {
			if s.done(least, most) {
				continue
			}
			left++
			before, err := s.base.measure(w, warm, busy)
			if err != nil {
				return fmt.Errorf("%s: %w: %s", s.base.label, err, s.base.servers[0].said())
			}
			own, err := s.measure(w, warm, busy)
			if err != nil {
				return fmt.Errorf("%s: %w: %s", s.label, err, s.servers[0].said())
			}
			own.base = before.perSecond()
			s.pairs = append(s.pairs, own)
		}
		if left == 0 {
			return nil
		}
		fmt.Fprintf(os.Stderr, "pair %d, %d rows to go\n", round, left)
	}
}

// start starts Caddy with the site of a row, and the server that it needs.
func (w *env) start(r row, o options) (*subject, error) {
	s := &subject{row: r}
	asked, err := freeAddress()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	caddy := program
	if r.program != "" {
		caddy = r.program
	}
	switch r.asks {
	case auth:
		err = s.launch(w, asked, program, authCommand, asked, "key.pem")
	case opa:
		err = s.launch(w, asked, o.opa, "run", "--server", "--addr", asked, "--authorization", "basic", "--log-level", "error", "policy", "opa")
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	address, err := freeAddress()
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	_, port, _ := strings.Cut(address, ":")
	fill := strings.NewReplacer("{DIR}", w.dir, "{HASH}", w.hash, "{AUTH}", asked, "{OPA}", asked, "{PORT}", port)
	config := fill.Replace(r.site)
	if r.program == "" {
		config = fmt.Sprintf("{\n admin off\n auto_https off\n persist_config off\n default_bind 127.0.0.1\n}\nhttp://:%s {\n%s\nrespond ok\n}\n", port, config)
	}
	if err := w.write(map[string][]byte{r.name + ".Caddyfile": []byte(config)}); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := s.launch(w, address, caddy, "run", "--config", r.name+".Caddyfile", "--adapter", "caddyfile"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	slices.Reverse(s.servers)
	return s, nil
}

// launch starts one more server of a subject.
func (s *subject) launch(w *env, address, program string, args ...string) error {
	program, err := filepath.Abs(program)
	if err != nil {
		return err
	}
	p, err := launch(w.dir, fmt.Sprintf("%s-%d", s.name, len(s.servers)), address, program, args...)
	if err == nil {
		s.servers = append(s.servers, p)
	}
	return err
}

func (s *subject) stop() (err error) {
	for _, p := range s.servers {
		err = errors.Join(err, p.stop())
	}
	return err
}

// cpu returns the CPU time of all servers of a subject, in seconds.
func (s *subject) cpu() (seconds float64, err error) {
	for _, p := range s.servers {
		more, failure := p.cpu()
		seconds, err = seconds+more, errors.Join(err, failure)
	}
	return seconds, err
}

// measure loads a subject to warm it up, and then for the measurement.
func (s *subject) measure(w *env, warm, busy time.Duration) (pair, error) {
	next, err := s.requests(w)
	if err != nil {
		return pair{}, err
	}
	if _, err := load(s.servers[0].address, s.want, warm, next); err != nil {
		return pair{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return pair{}, err
	}
	waits, err := load(s.servers[0].address, s.want, busy, next)
	if err != nil {
		return pair{}, err
	}
	after, err := s.cpu()
	s.waits = append(s.waits, waits...)
	return pair{requests: len(waits), cpu: after - before}, err
}
