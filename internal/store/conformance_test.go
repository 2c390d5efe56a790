package store

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// clock is a time that only tests move.
type clock struct{ t time.Time }

func newClock() *clock { return &clock{time.Unix(1_800_000_000, 0)} }

func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

// home is a store under test and the way to let its time pass.
type home struct {
	Store
	advance func(time.Duration)
}

// homes are the implementations; each test of the table below runs in all.
var homes = map[string]func(*testing.T) home{
	"memory": func(*testing.T) home {
		c := newClock()
		return home{NewMemory(c.now), c.advance}
	},
	"file": func(t *testing.T) home {
		c := newClock()
		return home{newFile(t, filepath.Join(t.TempDir(), "new", "store.db"), c.now), c.advance}
	},
	"redis": redisHome,
}

// conformance is what every implementation does.
var conformance = map[string]func(*testing.T, home){
	"what was put is found": func(t *testing.T, h home) {
		value := []byte("one\x00two\xff")
		mustPut(t, h, "k", Item{Value: value, Lifetime: time.Hour})
		value[0] = 'X'
		wantValue(t, h, "k", "one\x00two\xff")
		mustPut(t, h, "k", Item{Value: []byte("three"), Lifetime: time.Hour, Sync: true})
		wantValue(t, h, "k", "three")
		mustPut(t, h, "empty", Item{Lifetime: time.Hour})
		wantValue(t, h, "empty", "")
		wantGone(t, h, "K")
	},
	"nothing outlives its lifetime": func(t *testing.T, h home) {
		mustPut(t, h, "short", Item{Value: []byte("s"), Lifetime: time.Minute, Owners: []string{"o"}})
		mustPut(t, h, "long", Item{Value: []byte("l"), Lifetime: time.Hour, Owners: []string{"o"}})
		h.advance(59 * time.Second)
		wantValue(t, h, "short", "s")
		h.advance(time.Second)
		wantGone(t, h, "short")
		wantOwned(t, h, "o", "long")
		wantValue(t, h, "long", "l")
	},
	"putting again begins the lifetime again": func(t *testing.T, h home) {
		mustPut(t, h, "k", Item{Value: []byte("a"), Lifetime: time.Minute})
		h.advance(50 * time.Second)
		mustPut(t, h, "k", Item{Value: []byte("b"), Lifetime: time.Minute})
		h.advance(50 * time.Second)
		wantValue(t, h, "k", "b")
		h.advance(10 * time.Second)
		wantGone(t, h, "k")
	},
	"new is put once": func(t *testing.T, h home) {
		for i, want := range []bool{true, false} {
			got, err := h.PutNew(context.Background(), "k", Item{Value: []byte{byte('a' + i)}, Lifetime: time.Minute})
			if err != nil || got != want {
				t.Fatalf("%d: got %v, %v", i, got, err)
			}
		}
		wantValue(t, h, "k", "a")
		h.advance(time.Minute)
		if got, err := h.PutNew(context.Background(), "k", Item{Value: []byte("c"), Lifetime: time.Minute}); err != nil || !got {
			t.Fatalf("after its lifetime: got %v, %v", got, err)
		}
	},
	"what was ended is not brought back by replacing it": func(t *testing.T, h home) {
		item := Item{Value: []byte("a"), Lifetime: time.Minute, Owners: []string{"o"}}
		if got, err := h.Replace(context.Background(), "k", item); err != nil || got {
			t.Fatalf("replaced nothing: %v, %v", got, err)
		}
		mustPut(t, h, "k", item)
		if got, err := h.Replace(context.Background(), "k", Item{Value: []byte("b"), Lifetime: time.Hour, Owners: []string{"o"}}); err != nil || !got {
			t.Fatalf("not replaced: %v, %v", got, err)
		}
		h.advance(time.Minute)
		wantValue(t, h, "k", "b")
		if err := h.Delete(context.Background(), "k"); err != nil {
			t.Fatal(err)
		}
		if got, err := h.Replace(context.Background(), "k", item); err != nil || got {
			t.Fatalf("brought back: %v, %v", got, err)
		}
		wantGone(t, h, "k")
		wantOwned(t, h, "o")
	},
	"a counter counts within its window": func(t *testing.T, h home) {
		for want := 1; want <= 3; want++ {
			wantCount(t, h, "c", want)
			h.advance(10 * time.Second)
		}
		wantValue(t, h, "c", "3")
		h.advance(30 * time.Second)
		wantCount(t, h, "c", 1)
		if err := h.Delete(context.Background(), "c"); err != nil {
			t.Fatal(err)
		}
		wantCount(t, h, "c", 1)
	},
	"an item is no counter": func(t *testing.T, h home) {
		mustPut(t, h, "k", Item{Value: []byte("text"), Lifetime: time.Minute})
		if _, err := h.Count(context.Background(), "k", time.Minute); err == nil || errors.Is(err, ErrUnavailable) {
			t.Errorf("counted: %v", err)
		}
		wantValue(t, h, "k", "text")
	},
	"deleting": func(t *testing.T, h home) {
		mustPut(t, h, "k", Item{Value: []byte("a"), Lifetime: time.Minute, Owners: []string{"o"}, Sync: true})
		for range 2 {
			if err := h.Delete(context.Background(), "k"); err != nil {
				t.Fatal(err)
			}
			wantGone(t, h, "k")
			wantOwned(t, h, "o")
		}
	},
	"owners have their own": func(t *testing.T, h home) {
		for _, key := range []string{"b", "a", "c"} {
			mustPut(t, h, key, Item{Value: []byte(key), Lifetime: time.Minute, Owners: []string{"alice"}})
		}
		mustPut(t, h, "d", Item{Value: []byte("d"), Lifetime: time.Minute, Owners: []string{"bob"}})
		mustPut(t, h, "e", Item{Value: []byte("e"), Lifetime: time.Minute})
		mustPut(t, h, "c", Item{Value: []byte("c"), Lifetime: time.Minute, Owners: []string{"bob"}})
		wantOwned(t, h, "alice", "a", "b")
		wantOwned(t, h, "bob", "c", "d")
		wantOwned(t, h, "")
		wantDeleted(t, h, "alice", "a", "b")
		wantDeleted(t, h, "alice")
		wantDeleted(t, h, "")
		wantGone(t, h, "a")
		wantValue(t, h, "c", "c")
		wantValue(t, h, "e", "e")
	},
	"an item has several owners": func(t *testing.T, h home) {
		both := Item{Value: []byte("v"), Lifetime: time.Minute, Owners: []string{"all", "alice", "p3", "p4", "p5", "p6", "p7", "p8"}}
		for _, key := range []string{"a", "b", "c"} {
			mustPut(t, h, key, both)
		}
		mustPut(t, h, "d", Item{Value: []byte("v"), Lifetime: time.Minute, Owners: []string{"all", "bob"}})
		wantOwned(t, h, "all", "a", "b", "c", "d")
		wantOwned(t, h, "p8", "a", "b", "c")
		if got, err := h.Replace(context.Background(), "b", Item{Value: []byte("w"), Lifetime: time.Minute, Owners: []string{"all"}}); err != nil || !got {
			t.Fatal(got, err)
		}
		wantOwned(t, h, "alice", "a", "c")
		wantDeleted(t, h, "alice", "a", "c")
		for _, owner := range both.Owners[1:] {
			wantOwned(t, h, owner)
		}
		wantOwned(t, h, "all", "b", "d")
		wantDeleted(t, h, "all", "b", "d")
		wantOwned(t, h, "bob")
	},
	"several keys are deleted at once": func(t *testing.T, h home) {
		for _, key := range []string{"a", "b", "c"} {
			mustPut(t, h, key, Item{Value: []byte("v"), Lifetime: time.Minute, Owners: []string{"o"}})
		}
		if err := h.Delete(context.Background(), "c", "never", "a"); err != nil {
			t.Fatal(err)
		}
		wantOwned(t, h, "o", "b")
		if err := h.Delete(context.Background()); err != nil {
			t.Fatal(err)
		}
	},
	"odd names": func(t *testing.T, h home) {
		for _, name := range []string{" ", "*", "a:b", "a/b", "\x00", "\xff\xfe", "a\r\nb", "{x}", strings.Repeat("k", maxName)} {
			mustPut(t, h, name, Item{Value: []byte(name), Lifetime: time.Minute, Owners: []string{name}})
			wantValue(t, h, name, name)
			wantOwned(t, h, name, name)
		}
		wantDeleted(t, h, "*", "*")
		wantValue(t, h, "a:b", "a:b")
	},
	"what no store takes": func(t *testing.T, h home) {
		good := Item{Value: []byte("v"), Lifetime: time.Minute}
		for name, bad := range map[string]struct {
			key  string
			item Item
		}{
			"no key":         {"", good},
			"long key":       {strings.Repeat("k", maxName+1), good},
			"long owner":     {"k", Item{Lifetime: time.Minute, Owners: []string{strings.Repeat("o", maxName+1)}}},
			"empty owner":    {"k", Item{Lifetime: time.Minute, Owners: []string{""}}},
			"many owners":    {"k", Item{Lifetime: time.Minute, Owners: strings.Split("123456789", "")}},
			"large value":    {"k", Item{Lifetime: time.Minute, Value: make([]byte, maxValue+1)}},
			"no lifetime":    {"k", Item{}},
			"over by itself": {"k", Item{Lifetime: -time.Second}},
		} {
			if err := h.Put(context.Background(), bad.key, bad.item); err == nil || errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: put: %v", name, err)
			}
			if _, err := h.PutNew(context.Background(), bad.key, bad.item); err == nil {
				t.Errorf("%s: put as new", name)
			}
			if _, err := h.Replace(context.Background(), bad.key, bad.item); err == nil {
				t.Errorf("%s: replaced", name)
			}
		}
		if _, err := h.Count(context.Background(), "k", 0); err == nil {
			t.Error("counted without a window")
		}
		wantGone(t, h, "k")
		wantGone(t, h, "")
	},
	"closed": func(t *testing.T, h home) {
		mustPut(t, h, "k", Item{Value: []byte("v"), Lifetime: time.Minute})
		for range 2 {
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		}
		ctx, item := context.Background(), Item{Lifetime: time.Minute}
		_, get := h.Get(ctx, "k")
		_, putNew := h.PutNew(ctx, "n", item)
		_, replace := h.Replace(ctx, "k", item)
		_, count := h.Count(ctx, "c", time.Minute)
		_, deleteOwner := h.DeleteOwner(ctx, "o")
		_, owned := h.Owned(ctx, "o")
		for i, err := range []error{get, h.Put(ctx, "k", item), putNew, replace, count, h.Delete(ctx, "k"), deleteOwner, owned} {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("call %d of a closed store: %v", i, err)
			}
		}
	},
}

