package sharelink

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// TestS19Press: of the forms of one page, however many arrive at once, one counts as a use,
// and all make the same guest, for some time.
func TestS19Press(t *testing.T) {
	for _, stale := range []bool{false, true} {
		e := newEnv(t)
		link, _ := e.add(t, 1)
		e.stale = stale // another machine does not see the use yet
		press := newSecret()
		var mu sync.Mutex
		var wait sync.WaitGroup
		cookies, firsts := map[string]int{}, 0
		for range 20 {
			wait.Go(func() {
				cookie, known, err := e.Open(t.Context(), link, press)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					t.Error(err)
				}
				if cookies[cookie]++; !known {
					firsts++
				}
			})
		}
		wait.Wait()
		var cookie string
		for cookie = range cookies {
			if _, err := e.Guest(t.Context(), host, cookie); err != nil {
				t.Errorf("%q: %v", cookie, err)
			}
		}
		if len(cookies) != 1 || firsts != 1 {
			t.Errorf("%d guests, %d uses", len(cookies), firsts)
		}
		if again, known, err := e.Open(t.Context(), link, press); again != cookie || !known || err != nil {
			t.Errorf("a retry: %q, %v, %v", again, known, err)
		}
		e.stale = false
		before := e.writes.Load()
		for name, press := range map[string]string{"of another page": newSecret(), "without an ID": "", "with a forged ID": "a/b"} {
			if _, _, err := e.Open(t.Context(), link, press); !errors.Is(err, ErrDead) || e.writes.Load() != before {
				t.Errorf("a form %s: %v, %d writes", name, err, e.writes.Load()-before)
			}
		}
		e.time = e.time.Add(pressLifetime)
		if _, _, err := e.Open(t.Context(), link, press); !errors.Is(err, ErrDead) {
			t.Errorf("much later: %v", err)
		}
	}
}

// TestS19PressEnds: what ends a link ends the guests of its pages too, and a page is one of
// its link alone.
func TestS19PressEnds(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 2)
	other, _ := e.add(t, 1)
	press := newSecret()
	cookie, _, err := e.Open(t.Context(), link, press)
	if err != nil {
		t.Fatal(err)
	}
	if foreign, known, err := e.Open(t.Context(), other, press); err != nil || known || foreign == cookie {
		t.Errorf("at another link: %v, %v", known, err)
	}
	if _, err := e.Revoke(t.Context(), link.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := e.recorder.Get(t.Context(), link.pressKey(press)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the record of the page: %v", err)
	}
}

// TestS19NoPress: forms without an ID are not those of one page.
func TestS19NoPress(t *testing.T) {
	for _, press := range []string{"", "a", "a/b"} {
		e := newEnv(t)
		link, _ := e.add(t, 2)
		first, _, err := e.Open(t.Context(), link, press)
		second, known, secondErr := e.Open(t.Context(), link, press)
		if err != nil || secondErr != nil || known || first == second {
			t.Errorf("%q: %v, %v, %v", press, err, secondErr, known)
		}
	}
}

// TestS19PressRefused: a form that finds no use left, because another browser was faster,
// leaves no claim for which the next one would wait.
func TestS19PressRefused(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 1)
	if _, _, err := e.Open(t.Context(), link, newSecret()); err != nil {
		t.Fatal(err)
	}
	e.stale = true // it seems that there is a use left
	press := newSecret()
	for range 2 {
		if _, _, err := e.Open(t.Context(), link, press); !errors.Is(err, ErrDead) {
			t.Error(err)
		}
	}
	if _, err := e.recorder.Get(t.Context(), link.pressKey(press)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the claim: %v", err)
	}
}

// TestS19PressWaits: while the first form of a page is not done, a later one is neither
// refused nor counted.
func TestS19PressWaits(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 1)
	press := newSecret()
	if _, err := e.claim(t.Context(), link, link.pressKey(press)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := e.Open(ctx, link, press); !errors.Is(err, errPressed) {
		t.Error(err)
	}
	if used, err := e.Links.store.Counted(t.Context(), usedPrefix+link.ID); used != 0 || err != nil {
		t.Errorf("%d uses, %v", used, err)
	}
	e.time = e.time.Add(pressClaim)
	if _, _, err := e.Open(t.Context(), link, press); err != nil {
		t.Errorf("after a crash of the first: %v", err)
	}
}

// TestS19PressCancelled: a browser that gives up its first form does not lose the use.
func TestS19PressCancelled(t *testing.T) {
	e := newEnv(t)
	link, _ := e.add(t, 1)
	ctx, cancel := context.WithCancel(t.Context())
	e.claimed = cancel
	press := newSecret()
	first, _, err := e.Open(ctx, link, press)
	if err != nil || ctx.Err() == nil {
		t.Fatal(err)
	}
	if second, known, err := e.Open(t.Context(), link, press); second != first || !known || err != nil {
		t.Errorf("%v, %v", known, err)
	}
}
