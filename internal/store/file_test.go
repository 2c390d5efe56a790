package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	"go.uber.org/goleak"
)

// TestMain plays another process for some tests, and looks for goroutines that
// a closed store left behind.
func TestMain(m *testing.M) {
	if mode := os.Getenv("STORE_TEST_CHILD"); mode != "" {
		children[mode](os.Getenv("STORE_TEST_PATH"))
		return
	}
	goleak.VerifyTestMain(tests{m})
}

// tests end what they started before the goroutines are looked for.
type tests struct{ *testing.M }

// Run implements goleak.TestingM.
func (t tests) Run() int {
	defer shared.Close()
	return t.M.Run()
}

// children are what other processes do.
var children = map[string]func(path string){"writer": childWriter}

// child is another process with a store file.
func child(t *testing.T, mode, path string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "STORE_TEST_CHILD="+mode, "STORE_TEST_PATH="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

func newFile(t *testing.T, path string, now func() time.Time) *File {
	t.Helper()
	f, err := OpenFile(path, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestRestart: what a closed store held is there for the next, of any kind of
// writing, with the rest of its lifetime and its owner.
func TestRestart(t *testing.T) {
	c, path := newClock(), filepath.Join(t.TempDir(), "store.db")
	first := newFile(t, path, c.now)
	mustPut(t, first, "synced", Item{Value: []byte("s"), Lifetime: time.Hour, Owners: []string{"o"}, Sync: true})
	mustPut(t, first, "behind", Item{Value: []byte("b"), Lifetime: time.Minute, Owners: []string{"o"}})
	mustPut(t, first, "deleted", Item{Value: []byte("d"), Lifetime: time.Hour, Owners: []string{"o"}, Sync: true})
	wantCount(t, first, "counter", 1)
	if err := first.Delete(context.Background(), "deleted"); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(30 * time.Second)
	second := newFile(t, path, c.now)
	wantValue(t, second, "synced", "s")
	wantValue(t, second, "behind", "b")
	wantGone(t, second, "deleted")
	wantCount(t, second, "counter", 2)
	wantOwned(t, second, "o", "behind", "synced")
	c.advance(30 * time.Second)
	wantGone(t, second, "behind")
	wantValue(t, second, "synced", "s")
}

// childWriter creates and ends sessions until it is killed, and says of each
// what it was promised.
func childWriter(path string) {
	f, err := OpenFile(path, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	for i := 0; ; i++ {
		key := strconv.Itoa(i)
		if ok, err := f.PutNew(ctx, key, Item{Value: []byte(key), Lifetime: time.Hour, Owners: []string{"o"}, Sync: true}); err != nil || !ok {
			fmt.Println(ok, err)
			return
		}
		fmt.Println("begun", key)
		if _, err := f.Replace(ctx, key, Item{Value: []byte(key), Lifetime: 2 * time.Hour, Owners: []string{"o"}}); err != nil {
			fmt.Println(err)
			return
		}
		if i%3 == 0 {
			if err := f.Delete(ctx, key); err != nil {
				fmt.Println(err)
				return
			}
			fmt.Println("ended", key)
		}
	}
}

// TestKilled: kill -9 loses no session that was begun and brings back none that
// was ended.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	cmd := child(t, "writer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	promised := map[string]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		what, key, _ := strings.Cut(lines.Text(), " ")
		switch what {
		case "begun", "ended":
			promised[key] = what == "begun"
		default:
			t.Fatal(lines.Text())
		}
		if len(promised) == 40 {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	f := newFile(t, path, nil)
	last := strconv.Itoa(len(promised) - 1) // begun or ended without our having read so
	for key, begun := range promised {
		_, err := f.Get(context.Background(), key)
		if begun && key != last && err != nil || !begun && !errors.Is(err, ErrNotFound) {
			t.Errorf("%s, begun and not ended: %v; after the kill: %v", key, begun, err)
		}
	}
	if len(promised) < 40 {
		t.Errorf("only %d sessions", len(promised))
	}
}

// TestFirstUse: making a File touches nothing, so that a configuration is
// validated while a server runs; its first use creates the file for its owner
// alone.
func TestFirstUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "store.db")
	f := newFile(t, path, nil)
	if _, err := os.Stat(filepath.Dir(path)); !os.IsNotExist(err) {
		t.Fatalf("made before its first use: %v", err)
	}
	wantGone(t, f, "k")
	for path, want := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	wantGone(t, newFile(t, path, nil), "k")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("readable by others: %v, %v", info.Mode(), err)
	}
	if err := newFile(t, filepath.Join(t.TempDir(), "unused"), nil).Close(); err != nil {
		t.Error(err)
	}
}

// TestUnusable: what cannot be opened is unavailable with the reason, and stays
// as it was; nobody waits for it again within a second, and it heals.
func TestUnusable(t *testing.T) {
	for name, test := range map[string]struct {
		make func(path string) error
		want string
	}{
		"text":                    {func(p string) error { return os.WriteFile(p, []byte(strings.Repeat("text\n", 5000)), 0o600) }, "not a store or damaged"},
		"short":                   {func(p string) error { return os.WriteFile(p, []byte("x"), 0o600) }, "not a store or damaged"},
		"cut":                     {cut, "damaged"},
		"of another program":      {func(p string) error { return foreign(p, "theirs", "", "") }, "another program"},
		"of another format":       {func(p string) error { return foreign(p, "policy_auth", "format", "3") }, `format "3", this program knows "2"`},
		"with a short record":     {func(p string) error { return spoiled(p, "short") }, "short record"},
		"with a long owner":       {func(p string) error { return spoiled(p, "12345678\x01\xff\xffowner") }, "short record"},
		"in a file as directory":  {func(p string) error { return os.WriteFile(filepath.Dir(p), nil, 0o600) }, "not a directory"},
		"in use by somebody else": {held(t), "another process has it open"},
	} {
		t.Run(name, func(t *testing.T) {
			c, dir := newClock(), filepath.Join(t.TempDir(), "dir")
			path := filepath.Join(dir, "store.db")
			f := newFile(t, path, c.now)
			if !strings.HasPrefix(name, "in a") {
				if err := os.Mkdir(dir, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			if err := test.make(path); err != nil {
				t.Fatal(err)
			}
			_, err := f.Get(context.Background(), "k")
			if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), path) {
				t.Fatalf("got %v", err)
			}
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := f.Put(context.Background(), "k", Item{Lifetime: time.Hour}); !errors.Is(err, ErrUnavailable) {
				t.Fatalf("tried again at once: %v", err)
			}
			c.advance(time.Second)
			mustPut(t, f, "k", Item{Value: []byte("v"), Lifetime: time.Hour, Sync: true})
			wantValue(t, f, "k", "v")
		})
	}
}

// cut makes a good store and cuts it short.
func cut(path string) error {
	f, err := OpenFile(path, nil)
	if err != nil {
		return err
	}
	for i := range 50 {
		item := Item{Value: make([]byte, 8<<10), Lifetime: time.Hour, Sync: i == 49}
		if err := f.Put(context.Background(), strconv.Itoa(i), item); err != nil {
			return err
		}
	}
	return errors.Join(f.Close(), os.Truncate(path, 3*int64(os.Getpagesize())))
}

// foreign makes a database with a bucket.
func foreign(path, bucket, key, value string) error {
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	return errors.Join(db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte(bucket))
		if err != nil || key == "" {
			return err
		}
		return b.Put([]byte(key), []byte(value))
	}), db.Close())
}

