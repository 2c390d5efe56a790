package files

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Options says what to look at.
type Options struct {
	// Paths are files and directories, which are looked through to the bottom.
	// Relative ones are relative to the working directory.
	Paths []string
	// Include says which files of a directory matter; nil means all but those whose
	// names begin with a dot. Directories with such names are never entered. A
	// file in Paths always matters.
	Include func(path string) bool
	// MaxBytes bounds all contents together; 0 means 64 MiB.
	MaxBytes int64
	// Warn is called once if only polling finds changes. It may be nil.
	Warn func(error)
}

const (
	// settleInterval is how far apart two equal looks are.
	settleInterval = 200 * time.Millisecond
	// settledAge is the age from which a file counts as settled without a second look.
	settledAge = 2 * time.Second
	// settleTimeout is how long Read waits for files that keep changing.
	settleTimeout = 5 * time.Second
	// pollInterval is how often Watch looks without having been told.
	pollInterval = 5 * time.Second
	// debounce is how long Watch waits for further news before it looks.
	debounce = 50 * time.Millisecond
)

// Read returns the settled contents. A file that was written just now is looked
// at until two looks 200 ms apart are equal; after 5 seconds of changes that is
// an error.
func Read(ctx context.Context, o Options) (Tree, error) {
	seen, err := scan(o)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(settleTimeout)
	for {
		pause := settleInterval
		if time.Since(seen.newestEntry) > settledAge {
			pause = 0 // one more look all the same: a link may have been swapped during the first
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

// unsettledError says that files do not settle, and names one in which two trees
// differ.
func unsettledError(before, after Tree) error {
	for _, path := range after.Paths() {
		if earlier, there := before[path]; !there || string(earlier) != string(after[path]) {
			return fmt.Errorf("%s keeps changing", Abs(path))
		}
	}
	return errors.New("the files keep changing")
}
