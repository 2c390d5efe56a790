//go:build linux

package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is a server of a run.
type process struct {
	cmd     *exec.Cmd
	address string
	log     *os.File
}

// launch starts a server on one core, the first where there are several, and waits
// until it listens.
func launch(dir, name, address, program string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{cmd: exec.Command(program, args...), address: address, log: log}
	p.cmd.Stdout, p.cmd.Stderr, p.cmd.Dir = log, log, dir
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "XDG_DATA_HOME="+filepath.Join(dir, name), "XDG_CONFIG_HOME="+filepath.Join(dir, name))
	if err := onCore(serverCore, p.cmd.Start); err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if connection, err := net.Dial("tcp", address); err == nil {
			return p, connection.Close()
		}
	}
	return nil, errors.Join(fmt.Errorf("%s does not listen: %s", name, p.said()), p.stop())
}

// said returns the last output of a server, for an error.
func (p *process) said() []byte {
	content, _ := os.ReadFile(p.log.Name())
	return content[max(0, len(content)-2000):]
}

// stop ends the server.
func (p *process) stop() error {
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	ended := time.AfterFunc(5*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer ended.Stop()
	_ = p.cmd.Wait() // how it ended does not matter
	return p.log.Close()
}

// cpu returns the seconds that the server has computed, for itself and in the kernel,
// by the clock that the kernel has for each process (clock_getcpuclockid(3)).
func (p *process) cpu() (float64, error) {
	var spent unix.Timespec
	err := unix.ClockGettime(int32(^p.cmd.Process.Pid<<3|2), &spent)
	return time.Duration(spent.Nano()).Seconds(), err
}

// memory returns how many bytes of the server are in memory.
func (p *process) memory() (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(content), "VmRSS:")
	kilobytes, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	n, err := strconv.ParseInt(kilobytes, 10, 64)
	return n << 10, err
}

// freeAddress returns an address of the loopback interface that no program uses.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}
