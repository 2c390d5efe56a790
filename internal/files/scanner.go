package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	defaultMaxBytes = 64 << 20
	// maxDepth ends a chain of symbolic links that lead to each other.
	maxDepth = 32
	// maxEntries bounds how many files and directories are visited, since
	// symbolic links can make many of few.
	maxEntries = 100_000
)

// scanResult is what one look sees.
type scanResult struct {
	Tree
	newestFile  time.Time // when the newest file was written
	newestEntry time.Time // the same of files and directories
}

// scanner is one look.
type scanner struct {
	scanResult
	options   Options
	bytesLeft int64 // bytes
	entries   int
	pending   []string // files to read
}

// scan reads everything once.
func scan(o Options) (scanResult, error) {
	l := scanner{scanResult: scanResult{Tree: Tree{}}, options: o, bytesLeft: o.MaxBytes}
	if l.bytesLeft == 0 {
		l.bytesLeft = defaultMaxBytes
	}
	for _, path := range o.Paths {
		if err := l.visit(path, 0); err != nil {
			return scanResult{}, err
		}
	}
	for _, path := range l.pending {
		if err := l.read(path); l.vanished(path, err) && !slices.Contains(o.Paths, path) {
			l.newestEntry = time.Now()
		} else if err != nil {
			return scanResult{}, err
		}
	}
	return l.scanResult, nil
}

// queue notes a file that is to be read. Files that are too large together are known
// by their sizes, and none of them is read.
func (l *scanner) queue(path string, size int64) error {
	if l.bytesLeft -= size; l.bytesLeft < 0 {
		return tooLarge(path)
	}
	l.pending = append(l.pending, path)
	return nil
}

func tooLarge(path string) error {
	return fmt.Errorf("%s: the files are too large together", Abs(path))
}

// visit reads a file or a directory, following symbolic links.
func (l *scanner) visit(path string, depth int) error {
	info, err := os.Stat(path)
	if err != nil {
		return pathError(path, err)
	}
	l.newestEntry = later(l.newestEntry, info.ModTime())
	l.entries++
	switch {
	case depth > maxDepth:
		return fmt.Errorf("%s: more than %d directories deep; is a symbolic link leading in circles?", Abs(path), maxDepth)
	case l.entries > maxEntries:
		return fmt.Errorf("%s: more than %d files and directories; is a symbolic link leading in circles?", Abs(path), maxEntries)
	case info.IsDir():
		return l.visitDir(path, depth)
	case !info.Mode().IsRegular():
		return notRegular(path)
	}
	return l.queue(path, info.Size())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// visitDir reads what is in a directory and may be kept.
func (l *scanner) visitDir(dir string, depth int) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return pathError(dir, err)
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if !l.included(path) {
			continue
		}
		if err := l.visit(path, depth+1); l.vanished(path, err) {
			l.newestEntry = time.Now()
		} else if err != nil {
			return err
		}
	}
	return nil
}

// vanished reports whether a visit failed because an entry is not in its
// directory any more, as editors' temporary files are. A symbolic link that
// leads nowhere is still there, and a failure.
func (l *scanner) vanished(path string, err error) bool {
	if !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	_, err = os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// included reports whether an entry of a directory matters. A directory does,
// since something in it may.
func (l *scanner) included(path string) bool {
	info, err := os.Stat(path)
	directory := err == nil && info.IsDir()
	hidden := strings.HasPrefix(filepath.Base(path), ".")
	switch {
	case directory, l.options.Include == nil:
		return !hidden
	}
	return l.options.Include(path)
}

// read takes one file's content, if there is room for it. When it was written
// is asked afterwards: a file that is cut while it is read is a new one.
func (l *scanner) read(path string) error {
	file, err := openRegular(path)
	if err != nil {
		return err
	}
	defer file.Close()
	before, err := file.Stat()
	if err != nil {
		return pathError(path, err)
	}
	room := l.bytesLeft + before.Size() // a file that grows meanwhile has what is left
	content, err := io.ReadAll(io.LimitReader(file, room+1))
	if err != nil {
		return pathError(path, err)
	}
	info, err := file.Stat()
	if err != nil {
		return pathError(path, err)
	}
	l.newestFile = later(l.newestFile, info.ModTime())
	l.newestEntry = later(l.newestEntry, l.newestFile)
	if int64(len(content)) > room {
		return tooLarge(path)
	}
	l.Tree[path] = content
	return nil
}

// openRegular opens a file. What became a pipe since it was looked at is
// refused: waiting for a writer could take forever.
func openRegular(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError(path, err)
	}
	info, err := file.Stat()
	switch {
	case err != nil:
		err = pathError(path, err)
	case !info.Mode().IsRegular():
		err = notRegular(path)
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return file, nil
}

func notRegular(path string) error {
	return fmt.Errorf("%s is neither a file nor a directory", Abs(path))
}

// pathError returns an error about a path, with its absolute name, and the fix if it is missing.
func pathError(path string, err error) error {
	if pathError, ok := errors.AsType[*fs.PathError](err); ok {
		err = pathError.Err
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: %w; create it, or correct the path", Abs(path), err)
	}
	return fmt.Errorf("%s: %w", Abs(path), err)
}
