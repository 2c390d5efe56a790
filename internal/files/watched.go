package files

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
)

// Watched is the last good value that was parsed from files. Readers never lock;
// a value that is in use is never changed but replaced whole.
type Watched[T any] struct {
	options    Options
	parse      func(Tree) (*T, error)
	report     func(error)
	value      atomic.Pointer[T]
	failure    atomic.Pointer[error]
	loading    sync.Mutex
	watcher    *watcher
	lastResult string // of the last look that was taken or refused, guarded by loading
	closed     sync.Once
}

// Open reads and parses the files, which must succeed. The files are not
// watched until Watch.
func Open[T any](o Options, parse func(Tree) (*T, error)) (*Watched[T], error) {
	o.Paths = slices.Clone(o.Paths)
	l := &Watched[T]{options: o, parse: parse, report: func(error) {}}
	tree, err := Read(context.Background(), o)
	if err != nil {
		return nil, err
	}
	value, err := parse(tree)
	if err != nil {
		return nil, err
	}
	l.value.Store(value)
	l.lastResult = resultID(tree, nil)
	return l, nil
}

// Report has each later result told to f: nil for a value that was taken, an
// error for one that was not, in which case the last good one stays. It is
// called before Watch and before other code has the Watched.
func (l *Watched[T]) Report(f func(error)) { l.report = f }

// Watch follows changes of the files until Close. It is called at most once.
func (l *Watched[T]) Watch() {
	if len(l.options.Paths) > 0 {
		l.watcher = watch(l.options, l.isLastResult, l.applyScan)
	}
}

// Load returns the value in use.
func (l *Watched[T]) Load() *T { return l.value.Load() }

// Err says why the newest contents are not in use; nil if they are.
func (l *Watched[T]) Err() error {
	if failure := l.failure.Load(); failure != nil {
		return *failure
	}
	return nil
}

// Reload reads the files now, and parses them if they have changed. What the
// watcher sees meanwhile waits: of two looks, the later one stays in use.
func (l *Watched[T]) Reload() error {
	l.loading.Lock()
	defer l.loading.Unlock()
	tree, err := Read(context.Background(), l.options)
	return l.apply(tree, err)
}

// Close stops watching and waits until nothing runs any more. It may be called
// more than once.
func (l *Watched[T]) Close() error {
	l.closed.Do(func() {
		if l.watcher != nil {
			l.watcher.close()
		}
	})
	return nil
}

// isLastResult reports whether a look's result is the one that was taken or refused last.
func (l *Watched[T]) isLastResult(state string) bool {
	l.loading.Lock()
	defer l.loading.Unlock()
	return l.lastResult == state
}

// applyScan takes what the watcher saw.
func (l *Watched[T]) applyScan(tree Tree, err error) {
	l.loading.Lock()
	defer l.loading.Unlock()
	_ = l.apply(tree, err)
}

// apply puts a settled tree to use, unless it cannot be read or parsed. It is
// called with loading locked.
func (l *Watched[T]) apply(tree Tree, err error) error {
	state := resultID(tree, err)
	if err == nil && state == l.lastResult && l.failure.Load() == nil {
		return nil // nothing has changed
	}
	l.lastResult = state
	var value *T
	if err == nil {
		value, err = l.parse(tree)
	}
	if err != nil {
		l.failure.Store(&err)
	} else {
		l.value.Store(value)
		l.failure.Store(nil)
	}
	l.report(err)
	return err
}
