package policy

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestLimit: an evaluation is cut off by its time or by its caller, and stays so.
func TestLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t.Context(), time.Now().Add(time.Second), time.Now().Add(time.Minute))
		looks := func() (over bool) {
			for range begun {
				over = l.Cancelled()
			}
			return over
		}
		if looks() {
			t.Error("cut off at once")
		}
		time.Sleep(time.Second - 1)
		if looks() {
			t.Error("cut off too early")
		}
		time.Sleep(time.Nanosecond)
		if first, again := looks(), looks(); !first || !again {
			t.Error("not cut off")
		}
	})
	gone, leave := context.WithCancel(t.Context())
	leave()
	if !newLimit(gone, time.Now().Add(time.Hour), time.Now().Add(time.Hour)).Cancelled() {
		t.Error("the first step of an evaluation whose caller is gone goes on")
	}
	l := newLimit(t.Context(), time.Now().Add(time.Hour), time.Now().Add(time.Hour))
	if l.Cancel(); !l.Cancelled() {
		t.Error("Cancel does nothing")
	}
}

// TestLimitPatience: one that has hardly begun gets more time, and not for ever.
func TestLimitPatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLimit(t.Context(), time.Now().Add(time.Second), time.Now().Add(10*time.Second))
		time.Sleep(9 * time.Second)
		if l.Cancelled() {
			t.Error("cut off though the machine was slow")
		}
		time.Sleep(time.Second)
		for range stride {
			l.Cancelled()
		}
		if !l.Cancelled() {
			t.Error("never cut off")
		}
	})
}
