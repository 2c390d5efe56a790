package store

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestFull: a store that strangers filled takes nothing new, goes on with what
// it has, and has room again when something expires.
func TestFull(t *testing.T) {
	c := newClock()
	m := NewMemory(c.now)
	m.limit = 10 * (overhead + 100)
	n := 0
	for ; m.Put(context.Background(), strconv.Itoa(n), Item{Value: make([]byte, 99), Lifetime: time.Minute}) == nil; n++ {
	}
	if n != 10 {
		t.Errorf("took %d", n)
	}
	if _, err := m.PutNew(context.Background(), "more", Item{Value: make([]byte, 99), Lifetime: time.Minute}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	mustPut(t, m, "0", Item{Value: []byte("again"), Lifetime: time.Hour})
	c.advance(time.Minute)
	mustPut(t, m, "more", Item{Value: make([]byte, 99), Lifetime: time.Minute})
	if m.size != 2*overhead+len("0again")+len("more")+99 || len(m.items) != 2 || len(m.queue) != 2 {
		t.Errorf("size %d, %d items, %d in the queue", m.size, len(m.items), len(m.queue))
	}
}

// TestTogether: of many at once, one puts the new item, and every count is
// counted.
func TestTogether(t *testing.T) {
	for name, open := range homes {
		t.Run(name, func(t *testing.T) {
			h := open(t)
			t.Cleanup(func() { _ = h.Close() })
			var first, counted atomic.Int64
			var all sync.WaitGroup
			for i := range 16 {
				all.Go(func() {
					ctx := context.Background()
					ok, err := h.PutNew(ctx, "k", Item{Value: []byte(strconv.Itoa(i)), Lifetime: time.Minute, Owners: []string{"o"}, Sync: true})
					if err != nil {
						t.Error(err)
					}
					if ok {
						first.Add(1)
					}
					n, err := h.Count(ctx, "c", time.Minute)
					if err != nil {
						t.Error(err)
					}
					counted.Add(int64(n))
					_, _ = h.Owned(ctx, "o")
					_, _ = h.Get(ctx, "k")
				})
			}
			all.Wait()
			if first.Load() != 1 || counted.Load() != 16*17/2 {
				t.Errorf("%d were first, counts add up to %d", first.Load(), counted.Load())
			}
		})
	}
}

// BenchmarkGet is the budget of a session lookup: performance.md allows it 1 µs
// and no allocation.
func BenchmarkGet(b *testing.B) {
	file, err := OpenFile(filepath.Join(b.TempDir(), "store.db"), nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, s := range map[string]Store{"memory": NewMemory(nil), "file": file} {
		b.Run(name, func(b *testing.B) {
			ctx := context.Background()
			for i := range 10_000 {
				if err := s.Put(ctx, "session/"+strconv.Itoa(i), Item{Value: make([]byte, 500), Lifetime: time.Hour, Owners: []string{"o"}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Get(ctx, "session/5000"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	if err := file.Close(); err != nil {
		b.Error(err)
	}
}

// TestGetAllocatesNothing holds the benchmark's other half.
func TestGetAllocatesNothing(t *testing.T) {
	for _, name := range []string{"memory", "file", "redis"} {
		h := homes[name](t)
		mustPut(t, h, "k", Item{Value: []byte("v"), Lifetime: time.Hour})
		wantValue(t, h, "k", "v")
		if n := testing.AllocsPerRun(100, func() { _, _ = h.Get(context.Background(), "k") }); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
		_ = h.Close()
	}
}

// FuzzNames: no bytes of a key, an owner or a value are anything but names: they
// come back as they were, and touch nothing beside them.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{"a", "\x00", "*", "a:b", "{a}", "\xff\xff", "о"} {
		f.Add(seed, seed, []byte(seed))
	}
	file, err := OpenFile(filepath.Join(f.TempDir(), "store.db"), nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = file.Close() })
	server, prefix := shared.Get(f)
	stores := []Store{NewMemory(nil), file, newRedis(f, server.URL(), prefix, nil)}
	f.Fuzz(func(t *testing.T, key, owner string, value []byte) {
		item := Item{Value: value, Lifetime: time.Hour}
		if owner != "" {
			item.Owners = []string{owner, "both"}
		}
		for _, s := range stores {
			names(t, s, key, item)
		}
		back, err := decode(key, (&entry{owners: []string{owner, "both"}, value: value}).encode())
		if len(owner) <= maxName && (err != nil || back.owners[0] != owner || string(back.value) != string(value)) {
			t.Fatalf("on disk it is %+v, %v", back, err)
		}
	})
}

// names puts an item, finds it and removes it.
func names(t *testing.T, s Store, key string, item Item) {
	ctx := context.Background()
	if check(key, item) != nil {
		if err := s.Put(ctx, key, item); err == nil || errors.Is(err, ErrUnavailable) {
			t.Fatalf("got %v", err)
		}
		return
	}
	mustPut(t, s, "beside", Item{Value: []byte("b"), Lifetime: time.Hour, Owners: []string{"beside"}})
	mustPut(t, s, key, item)
	wantValue(t, s, key, string(item.Value))
	if owner := slices.Concat(item.Owners, []string{"beside"})[0]; owner != "beside" {
		wantOwned(t, s, owner, key)
		wantDeleted(t, s, owner, key)
	}
	if err := s.Delete(ctx, key); err != nil {
		t.Fatal(err)
	}
	wantGone(t, s, key)
	if key != "beside" {
		wantValue(t, s, "beside", "b")
	}
}