// TestConformance runs the table in every home.
func TestConformance(t *testing.T) {
	for name, open := range homes {
		t.Run(name, func(t *testing.T) {
			for name, test := range conformance {
				t.Run(name, func(t *testing.T) {
					h := open(t)
					t.Cleanup(func() { _ = h.Close() })
					test(t, h)
				})
			}
		})
	}
}

func mustPut(t *testing.T, h Store, key string, item Item) {
	t.Helper()
	if err := h.Put(context.Background(), key, item); err != nil {
		t.Fatalf("putting %.40q: %v", key, err)
	}
}

func wantValue(t *testing.T, h Store, key, want string) {
	t.Helper()
	got, err := h.Get(context.Background(), key)
	if err != nil || !bytes.Equal(got, []byte(want)) {
		t.Fatalf("%.40q: got %.40q, %v, want %.40q", key, got, err, want)
	}
}

func wantGone(t *testing.T, h Store, key string) {
	t.Helper()
	if got, err := h.Get(context.Background(), key); !errors.Is(err, ErrNotFound) {
		t.Fatalf("%.40q: got %.40q, %v", key, got, err)
	}
}

func wantCount(t *testing.T, h Store, key string, want int) {
	t.Helper()
	if got, err := h.Count(context.Background(), key, time.Minute); err != nil || got != want {
		t.Fatalf("%q: counted %d, %v, want %d", key, got, err, want)
	}
}

func wantOwned(t *testing.T, h Store, owner string, want ...string) {
	t.Helper()
	got, err := h.Owned(context.Background(), owner)
	keys := []string{}
	for _, e := range got {
		keys = append(keys, e.Key)
		wantValue(t, h, e.Key, string(e.Value))
	}
	if err != nil || !slices.Equal(keys, want) {
		t.Fatalf("%.40q owns %.80q, %v, want %.80q", owner, keys, err, want)
	}
}

func wantDeleted(t *testing.T, h Store, owner string, want ...string) {
	t.Helper()
	if got, err := h.DeleteOwner(context.Background(), owner); err != nil || !slices.Equal(got, want) {
		t.Fatalf("deleted %q of %q, %v, want %q", got, owner, err, want)
	}
}