// spoiled makes a store with a record of other bytes.
func spoiled(path, record string) error {
	d, err := openDisk(path)
	if err != nil {
		return err
	}
	return errors.Join(d.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(itemsBucket).Put([]byte("k"), []byte(record))
	}), d.close())
}

// held opens a path as another process would.
func held(t *testing.T) func(string) error {
	return func(path string) error {
		db, err := bbolt.Open(path, 0o600, nil)
		if err == nil {
			t.Cleanup(func() { _ = db.Close() })
		}
		return err
	}
}

// TestOpenFileRefuses what can be seen to be wrong without opening it.
func TestOpenFileRefuses(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{"": "needs a path", dir: "not a regular file"} {
		if _, err := OpenFile(path, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", path, err)
		}
	}
}

// TestRealPath: one file has one name, before it exists and after.
func TestRealPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "a"), 0o700), os.Symlink("a", filepath.Join(dir, "b"))); err != nil {
		t.Fatal(err)
	}
	want := filepath.Join(dir, "a", "new", "store.db")
	for _, path := range []string{"a/new/store.db", "b/new/store.db", "b/../a/new/./store.db"} {
		if got, err := RealPath(dir + "/" + path); err != nil || got != want {
			t.Errorf("%s: got %s, %v", path, got, err)
		}
	}
}

