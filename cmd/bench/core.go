package main

import (
	"os"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// The servers have a core and the load has another, so that neither waits for the
// other's; where there is one core, they share it.
const (
	serverCore = 0
	loadCore   = 1
)

// onCore runs f on a core. A process that it starts stays there.
func onCore(core int, f func() error) error {
	if runtime.NumCPU() <= core {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, wanted unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	wanted.Set(core)
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

// stayOn keeps all threads of this process on a core, and those that they start.
func stayOn(core int) error {
	if runtime.NumCPU() <= core {
		return nil
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	var wanted unix.CPUSet
	wanted.Set(core)
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, &wanted); err != nil {
			return err
		}
	}
	return nil
}
