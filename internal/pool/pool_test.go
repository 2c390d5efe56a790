package pool

import (
	"errors"
	"testing"
)

// value counts what is done to it.
type value struct {
	reloads, closed int
	broken          error
}

func (v *value) Reload() error { v.reloads++; return v.broken }
func (v *value) Close() error  { v.closed++; return nil }

// TestAcquire: equal configurations share a value, which closes with its last user.
func TestAcquire(t *testing.T) {
	p := New[*value]()
	made := 0
	construct := func() (*value, error) { made++; return new(value), nil }
	first, releaseFirst, err := p.Acquire(map[string]any{"a": 1}, construct)
	if err != nil {
		t.Fatal(err)
	}
	second, releaseSecond, err := p.Acquire(map[string]any{"a": 1}, construct)
	if err != nil {
		t.Fatal(err)
	}
	other, releaseOther, err := p.Acquire(map[string]any{"a": 2}, construct)
	if err != nil {
		t.Fatal(err)
	}
	if first != second || first == other || made != 2 || first.reloads != 1 {
		t.Errorf("shared wrongly: made %d, reloads %d", made, first.reloads)
	}
	seen := 0
	p.Each(func(*value) { seen++ })
	if seen != 2 {
		t.Errorf("%d values in use", seen)
	}
	releaseFirst()
	releaseFirst()
	if first.closed != 0 {
		t.Error("closed while in use: releasing twice counted twice")
	}
	releaseSecond()
	releaseOther()
	if first.closed != 1 || other.closed != 1 {
		t.Errorf("closed %d and %d times", first.closed, other.closed)
	}
}

// TestBroken: a configuration whose sources are broken by now fails to load,
// though an older user of the same value goes on (house.md, Survival).
func TestBroken(t *testing.T) {
	p := New[*value]()
	broken := errors.New("broken")
	if _, _, err := p.Acquire(1, func() (*value, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	held, release, err := p.Acquire(1, func() (*value, error) { return new(value), nil })
	if err != nil {
		t.Fatal(err)
	}
	held.broken = broken
	if _, _, err := p.Acquire(1, nil); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if held.closed != 0 {
		t.Error("the failed load closed the value of its user")
	}
	release()
	if held.closed != 1 {
		t.Error("not closed by its last user")
	}
}

func TestKeyHoldsNoSecret(t *testing.T) {
	key, err := configKey(map[string]string{"secret": "canary"})
	if err != nil || len(key) != 64 {
		t.Errorf("got %q, %v", key, err)
	}
	if _, err := configKey(func() {}); err == nil {
		t.Error("a configuration without a name was accepted")
	}
}