// TestJournal: touches coalesce, a failed write is tried again without undoing
// newer changes, and a disk that takes nothing stops the taking of more.
func TestJournal(t *testing.T) {
	var fail error
	written := []map[string]*entry{}
	j := newWriteBehind(func(changes map[string]*entry) error {
		if fail == nil {
			written = append(written, maps.Clone(changes))
		}
		return fail
	})
	ctx := context.Background()
	first, second := &entry{key: "a"}, &entry{key: "a"}
	j.add("a", first)
	j.add("a", second)
	if err := j.flush(ctx); err != nil || len(written) != 1 || written[0]["a"] != second {
		t.Fatalf("%v, wrote %v", err, written)
	}
	fail = io.ErrShortWrite
	j.add("b", first)
	if err := j.flush(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, io.ErrShortWrite) || !j.failing() {
		t.Fatalf("got %v", err)
	}
	j.add("b", nil)
	fail = nil
	if err := j.flush(ctx); err != nil || len(written) != 2 || written[1]["b"] != nil || j.failing() {
		t.Fatalf("%v, wrote %v", err, written)
	}
	fail = io.ErrShortWrite
	for i := range maxPending {
		j.add(strconv.Itoa(i), nil)
	}
	_ = j.flush(ctx)
	if err := j.checkBacklog(); !errors.Is(err, ErrUnavailable) {
		t.Errorf("room for more: %v", err)
	}
	if err := j.close(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("closed without a word: %v", err)
	}
	if err := j.flush(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("waited for a closed journal: %v", err)
	}
}

// TestWaiting: who has gone away does not wait for the disk, and has nothing.
func TestWaiting(t *testing.T) {
	release := make(chan struct{})
	j := newWriteBehind(func(map[string]*entry) error { <-release; return nil })
	j.add("a", nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := j.flush(ctx); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := j.close(); err != nil {
		t.Error(err)
	}
}

// TestSweep: expired items leave the disk with the calls of others, a slice
// at a time, also those that an earlier process left.
func TestSweep(t *testing.T) {
	c, path := newClock(), filepath.Join(t.TempDir(), "store.db")
	first := newFile(t, path, c.now)
	for i := range 3 * sweepBatch {
		mustPut(t, first, strconv.Itoa(i), Item{Lifetime: time.Minute, Owners: []string{"o"}})
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	f := newFile(t, path, c.now)
	left := []int{}
	for range 4 {
		mustPut(t, f, "k", Item{Lifetime: time.Hour, Sync: true})
		n := 0
		if err := f.opened.Load().database.disk.read(func(*entry) { n++ }); err != nil {
			t.Fatal(err)
		}
		left = append(left, n)
	}
	if want := []int{2*sweepBatch + 1, sweepBatch + 1, 1, 1}; !slices.Equal(left, want) {
		t.Errorf("left on disk %v, want %v", left, want)
	}
}
