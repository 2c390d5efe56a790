package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// reports collects what a File reports.
type reports struct {
	mu    sync.Mutex
	texts []string
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := "ok"
	if err != nil {
		text = err.Error()
	}
	r.texts = append(r.texts, text)
}

func (r *reports) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.texts, "\n")
}

// must fails a test for what its preparation does not manage.
func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// breakages are what others do to a file in use, and what is reported then.
var breakages = map[string]struct {
	do   func(t *testing.T, path, copied string)
	want string
	mend func(t *testing.T, path string) // nil if the next use mends it
}{
	"truncate -s 0":              {func(t *testing.T, path, _ string) { must(t, os.Truncate(path, 0)) }, "cut from", nil},
	"cut to a page":              {func(t *testing.T, path, _ string) { must(t, os.Truncate(path, int64(os.Getpagesize()))) }, "cut from", away},
	"removed":                    {func(t *testing.T, path, _ string) { must(t, os.Remove(path)) }, "it was removed", nil},
	"its directory removed":      {func(t *testing.T, path, _ string) { must(t, os.RemoveAll(filepath.Dir(path))) }, "it was removed", nil},
	"an older copy in its place": {func(t *testing.T, path, copied string) { must(t, os.Rename(copied, path)) }, "another file has taken its place", nil},
	"an older copy written over it": {func(t *testing.T, path, copied string) {
		content, err := os.ReadFile(copied)
		must(t, err)
		over(t, path, content)
	}, "", nil},
	"zeros written over it": {func(t *testing.T, path, _ string) { over(t, path, make([]byte, 4*os.Getpagesize())) }, "damaged", away},
	"text written over it": {func(t *testing.T, path, _ string) {
		over(t, path, []byte(strings.Repeat("text\n", 4*os.Getpagesize())))
	}, "damaged", away},
	"text in its place": {func(t *testing.T, path, copied string) {
		must(t, os.WriteFile(copied, []byte(strings.Repeat("text\n", os.Getpagesize())), 0o600), os.Rename(copied, path))
	}, "not a store or damaged", away},
	"another program's in its place": {func(t *testing.T, path, copied string) {
		must(t, os.Remove(copied), foreign(copied, "theirs", "", ""), os.Rename(copied, path))
	}, "another program", away},
	"a directory in its place": {func(t *testing.T, path, _ string) { must(t, os.Remove(path), os.Mkdir(path, 0o700)) }, "is a directory", away},
	"a file as its directory": {func(t *testing.T, path, _ string) {
		must(t, os.RemoveAll(filepath.Dir(path)), os.WriteFile(filepath.Dir(path), nil, 0o600))
	}, "not a directory", func(t *testing.T, path string) { must(t, os.Remove(filepath.Dir(path))) }},
	"another process has the one in its place": {func(t *testing.T, path, copied string) {
		must(t, held(t)(copied), os.Rename(copied, path))
	}, "another process has it open", away},
}

// over writes over a file where it is, as cp does.
func over(t *testing.T, path string, content []byte) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	must(t, err)
	_, err = file.Write(content)
	must(t, err, file.Close())
}

// away moves a file away, as an operator is told to.
func away(t *testing.T, path string) {
	t.Helper()
	must(t, os.Rename(path, path+".away"))
}

// TestN16Broken: whatever others do to the file, no call hangs; what was begun goes
// on, what was ended stays so, new sessions begin when the file is mended, and a
// restart finds all that.
func TestN16Broken(t *testing.T) {
	for name, b := range breakages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "dir", "store.db")
			f, reported := newFile(t, path, nil), new(reports)
			f.Report(reported.add)
			for i := range 20 {
				mustPut(t, f, strconv.Itoa(i), Item{Value: make([]byte, 4<<10), Lifetime: time.Hour, Sync: true})
			}
			content, err := os.ReadFile(path)
			copied := filepath.Join(t.TempDir(), "copied")
			must(t, err, os.WriteFile(copied, content, 0o600))
			mustPut(t, f, "after", Item{Lifetime: time.Hour, Sync: true})
			must(t, f.Delete(context.Background(), "1"))

			b.do(t, path, copied)
			f.isNotStuck(t, b.want, reported)
			if b.mend != nil {
				b.mend(t, path)
			}
			deadline := time.Now().Add(5 * time.Second)
			for {
				err := f.Put(context.Background(), "new", Item{Lifetime: time.Hour, Sync: true})
				if err == nil {
					break
				}
				if time.Now().After(deadline) {
					t.Fatal(err)
				}
				time.Sleep(20 * time.Millisecond)
			}
			if text := reported.text(); !strings.HasSuffix(text, "\nok") {
				t.Errorf("reported:\n%s", text)
			}
			must(t, f.Delete(context.Background(), "2"), f.Close())
			again := newFile(t, path, nil)
			for key, want := range map[string]bool{"0": true, "1": false, "2": false, "after": true, "new": true, "refused": false} {
				if _, err := again.Get(context.Background(), key); (err == nil) != want {
					t.Errorf("%s after a restart: %v", key, err)
				}
			}
		})
	}
}

