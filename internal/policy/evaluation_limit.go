package policy

import (
	"context"
	"time"
)

// limit cuts an evaluation off when its time is over or its caller is gone. It
// implements topdown.Cancel by looking at the clock while the evaluation goes
// on, so that one that ends in time needs no timer, no goroutine and no lock.
// It belongs to one evaluation.
//
// Where nothing waits for others, one that has hardly begun when its time is
// over was kept waiting by the machine: it gets some more.
type limit struct {
	ctx      context.Context
	end, max time.Time
	steps    int
	over     bool
}

const (
	// stride is how many steps of an evaluation, of some hundred nanoseconds each,
	// go by from one look at the clock to the next.
	stride = 16
	// begun is how many steps an evaluation makes before its time counts, a few
	// milliseconds' worth.
	begun = 10_000
	// patience is how many times longer than its time one may take that has made
	// fewer.
	patience = 10
)

// newLimit returns the limit of an evaluation that should end in time, and must
// not go on after max.
func newLimit(ctx context.Context, end, max time.Time) *limit {
	return &limit{ctx: ctx, end: end, max: max}
}

// Cancel implements topdown.Cancel.
func (l *limit) Cancel() { l.over = true }

// Cancelled implements topdown.Cancel. The first step looks at the clock.
func (l *limit) Cancelled() bool {
	if !l.over && l.steps%stride == 0 {
		now := time.Now()
		l.over = l.ctx.Err() != nil || !now.Before(l.max) || l.steps >= begun && !now.Before(l.end)
	}
	l.steps++
	return l.over
}

// late reports whether the time is over although nothing has noticed: during one
// call of a built-in function nothing looks at the clock.
func (l *limit) late() bool {
	now := time.Now()
	return l.over || !now.Before(l.max) || l.steps >= begun && !now.Before(l.end)
}
