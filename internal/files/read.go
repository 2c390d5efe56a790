package files

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options selects the files to read.
type Options struct {
	// Paths are files, and directories, which are read recursively. Relative paths are
	// relative to the working directory.
	Paths []string
	// Include reports whether to read a file of a directory; nil means all files except
	// those whose names begin with a dot. Directories with such names are skipped. Files
	// in Paths are always read.
	Include func(path string) bool
	// MaxBytes limits the size of all files together; 0 means 64 MiB.
	MaxBytes int64
	// Warn is called once if the system has no notifications left and changes are found by
	// polling. It may be nil.
	Warn func(error)
}

const (
	// settleInterval is the time between two scans that must be equal.
	settleInterval = 200 * time.Millisecond
	// settledAge is the age after which a file counts as settled.
	settledAge = 2 * time.Second
	// settleTimeout is how long Read waits for files that keep changing.
	settleTimeout = 5 * time.Second
	// pollInterval is the time between scans without a notification.
	pollInterval = 5 * time.Second
	// debounce is how long Watch waits for further notifications before it scans.
	debounce = 50 * time.Millisecond
)

// Read returns the settled contents. If a file was written just now, it scans until two scans
// 200 ms apart are equal, and returns an error after 5 seconds of changes.
func Read(ctx context.Context, o Options) (Tree, error) {
	seen, err := scan(o)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(settleTimeout)
	for {
		pause := settleInterval
		if time.Since(seen.newestEntry) > settledAge {
			pause = 0 // scan once more all the same: a link may have been replaced during the first scan
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		again, err := scan(o)
		if err != nil || again.newestFile.Equal(seen.newestFile) && again.Fingerprint() == seen.Fingerprint() {
			return again.Tree, err
		}
		if time.Now().After(deadline) {
			return nil, unsettledError(seen.Tree, again.Tree)
		}
		seen = again
	}
}

// unsettledError names a file that keeps changing: one in which two trees differ.
func unsettledError(before, after Tree) error {
	for _, path := range after.Paths() {
		if earlier, there := before[path]; !there || string(earlier) != string(after[path]) {
			return fmt.Errorf("%s keeps changing", Abs(path))
		}
	}
	return errors.New("the files keep changing")
}
