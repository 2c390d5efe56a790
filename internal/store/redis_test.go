package store

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/policyauth/caddy-policy-auth/internal/egress"
	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// shared is the server of the tests that do not stop theirs.
var shared redistest.Shared

func newRedis(t testing.TB, url, prefix string, now func() time.Time) *Redis {
	t.Helper()
	r, err := OpenRedis(url, prefix, now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// redisHome is a Redis under test. The server has a clock of its own: time
// passes for it by taking it from each key's lifetime.
func redisHome(t *testing.T) home {
	s, prefix := shared.Get(t)
	c := newClock()
	r := newRedis(t, s.URL(), prefix, c.now)
	return home{r, func(d time.Duration) {
		c.advance(d)
		age(t, r, d)
	}}
}

// age makes everything in the server older.
func age(t *testing.T, r *Redis, d time.Duration) {
	t.Helper()
	ctx := context.Background()
	for _, key := range r.client.Keys(ctx, r.prefix+"*").Val() {
		left := r.client.PTTL(ctx, key).Val() - d
		// What is to be over is over although the server's clock went on a
		// little since, and what is to be alive stays so.
		if left <= 0 {
			r.client.Del(ctx, key)
		} else if err := r.client.PExpire(ctx, key, left).Err(); err != nil {
			t.Fatal(err)
		}
		for _, member := range r.client.ZRange(ctx, key, 0, -1).Val() {
			r.client.ZIncrBy(ctx, key, -float64(d.Milliseconds()), member)
		}
	}
}

// TestTwoMachines: what one does the other sees within a second, and each its
// own at once (R-SES-5).
func TestTwoMachines(t *testing.T) {
	s, prefix := shared.Get(t)
	c, ctx := newClock(), context.Background()
	a, b := newRedis(t, s.URL(), prefix, c.now), newRedis(t, s.URL(), prefix, c.now)
	session := Item{Value: []byte("s"), Lifetime: time.Hour, Owners: []string{"alice"}, Sync: true}
	for name, end := range map[string]func() error{
		"one":         func() error { return a.Delete(ctx, "one") },
		"all":         func() error { _, err := a.DeleteOwner(ctx, "alice"); return err },
		"overwritten": func() error { return a.Put(ctx, "overwritten", Item{Value: []byte("over"), Lifetime: time.Hour}) },
	} {
		mustPut(t, a, name, session)
		wantValue(t, a, name, "s")
		wantValue(t, b, name, "s")
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if got, err := a.Get(ctx, name); string(got) == "s" {
			t.Errorf("%s: on its own machine %q, %v", name, got, err)
		}
		wantValue(t, b, name, "s") // from memory
		c.advance(cacheTime)
		if got, err := b.Get(ctx, name); string(got) == "s" {
			t.Errorf("%s: on the other after a second %q, %v", name, got, err)
		}
	}
	if ok, err := b.Replace(ctx, "one", session); err != nil || ok {
		t.Errorf("the other machine brought it back: %v, %v", ok, err)
	}
}

// TestRedisAway: the second that is in memory, then nothing is known; when the
// server is back, so are the answers, without a restart (R-401-6).
func TestRedisAway(t *testing.T) {
	s, c, ctx := redistest.New(t), newClock(), context.Background()
	r := newRedis(t, s.URL(), "", c.now)
	mustPut(t, r, "k", Item{Value: []byte("v"), Lifetime: time.Hour, Owners: []string{"o"}})
	wantValue(t, r, "k", "v")
	s.Stop()
	wantValue(t, r, "k", "v")
	c.advance(cacheTime)
	item := Item{Lifetime: time.Hour}
	_, get := r.Get(ctx, "k")
	_, putNew := r.PutNew(ctx, "k", item)
	_, replace := r.Replace(ctx, "k", item)
	_, count := r.Count(ctx, "c", time.Hour)
	_, deleteOwner := r.DeleteOwner(ctx, "o")
	_, owned := r.Owned(ctx, "o")
	for i, err := range []error{get, r.Put(ctx, "k", item), putNew, replace, count, r.Delete(ctx, "k"), deleteOwner, owned} {
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrNotFound) {
			t.Errorf("call %d without a server: %v", i, err)
		}
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool {
		ok, err := r.PutNew(ctx, "k", Item{Value: []byte("w"), Lifetime: time.Hour})
		return err == nil && ok
	})
	wantValue(t, r, "k", "w")
}

// eventually waits for what another process does in its own time.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("not within a minute")
		}
	}
}

// TestRedisRefuses: a server that answers with an error is as good as none, and
// no error shows a password.
func TestRedisRefuses(t *testing.T) {
	s := redistest.New(t, "--requirepass", "right-canary")
	for name, test := range map[string]struct{ user, want string }{
		"no password":    {"", "NOAUTH"},
		"wrong password": {":wrong-canary@", "WRONGPASS"},
	} {
		_, err := newRedis(t, "unix://"+test.user+s.Socket, "", nil).Get(context.Background(), "k")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	r := newRedis(t, "unix://:right-canary@"+s.Socket, "", nil)
	mustPut(t, r, "k", Item{Value: []byte("v"), Lifetime: time.Hour})
	wantValue(t, r, "k", "v")

	// A server without memory, or one that only copies another, takes nothing.
	if err := r.client.ConfigSet(context.Background(), "maxmemory", "1").Err(); err != nil {
		t.Fatal(err)
	}
	if err := r.Put(context.Background(), "k", Item{Lifetime: time.Hour}); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "OOM") {
		t.Errorf("without memory: %v", err)
	}
}

