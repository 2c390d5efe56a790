// Package files watches operators' files and directories and hands over their
// contents only when they have settled: a file that is being written is not
// taken half-way, as long as its writer does not pause for 200 ms. Whoever
// renames a finished file over the old one need not rely on that.
package files

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Tree is what was seen in one look: the content of each file by its path, as
// the operator named it and joined with what is below a directory.
type Tree map[string][]byte

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
	// settle is how far apart two equal looks are.
	settle = 200 * time.Millisecond
	// old is the age from which a file counts as settled without a second look.
	old = 2 * time.Second
	// patience is how long Read waits for files that keep changing.
	patience = 5 * time.Second
	// poll is how often Watch looks without having been told.
	poll = 5 * time.Second
	// gather is how long Watch waits for further news before it looks.
	gather = 50 * time.Millisecond
)

// Paths returns the paths of the tree's files, sorted.
func (t Tree) Paths() []string {
	paths := make([]string, 0, len(t))
	for path := range t {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Fingerprint names the tree's contents: equal trees have equal fingerprints.
func (t Tree) Fingerprint() string {
	digest := sha256.New()
	length := make([]byte, 8)
	for _, path := range t.Paths() {
		for _, part := range [][]byte{[]byte(path), t[path]} {
			binary.BigEndian.PutUint64(length, uint64(len(part)))
			digest.Write(length)
			digest.Write(part)
		}
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// Read returns the settled contents. A file that was written just now is looked
// at until two looks 200 ms apart are equal; after 5 seconds of changes that is
// an error.
func Read(ctx context.Context, o Options) (Tree, error) {
	seen, err := look(o)
	if err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for {
		pause := settle
		if time.Since(seen.newest) > old {
			pause = 0 // one more look all the same: a link may have been swapped during the first
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
		again, err := look(o)
		if err != nil || again.written.Equal(seen.written) && again.Fingerprint() == seen.Fingerprint() {
			return again.Tree, err
		}
		if time.Now().After(deadline) {
			return nil, changing(seen.Tree, again.Tree)
		}
		seen = again
	}
}

// changing says that files do not settle, and names one in which two trees
// differ.
func changing(before, after Tree) error {
	for _, path := range after.Paths() {
		if earlier, there := before[path]; !there || string(earlier) != string(after[path]) {
			return fmt.Errorf("%s keeps changing", absolute(path))
		}
	}
	return errors.New("the files keep changing")
}
