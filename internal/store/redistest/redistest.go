// Package redistest runs a redis-server for tests, on a socket and with nothing
// on disk.
package redistest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Server is a running redis-server.
type Server struct {
	// Socket is the path of its socket.
	Socket string

	cmd *exec.Cmd
}

// New starts a server that ends with the test. It skips the test without
// Debian's package redis-server, which is a failure in CI.
func New(t testing.TB, arguments ...string) *Server {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server")
	}
	s, err := Start(arguments...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// Start starts a server and waits until it answers. Arguments are added to its own.
func Start(arguments ...string) (*Server, error) {
	dir, err := os.MkdirTemp("", "redis") // a test's own directory is too long a name for a socket
	if err != nil {
		return nil, err
	}
	s := &Server{Socket: filepath.Join(dir, "s")}
	if err := s.Start(arguments...); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// Start starts the server again after Stop.
func (s *Server) Start(arguments ...string) error {
	s.cmd = exec.Command("redis-server", append([]string{"--port", "0", "--unixsocket", s.Socket,
		"--dir", filepath.Dir(s.Socket), "--save", "", "--appendonly", "no"}, arguments...)...)
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	said := bufio.NewReader(out)
	for {
		line, err := said.ReadString('\n')
		if err != nil {
			return fmt.Errorf("redis-server: %w", errors.Join(err, s.cmd.Wait()))
		}
		if strings.Contains(line, "ready to accept connections") {
			go func() { _, _ = io.Copy(io.Discard, said) }() // until it ends
			return nil
		}
	}
}

// URL is the server's address for store.OpenRedis and for store redis.
func (s *Server) URL() string { return "unix://" + s.Socket }

// Stop ends the server as a crash does.
func (s *Server) Stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.Remove(s.Socket)
}

// Close ends the server for good.
func (s *Server) Close() {
	s.Stop()
	_ = os.RemoveAll(filepath.Dir(s.Socket))
}

// Shared is a server that several tests share, each with keys of its own; the
// zero value is ready.
type Shared struct {
	mu     sync.Mutex
	server *Server
	tests  int
}

// Get starts the server unless it runs, and returns it with a beginning of keys
// that no other test has.
func (s *Shared) Get(t testing.TB) (*Server, string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("no redis-server")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server == nil {
		var err error
		if s.server, err = Start(); err != nil {
			t.Fatal(err)
		}
	}
	s.tests++
	return s.server, fmt.Sprintf("test%d:", s.tests)
}

// Close ends the server if it was started.
func (s *Shared) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.server != nil {
		s.server.Close()
	}
}
