package policy

import (
	"context"
	"time"
)

// limit cuts an evaluation off when its time is over or its caller is gone. It
// implements topdown.Cancel by looking at the clock while the evaluation goes
// on, so that one that ends in time needs no timer, no goroutine and no lock.
// It belongs to one evaluation.
type limit struct {
	ctx   context.Context
	end   time.Time
	steps int
	over  bool
}

// stride is how many steps of an evaluation, of some hundred nanoseconds each,
// go by from one look at the clock to the next.
const stride = 16

func newLimit(ctx context.Context, end time.Time) *limit {
	return &limit{ctx: ctx, end: end}
}

// Cancel implements topdown.Cancel.
func (l *limit) Cancel() { l.over = true }

// Cancelled implements topdown.Cancel. The first step looks at the clock.
func (l *limit) Cancelled() bool {
	if !l.over && l.steps%stride == 0 {
		l.over = l.ctx.Err() != nil || !time.Now().Before(l.end)
	}
	l.steps++
	return l.over
}
