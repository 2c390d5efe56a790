// Package files watches operators' files and directories and hands over their
// contents only when they have settled: a file that is being written is never
// taken half-way.
package files

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	// Keep says which files of a directory matter; nil means all but those whose
	// names begin with a dot. Directories with such names are never entered. A
	// file in Paths always matters.
	Keep func(path string) bool
	// MaxBytes bounds all contents together; 0 means 64 MiB.
	MaxBytes int64
}

const (
	defaultMaxBytes = 64 << 20
	// maxDepth ends a chain of symbolic links that lead to each other.
	maxDepth = 32
	// settle is how far apart two equal looks are.
	settle = 200 * time.Millisecond
	// old is the age from which a file counts as settled without a second look.
	old = 2 * time.Second
	// patience is how long Read waits for files that keep changing.
	patience = 5 * time.Second
	// poll is how often Watch looks without having been told.
	poll = 5 * time.Second
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
	tree, newest, err := look(o)
	if err != nil || time.Since(newest) > old {
		return tree, err
	}
	deadline := time.Now().Add(patience)
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(settle):
		}
		again, _, err := look(o)
		if err != nil || again.Fingerprint() == tree.Fingerprint() {
			return again, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s keeps changing", changed(tree, again))
		}
		tree = again
	}
}

// changed names a file in which two trees differ.
func changed(before, after Tree) string {
	for path, content := range after {
		if old, there := before[path]; !there || string(old) != string(content) {
			return absolute(path)
		}
	}
	return "the directory"
}

// look reads everything once. It also returns when the newest file was written.
func look(o Options) (Tree, time.Time, error) {
	l := looker{options: o, tree: Tree{}, left: o.MaxBytes}
	if l.left == 0 {
		l.left = defaultMaxBytes
	}
	for _, path := range o.Paths {
		if err := l.visit(path, 0); err != nil {
			return nil, time.Time{}, err
		}
	}
	return l.tree, l.newest, nil
}

// looker is one look.
type looker struct {
	options Options
	tree    Tree
	newest  time.Time
	left    int64
}

// visit reads a file or a directory, following symbolic links.
func (l *looker) visit(path string, depth int) error {
	info, err := os.Stat(path)
	if err != nil {
		return explain(path, err)
	}
	if info.ModTime().After(l.newest) {
		l.newest = info.ModTime()
	}
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%s: more than %d directories deep; is a symbolic link leading in circles?", absolute(path), maxDepth)
	case info.IsDir():
		return l.visitDir(path, depth)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is neither a file nor a directory", absolute(path))
	}
	return l.read(path)
}

// visitDir reads what is in a directory and may be kept.
func (l *looker) visitDir(dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return explain(dir, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if !l.wanted(path) {
			continue
		}
		if err := l.visit(path, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// wanted reports whether an entry of a directory matters. A directory does,
// since something in it may.
func (l *looker) wanted(path string) bool {
	info, err := os.Stat(path)
	directory := err == nil && info.IsDir()
	hidden := strings.HasPrefix(filepath.Base(path), ".")
	switch {
	case directory, l.options.Keep == nil:
		return !hidden
	}
	return l.options.Keep(path)
}

// read takes one file's content, if there is room for it.
func (l *looker) read(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return explain(path, err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, l.left+1))
	if err != nil {
		return explain(path, err)
	}
	if l.left -= int64(len(content)); l.left < 0 {
		return fmt.Errorf("%s: the files are too large together", absolute(path))
	}
	l.tree[path] = content
	return nil
}

// explain says what is wrong with a path, by its absolute name.
func explain(path string, err error) error {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		err = pathError.Err
	}
	return fmt.Errorf("%s: %w", absolute(path), err)
}

// absolute returns a path for messages.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
