package store

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// testSealer returns a sealer whose secret is of one byte throughout.
func testSealer(b byte, report func(error)) *Sealer {
	return NewSealer(Secret(bytes.Repeat([]byte{b}, SecretSize)), report)
}

// TestS41Sealer: a value opens under its key and with its secret alone, says nothing
// to others, and never looks the same twice.
func TestS41Sealer(t *testing.T) {
	ctx, told := context.Background(), []error{}
	s := testSealer(1, func(err error) { told = append(told, err) })
	for _, value := range [][]byte{nil, []byte("canary"), make([]byte, maxValue-sealOverhead)} {
		sealed, err := s.Seal(ctx, "k", value)
		if err != nil || len(sealed) != sealOverhead+len(value) || bytes.Contains(sealed, []byte("canary")) {
			t.Fatalf("%d bytes, %v", len(sealed), err)
		}
		if got, err := s.Open(ctx, "k", sealed); err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
	first, _ := s.Seal(ctx, "k", []byte("canary"))
	second, _ := s.Seal(ctx, "k", []byte("canary"))
	if bytes.Equal(first, second) || len(told) != 0 {
		t.Errorf("equal, or told %v", told)
	}
	bad := map[string][]byte{"empty": nil, "text": []byte(`{"identity":{"authenticated":true,"id":"admin"}}`), "a counter": []byte("3")}
	for i := range first {
		bad["bit of byte "+strconv.Itoa(i)] = bytes.Clone(first)
		bad["bit of byte "+strconv.Itoa(i)][i] ^= 0x10
		bad["cut at "+strconv.Itoa(i)] = first[:i]
	}
	for name, sealed := range bad {
		if got, err := s.Open(ctx, "k", sealed); !errors.Is(err, ErrForged) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := s.Open(ctx, "j", first); !errors.Is(err, ErrForged) {
		t.Errorf("under another key: %v", err)
	}
	if _, err := testSealer(2, nil).Open(ctx, "k", first); !errors.Is(err, ErrForged) {
		t.Errorf("with another secret: %v", err)
	}
	if len(told) != 1 {
		t.Errorf("told %v", told)
	}
}

// TestS41Secret: without its secret a store is unavailable, and heals.
func TestS41Secret(t *testing.T) {
	ctx, loads := context.Background(), 0
	var secret []byte
	failure := errors.New("no storage")
	s := NewSealer(func(context.Context) ([]byte, error) { loads++; return secret, failure }, nil)
	for range 3 {
		_, seal := s.Seal(ctx, "k", nil)
		_, open := s.Open(ctx, "k", nil)
		if !errors.Is(seal, ErrUnavailable) || !errors.Is(open, ErrUnavailable) || !errors.Is(seal, failure) {
			t.Fatalf("%v, %v", seal, open)
		}
	}
	if loads != 1 {
		t.Errorf("asked %d times within a second", loads)
	}
	s.failedAt, failure, secret = time.Time{}, nil, make([]byte, 16)
	if _, err := s.Seal(ctx, "k", nil); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a short secret: %v", err)
	}
	s.failedAt, secret = time.Time{}, make([]byte, SecretSize)
	if _, err := s.Seal(ctx, "k", nil); err != nil {
		t.Error(err)
	}
}

// TestS41Sealed: what others wrote into the store is not found; a mark of theirs
// makes nothing new.
func TestS41Sealed(t *testing.T) {
	for name, open := range homes {
		t.Run(name, func(t *testing.T) {
			h, ctx := open(t), context.Background()
			t.Cleanup(func() { _ = h.Close() })
			s := NewSealed(h, testSealer(1, nil))
			item := Item{Value: []byte("v"), Lifetime: time.Minute, Owners: []string{"o"}}
			mustPut(t, s, "k", item)
			wantValue(t, s, "k", "v")
			mustPut(t, h, "forged", item)
			wantGone(t, s, "forged")
			if first, err := s.PutNew(ctx, "forged", item); err != nil || first {
				t.Errorf("new: %v, %v", first, err)
			}
			wantOwned(t, s, "o", "k")
			wantOwned(t, h, "o", "forged", "k")
			if ok, err := s.Replace(ctx, "k", Item{Value: []byte("w"), Lifetime: time.Minute}); err != nil || !ok {
				t.Errorf("replaced: %v, %v", ok, err)
			}
			wantValue(t, s, "k", "w")
			wantCount(t, s, "c", 1)
			wantCount(t, s, "c", 2)
		})
	}
}

// FuzzS41Open: no bytes that others chose open.
func FuzzS41Open(f *testing.F) {
	ctx, s := context.Background(), testSealer(1, nil)
	sealed, _ := s.Seal(ctx, "k", []byte("v"))
	f.Add("k", sealed)
	f.Add("k", []byte{})
	f.Fuzz(func(t *testing.T, key string, value []byte) {
		got, err := s.Open(ctx, key, value)
		if ours := key == "k" && bytes.Equal(value, sealed); ours != (err == nil) || !ours && (got != nil || !errors.Is(err, ErrForged)) {
			t.Fatalf("%q, %v", got, err)
		}
	})
}

// TestN18Transactions: 5,000 items of an owner are one transaction of the file, and
// 40,000 are listed and removed by Redis within what is waited for.
func TestN18Transactions(t *testing.T) {
	file := newFile(t, filepath.Join(t.TempDir(), "store.db"), nil)
	for i := range 5_000 {
		mustPut(t, file, strconv.Itoa(i), Item{Lifetime: time.Hour, Owners: []string{"all", "o"}})
	}
	mustPut(t, file, "last", Item{Lifetime: time.Hour, Owners: []string{"all"}, Sync: true})
	before := file.transactions()
	if keys, err := file.DeleteOwner(context.Background(), "o"); err != nil || len(keys) != 5_000 {
		t.Fatal(len(keys), err)
	}
	if n := file.transactions() - before; n != 1 {
		t.Errorf("%d transactions", n)
	}
	wantOwned(t, file, "all", "last")

	s, prefix := shared.Get(t)
	r, ctx := newRedis(t, s.URL(), prefix, nil), context.Background()
	const all = 40_000
	fill(t, r, all)
	began := time.Now()
	if entries, err := r.Owned(ctx, "all"); err != nil || len(entries) != all {
		t.Fatal(len(entries), err)
	}
	t.Logf("listed in %s", time.Since(began))
	began = time.Now()
	if keys, err := r.DeleteOwner(ctx, "all"); err != nil || len(keys) != all {
		t.Fatal(len(keys), err)
	}
	t.Logf("removed in %s", time.Since(began))
	if left := r.client.Keys(ctx, prefix+"*").Val(); len(left) != 0 {
		t.Errorf("%d keys are left", len(left))
	}
}

// transactions returns how many the file has had.
func (f *File) transactions() int {
	tx, err := f.opened.Load().database.disk.db.Begin(false)
	if err != nil {
		panic(err)
	}
	defer func() { _ = tx.Rollback() }()
	return tx.ID()
}

// fill puts items of 500 bytes, several at once.
func fill(t *testing.T, r *Redis, n int) {
	t.Helper()
	ctx, pipe := context.Background(), r.client.Pipeline()
	if err := putScript.Load(ctx, r.client).Err(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		key := strconv.Itoa(i)
		putScript.EvalSha(ctx, pipe, []string{r.itemKey(key)}, make([]byte, 500), 3_600_000, 0, r.ownerPrefix(), "all", "user "+strconv.Itoa(i%100), "sid "+key)
		if i%1000 == 999 {
			if _, err := pipe.Exec(ctx); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSealerKey: keys for other purposes differ by purpose and secret, and are never the
// secret itself.
func TestSealerKey(t *testing.T) {
	secret := bytes.Repeat([]byte{1}, SecretSize)
	key := func(secret []byte, purpose string) string {
		key, err := NewSealer(Secret(secret), nil).Key(t.Context(), purpose)
		if err != nil || len(key) != 32 {
			t.Fatal(key, err)
		}
		return string(key)
	}
	first := key(secret, "a")
	if first != key(secret, "a") || first == key(secret, "b") || first == key(bytes.Repeat([]byte{2}, SecretSize), "a") || first == string(secret) {
		t.Error("keys are not separate")
	}
	failing := NewSealer(func(context.Context) ([]byte, error) { return nil, errors.New("no key") }, nil)
	if _, err := failing.Key(t.Context(), "a"); !errors.Is(err, ErrUnavailable) {
		t.Error(err)
	}
}