// isNotStuck uses a File whose file is broken.
func (f *File) isNotStuck(t *testing.T, want string, reported *reports) {
	t.Helper()
	began := time.Now()
	err := f.Put(context.Background(), "refused", Item{Lifetime: time.Hour, Sync: true})
	if want != "" && (!errors.Is(err, ErrUnavailable) || !strings.Contains(reported.text(), f.opener.path)) {
		t.Errorf("put: %v, reported:\n%s", err, reported.text())
	}
	if err == nil { // it was right to go on
		must(t, f.Delete(context.Background(), "refused"))
	}
	if _, err := f.Get(context.Background(), "0"); err != nil {
		t.Error(err)
	}
	for range 3 {
		_ = f.Delete(context.Background(), "1")
	}
	if !strings.Contains(reported.text(), want) {
		t.Errorf("reported:\n%s\nwant %s", reported.text(), want)
	}
	if took := time.Since(began); took > diskTimeout {
		t.Errorf("it took %s", took)
	}
}

// TestN16Fault: a page that is not there any more while bbolt works on it is an error
// of this disk, which gives its lock back although bbolt keeps its own.
func TestN16Fault(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	d, err := openDisk(path)
	must(t, err, d.write(map[string]*entry{"k": {key: "k", expires: time.Now()}}), os.Truncate(path, 0))
	d.size = 0 // as if it were cut only after it was looked at
	if err := d.write(map[string]*entry{"k": nil}); !isBroken(err) || !strings.Contains(err.Error(), "damaged") {
		t.Fatal(err)
	}
	d.abandon()
	other, err := openDisk(path)
	must(t, err)
	must(t, other.close())
}

// TestN16Damaged: a file that is damaged is not mapped again and again, but looked
// at when it has changed.
func TestN16Damaged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	must(t, cut(path))
	o := opener{path: path}
	opened, err := o.open()
	if err == nil { // the damage shows when it is read
		err = opened.read(func(*entry) {})
		o.markDamaged(err)
		opened.abandon()
	}
	if _, again := o.open(); err == nil || again == nil || again.Error() != err.Error() {
		t.Fatalf("%v, then %v", err, again)
	}
	must(t, os.Remove(path))
	opened, err = o.open()
	must(t, err)
	must(t, opened.close())
}

// TestN16Stuck: nobody waits for ever for a disk that does not answer, neither to
// write nor to close; when it answers, all is well.
func TestN16Stuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		j := newWriteBehind(func(map[string]*entry) error { <-release; return nil })
		j.add("a", nil)
		began := time.Now()
		if err := j.flush(context.Background()); !errors.Is(err, errDiskTimeout) || time.Since(began) != diskTimeout {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		for range 1000 {
			if err := j.flush(context.Background()); !errors.Is(err, errDiskTimeout) || time.Since(began) != diskTimeout {
				t.Fatalf("%v after %s", err, time.Since(began))
			}
		}
		if n := len(j.waiters); n != 0 {
			t.Errorf("%d wait", n)
		}
		if err := j.close(); !errors.Is(err, errDiskTimeout) || time.Since(began) != 2*diskTimeout {
			t.Errorf("closed: %v after %s", err, time.Since(began))
		}
		close(release)
		<-j.done
		if j.last != nil {
			t.Error(j.last)
		}
	})
}
