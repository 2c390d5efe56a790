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
}

// rounds is how often each row is measured, bare Caddy before each, and warm and
// busy how long each time.
func (o options) rounds() (n int, warm, busy time.Duration) {
	if o.quick {
		return 2, 50 * time.Millisecond, 200 * time.Millisecond
	}
	return 10, 200 * time.Millisecond, time.Second
}

// subject is a row with its running servers.
type subject struct {
	row
	servers []*process // Caddy, and what it asks
	rounds  []round
	waits   []time.Duration // of all rounds
}

// round is what one round saw.
type round struct {
	requests int
	cpu      float64 // seconds
	bare     float64 // requests per second that bare Caddy computed just before
}

func (r round) perSecond() float64 { return float64(r.requests) / r.cpu }

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
	w, err := newWorld(dir)
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
	n, warm, busy := o.rounds()
	for i := range n {
		for _, s := range subjects {
			before, err := subjects[0].measure(w, warm, busy)
			if err != nil {
				return fmt.Errorf("%s: %w: %s", subjects[0].label, err, subjects[0].servers[0].said())
			}
			own, err := s.measure(w, warm, busy)
			if err != nil {
				return fmt.Errorf("%s: %w: %s", s.label, err, s.servers[0].said())
			}
			own.bare = before.perSecond()
			s.rounds = append(s.rounds, own)
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, n)
	}
	results, err := summarize(subjects)
	if err != nil {
		return err
	}
	return report(o, results)
}

// start starts Caddy with a row's site, and what that asks.
func (w *world) start(r row, o options) (*subject, error) {
	s := &subject{row: r}
	asked, err := freeAddress()
	if err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
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
	site := strings.NewReplacer("{DIR}", w.dir, "{HASH}", w.hash, "{AUTH}", asked, "{OPA}", asked).Replace(r.site)
	_, port, _ := strings.Cut(address, ":")
	config := fmt.Sprintf("{\n admin off\n auto_https off\n persist_config off\n default_bind 127.0.0.1\n}\nhttp://:%s {\n%s\nrespond ok\n}\n", port, site)
	if err := w.write(map[string][]byte{r.name + ".Caddyfile": []byte(config)}); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	if err := s.launch(w, address, program, "run", "--config", r.name+".Caddyfile", "--adapter", "caddyfile"); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	slices.Reverse(s.servers)
	return s, nil
}

// launch starts one more server of a subject.
func (s *subject) launch(w *world, address, program string, args ...string) error {
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

// cpu returns what all servers of a subject have computed.
func (s *subject) cpu() (seconds float64, err error) {
	for _, p := range s.servers {
		more, failure := p.cpu()
		seconds, err = seconds+more, errors.Join(err, failure)
	}
	return seconds, err
}

// measure loads a subject for a while that does not count, and one that does.
func (s *subject) measure(w *world, warm, busy time.Duration) (round, error) {
	next := func() func() []byte { return s.request(w) }
	if _, err := load(s.servers[0].address, s.want, warm, next); err != nil {
		return round{}, err
	}
	before, err := s.cpu()
	if err != nil {
		return round{}, err
	}
	waits, err := load(s.servers[0].address, s.want, busy, next)
	if err != nil {
		return round{}, err
	}
	after, err := s.cpu()
	s.waits = append(s.waits, waits...)
	return round{requests: len(waits), cpu: after - before}, err
}