// TestRedisSilent: a server that accepts and says nothing is given up.
func TestRedisSilent(t *testing.T) {
	silent, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	r := newRedis(t, "unix://"+silent.Addr().String(), "", nil)
	if _, err := r.Get(context.Background(), "k"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := r.Get(ctx, "k"); !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("of somebody who went away: %v", err)
	}
}

// TestOvertaken: a reading that was on its way while this machine ended the
// session is not kept, nor one that took longer than it may be old.
func TestOvertaken(t *testing.T) {
	c := newClock()
	cached := newRedisCache(c.now)
	for name, change := range map[string]func(){
		"that key":   func() { cached.forget("k") },
		"all":        cached.forgetAll,
		"took long":  func() { c.advance(cacheTime) },
		"no changes": func() {},
	} {
		f := cached.startRead()
		change()
		cached.finishRead(f, "k", []byte("v"), time.Hour)
		if _, err := cached.get("k"); (err == nil) != (name == "no changes") {
			t.Errorf("%s: %v", name, err)
		}
		cached.forgetAll()
	}
	cached.finishRead(cached.startRead(), "k", []byte("v"), 10*time.Millisecond)
	c.advance(10 * time.Millisecond)
	if _, err := cached.get("k"); !errors.Is(err, ErrNotFound) {
		t.Errorf("outlived its lifetime: %v", err)
	}
}

// TestRedisURL: what a URL may say, and that no bad one is quoted: what looks
// like its host may be a piece of the password.
func TestRedisURL(t *testing.T) {
	for url, check := range map[string]func(*redis.Options) bool{
		"redis://localhost": func(o *redis.Options) bool { return o.Addr == "localhost:6379" && o.TLSConfig == nil && o.DB == 0 },
		"redis://u:p%2Fw@h:1/2": func(o *redis.Options) bool {
			return o.Addr == "h:1" && o.Username == "u" && o.Password == "p/w" && o.DB == 2
		},
		"redis://[::1]":                          func(o *redis.Options) bool { return o.Addr == "[::1]:6379" },
		"rediss://h":                             func(o *redis.Options) bool { return o.TLSConfig.ServerName == "h" && !o.TLSConfig.InsecureSkipVerify },
		"unix:///run/redis.sock?db=3":            func(o *redis.Options) bool { return o.Network == "unix" && o.Addr == "/run/redis.sock" && o.DB == 3 },
		"redis://h?read_timeout=2s":              func(o *redis.Options) bool { return o.ReadTimeout == 2*time.Second && o.DialTimeout == redisTimeout },
		"redis://h?read_timeout=0&max_retries=5": func(o *redis.Options) bool { return o.ReadTimeout == redisTimeout && o.MaxRetries <= 0 },
	} {
		if r := newRedis(t, url, "", nil); !check(r.client.Options()) || r.prefix != defaultPrefix {
			t.Errorf("%s: %+v", url, r.client.Options())
		}
	}
	for _, url := range []string{
		"", "canary", "http://canary@h", "redis://u:can/ary@h", "redis://u:ca?nary@h", "redis://u:canary#@h", "redis://u:%zzcanary@h",
		"redis://h/canary", "redis://h/1/canary", "redis://h?canary=1", "redis://h?db=canary", "unix://canary", "redis://h:canary", "redis://\x00canary",
	} {
		_, err := OpenRedis(url, "", nil)
		if err == nil {
			t.Errorf("%q was accepted", url)
			continue
		}
		if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "ary@") || !strings.Contains(err.Error(), "rediss://") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

// TestOwnersEnd: what is left of an owner in the server goes with the last of
// the items, and does not grow with those that have expired.
func TestOwnersEnd(t *testing.T) {
	s, prefix := shared.Get(t)
	r := newRedis(t, s.URL(), prefix, nil)
	ctx := context.Background()
	for i := range 5 {
		mustPut(t, r, strconv.Itoa(i), Item{Lifetime: time.Minute, Owners: []string{"o"}})
		age(t, r, time.Minute)
	}
	mustPut(t, r, "last", Item{Lifetime: time.Hour, Owners: []string{"o"}})
	mustPut(t, r, "short", Item{Lifetime: time.Minute, Owners: []string{"o"}})
	if n := r.client.ZCard(ctx, r.ownerPrefix()+"o").Val(); n != 2 {
		t.Errorf("%d remembered", n)
	}
	if left := r.client.PTTL(ctx, r.ownerPrefix()+"o").Val(); left <= time.Minute || left > time.Hour {
		t.Errorf("remembered for %s", left)
	}
	wantDeleted(t, r, "o", "last", "short")
	if keys := r.client.Keys(ctx, prefix+"*").Val(); len(keys) != 0 {
		t.Errorf("left: %q", keys)
	}
}

// TestS42Redis: a store whose URL names Caddy's admin endpoint connects to nothing, in
// plain or over TLS, and says why.
func TestS42Redis(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	connected := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			connected <- struct{}{}
			_ = c.Close()
		}
	}()
	at := l.Addr().(*net.TCPAddr)
	egress.Protect(func() []egress.Listener {
		return []egress.Listener{{Network: "tcp", Host: "localhost", Port: uint16(at.Port)}}
	})
	defer egress.Protect(func() []egress.Listener { return nil })
	for _, url := range []string{"redis://" + at.String(), "rediss://" + at.String()} {
		_, err := newRedis(t, url, "", nil).Get(t.Context(), "k")
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "Caddy's admin endpoint") {
			t.Errorf("%s: %v", url, err)
		}
	}
	select {
	case <-connected:
		t.Error("it connected")
	default:
	}
}
