//go:build linux

package main

import (
	"os"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// The servers have a core and the load has another, so that neither waits for the
// other's; where there is one core, they share it.
const (
	serverCore = 0
	loadCore   = 1
)

// cores returns the numbers of the cores that this process had at first.
var cores = sync.OnceValues(func() ([]int, error) {
	var own unix.CPUSet
	if err := unix.SchedGetaffinity(0, &own); err != nil {
		return nil, err
	}
	return numbers(&own), nil
})

// numbers returns the cores of a set, in order.
func numbers(set *unix.CPUSet) (cores []int) {
	for number, left := 0, set.Count(); left > 0; number++ {
		if set.IsSet(number) {
			cores, left = append(cores, number), left-1
		}
	}
	return cores
}

// only returns a set of the core that is the first or the second of cores, or nil if
// there is one core alone.
func only(core int) (*unix.CPUSet, error) {
	own, err := cores()
	if err != nil || len(own) <= max(serverCore, loadCore) {
		return nil, err
	}
	set := new(unix.CPUSet)
	set.Set(own[core])
	return set, nil
}

// onCore runs f on a core. A process that it starts stays there.
func onCore(core int, f func() error) error {
	wanted, err := only(core)
	if err != nil {
		return err
	}
	if wanted == nil {
		return f()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	if err := unix.SchedSetaffinity(0, wanted); err != nil {
		return err
	}
	defer func() { _ = unix.SchedSetaffinity(0, &before) }()
	return f()
}

// stayOn keeps all threads of this process on a core, and those that they start.
func stayOn(core int) error {
	wanted, err := only(core)
	if err != nil || wanted == nil {
		return err
	}
	threads, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, thread := range threads {
		id, err := strconv.Atoi(thread.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(id, wanted); err != nil {
			return err
		}
	}
	return nil
}
