package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestFingerprint: equal trees have equal names, and no content can pass for a
// path or for a part of another file.
func TestFingerprint(t *testing.T) {
	trees := map[string]Tree{
		"none":           {},
		"one":            {"a": []byte("x")},
		"another path":   {"b": []byte("x")},
		"another text":   {"a": []byte("y")},
		"empty":          {"a": nil},
		"two":            {"a": []byte("x"), "b": []byte("y")},
		"swapped":        {"a": []byte("y"), "b": []byte("x")},
		"run together":   {"ax": []byte("by")},
		"split apart":    {"a": []byte("xb"), "y": nil},
		"length in text": {"a": []byte("x\x00\x00\x00\x00\x00\x00\x00\x01b")},
	}
	seen := map[string]string{}
	for name, tree := range trees {
		fingerprint := tree.Fingerprint()
		if other, there := seen[fingerprint]; there {
			t.Errorf("%s and %s have the same name", name, other)
		}
		seen[fingerprint] = name
		again := Tree{}
		for path, content := range tree {
			again[path] = append([]byte{}, content...)
		}
		if again.Fingerprint() != fingerprint {
			t.Errorf("%s: a copy has another name", name)
		}
	}
	if Tree(nil).Fingerprint() != (Tree{}).Fingerprint() {
		t.Error("no tree and an empty one differ")
	}
}

// TestPaths: sorted, whatever the map's order.
func TestPaths(t *testing.T) {
	got := Tree{"c": nil, "a": nil, "b/z": nil, "b": nil}.Paths()
	if diff := cmp.Diff([]string{"a", "b", "b/z", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestReadAtOnce: files that were not written just now are read once.
func TestReadAtOnce(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		write(t, dir+"/a", "x")
		age(t, dir+"/a", dir)
		began := time.Now()
		tree, err := Read(t.Context(), Options{Paths: []string{dir}})
		if err != nil || string(tree[dir+"/a"]) != "x" {
			t.Errorf("got %q, %v", tree, err)
		}
		if waited := time.Since(began); waited != 0 {
			t.Errorf("waited %s", waited)
		}
		if tree, err = Read(t.Context(), Options{}); err != nil || len(tree) != 0 || time.Since(began) != 0 {
			t.Errorf("no paths: %q, %v, after %s", tree, err, time.Since(began))
		}
	})
}

// TestReadWaits: T-61, a file that was written just now is looked at until it
// does not change any more. Its clock may be ahead of ours.
func TestReadWaits(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		path := dir + "/users"
		write(t, path, "")
		go slowly(t, path, "a users' file of which every line counts\n", 150*time.Millisecond)
		began := time.Now()
		tree, err := Read(t.Context(), Options{Paths: []string{path}})
		if err != nil || !strings.HasSuffix(string(tree[path]), "counts\n") {
			t.Errorf("got %q, %v", tree[path], err)
		}
		if waited := time.Since(began); waited < time.Second || waited > settleTimeout {
			t.Errorf("waited %s", waited)
		}
	})
}

// slowly writes a file in place, in eight parts with pauses between them.
func slowly(t *testing.T, path, content string, pause time.Duration) {
	file, err := os.Create(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	for i := range 8 {
		if _, err := file.WriteString(content[i*len(content)/8 : (i+1)*len(content)/8]); err != nil {
			t.Error(err)
		}
		time.Sleep(pause)
	}
}

// TestReadGivesUp: what keeps changing is an error that names it, after five
// seconds; who waits for it can go away before.
func TestReadGivesUp(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/still", "x")
	synctest.Test(t, func(t *testing.T) {
		path := dir + "/restless"
		write(t, path, "")
		ctx, stop := context.WithCancel(t.Context())
		var writer sync.WaitGroup
		writer.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				time.Sleep(30 * time.Millisecond) // never at the time of a look
				write(t, path, strings.Repeat("x", n))
				time.Sleep(20 * time.Millisecond)
			}
		})
		defer writer.Wait()
		defer stop()
		began := time.Now()
		_, err := Read(t.Context(), Options{Paths: []string{dir}})
		if err == nil || err.Error() != path+" keeps changing" {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited < settleTimeout || waited > settleTimeout+2*settleInterval {
			t.Errorf("waited %s", waited)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := Read(short, Options{Paths: []string{path}}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

// TestChanging: what came or changed is named, what only went is not there to
// be named.
func TestChanging(t *testing.T) {
	before := Tree{"/a": []byte("x"), "/b": []byte("y")}
	tests := []struct {
		name  string
		after Tree
		want  string
	}{
		{"changed", Tree{"/a": []byte("x"), "/b": []byte("z")}, "/b keeps changing"},
		{"came", Tree{"/a": []byte("x"), "/b": []byte("y"), "/c": nil}, "/c keeps changing"},
		{"went", Tree{"/a": []byte("x")}, "the files keep changing"},
		{"nothing left", nil, "the files keep changing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := unsettledError(before, test.after).Error(); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func BenchmarkFingerprint(b *testing.B) {
	tree := Tree{}
	for _, name := range []string{"a", "b", "c", "d"} {
		tree[name] = make([]byte, 16<<10)
	}
	b.ReportAllocs()
	b.SetBytes(4 * 16 << 10)
	for b.Loop() {
		_ = tree.Fingerprint()
	}
}

func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	for name := range strings.SplitSeq("abcdefghijklmnopqrstuvwxyz", "") {
		path := filepath.Join(dir, name+".rego")
		write(b, path, strings.Repeat("x", 1<<10))
		age(b, path)
	}
	age(b, dir)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Read(b.Context(), Options{Paths: []string{dir}}); err != nil {
			b.Fatal(err)
		}
	}
}
