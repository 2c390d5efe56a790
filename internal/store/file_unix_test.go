//go:build unix

package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"
)

func init() { children["full disk"] = childFullDisk }

// childFullDisk has a disk on which no file may grow beyond a megabyte.
func childFullDisk(path string) {
	limit := syscall.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		fmt.Println(err)
		return
	}
	f, err := OpenFile(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for i := range 100 {
		key := strconv.Itoa(i)
		err := f.Put(ctx, key, Item{Value: make([]byte, 64<<10), Lifetime: time.Hour, Owners: []string{"o"}, Sync: true})
		if err == nil {
			continue
		}
		_, get := f.Get(ctx, key)
		fmt.Println("put:", errors.Is(err, ErrUnavailable), "then get:", get)
		_, get = f.Get(ctx, "0")
		fmt.Println("another:", get)
		fmt.Println("ending it:", f.Delete(ctx, "0"))
		return
	}
	fmt.Println("never full")
}

// TestFullDisk: a session that the disk does not take is not begun; the others
// go on and can be ended.
func TestFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	out, err := child(t, "full disk", path).Output()
	if want := "put: true then get: not found\nanother: <nil>\nending it: <nil>\n"; err != nil || string(out) != want {
		t.Fatalf("%v, got %s", err, out)
	}
	f := newFile(t, path, nil)
	wantGone(t, f, "0")
	if _, err := f.Get(context.Background(), "1"); err != nil {
		t.Error(err)
	}
}
