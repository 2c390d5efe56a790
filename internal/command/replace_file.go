package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

const (
	// newFileMode is the mode of a file of users or keys that is made here.
	newFileMode = 0o600
	// lockTimeout is how long another edit of the same file is waited for, and
	// lockPause how long between two looks.
	lockTimeout, lockRetryInterval = 5 * time.Second, 20 * time.Millisecond
)

// replaceFile replaces a file by what edit makes of its content, which is nil if
// there is no such file. Who reads the file sees the old content or the new one
// and nothing between; its mode and its owner stay. Two edits at a time do not
// lose each other's work. It reports whether the file was made.
func replaceFile(name string, edit func(old []byte) ([]byte, error)) (made bool, err error) {
	if real, err := filepath.EvalSymlinks(name); err == nil {
		name = real
	}
	next, err := lockFile(name, lockTimeout)
	if err != nil {
		return false, err
	}
	replaced := false
	defer func() {
		_ = next.Close()
		if !replaced { // else the name may be that of the next edit by now
			_ = os.Remove(next.Name())
		}
	}()
	old, err := readIfThere(name)
	if err != nil {
		return false, err
	}
	content, err := edit(old)
	if err != nil || old != nil && string(old) == string(content) {
		return false, err
	}
	err = commitReplacement(name, next, content)
	replaced = err == nil
	return old == nil && replaced, err
}

// readIfThere reads a file; nil is one that is not there.
func readIfThere(name string) ([]byte, error) {
	content, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err == nil && content == nil:
		return []byte{}, nil
	}
	return content, err
}

// lockFile makes the file that is to replace a file. As long as it is there no other process
// edits that.
func lockFile(name string, patience time.Duration) (*os.File, error) {
	next := filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+".new")
	for deadline := time.Now().Add(patience); ; time.Sleep(lockRetryInterval) {
		file, err := os.OpenFile(next, os.O_WRONLY|os.O_CREATE|os.O_EXCL, newFileMode)
		switch {
		case err == nil:
			return file, nil
		case !errors.Is(err, fs.ErrExist):
			return nil, err
		case time.Now().After(deadline):
			return nil, fmt.Errorf("%s exists: another command is editing %s; if there is none, remove the file", next, name)
		}
	}
}

// commitReplacement writes the content and gives the file its name.
func commitReplacement(name string, next *os.File, content []byte) error {
	if info, err := os.Stat(name); err == nil {
		if err := keepOwner(next, info); err != nil {
			return fmt.Errorf("%s: the owner of the file cannot be preserved: %w", name, err)
		}
		if err := next.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
	}
	if _, err := next.Write(content); err != nil {
		return err
	}
	if err := errors.Join(next.Sync(), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), name)
}
