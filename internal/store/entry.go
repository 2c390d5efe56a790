package store

import (
	"container/heap"
	"time"
)

// entry is an item in memory.
type entry struct {
	key     string
	value   []byte
	owners  []string
	expires time.Time
	index   int // in the heap
}

// overhead is roughly what an entry costs beside its bytes.
const overhead = 200

// overheadOfOwner is the same for each owner of an entry.
const overheadOfOwner = 50

// isLive reports whether the entry exists and has not expired.
func (e *entry) isLive(now time.Time) bool { return e != nil && now.Before(e.expires) }

// expiryTime returns the end of a lifetime on the wall clock, which disk and Redis
// use too and which continues while the machine sleeps.
func expiryTime(now time.Time, lifetime time.Duration) time.Time { return now.Add(lifetime).Round(0) }

// cost returns the size of an entry for the limit, in bytes.
func (e *entry) cost() int {
	cost := overhead + len(e.key) + len(e.value)
	for _, owner := range e.owners {
		cost += overheadOfOwner + len(owner)
	}
	return cost
}

// set inserts an entry or replaces the one with its key. The caller holds the lock.
func (m *Memory) set(e *entry) error {
	old, freed := m.items[e.key], 0
	if old != nil {
		freed = old.cost()
	}
	if m.size-freed+e.cost() > m.limit {
		return errFull
	}
	m.insert(e)
	m.changed(e.key, e)
	return nil
}

// insert is set without the limit and without calling changed. The caller holds the
// lock.
func (m *Memory) insert(e *entry) {
	m.unlink(m.items[e.key])
	m.items[e.key] = e
	m.size += e.cost()
	heap.Push(&m.queue, e)
	for _, owner := range e.owners {
		if m.owners[owner] == nil {
			m.owners[owner] = map[string]struct{}{}
		}
		m.owners[owner][e.key] = struct{}{}
	}
}

// remove removes an entry and calls changed. The caller holds the lock.
func (m *Memory) remove(e *entry) {
	if e != nil {
		m.unlink(e)
		m.changed(e.key, nil)
	}
}

// undo removes an entry unless it was replaced since.
func (m *Memory) undo(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items[e.key] == e {
		m.remove(e)
	}
}

// unlink removes an entry from all maps; nil is ignored. The caller holds the lock.
func (m *Memory) unlink(e *entry) {
	if e == nil {
		return
	}
	delete(m.items, e.key)
	m.size -= e.cost()
	heap.Remove(&m.queue, e.index)
	for _, owner := range e.owners {
		keys := m.owners[owner]
		delete(keys, e.key)
		if len(keys) == 0 {
			delete(m.owners, owner)
		}
	}
}

// sweep removes some expired entries. The caller holds the lock.
func (m *Memory) sweep(now time.Time) {
	for range sweepBatch {
		if len(m.queue) == 0 || m.queue[0].isLive(now) {
			return
		}
		m.remove(m.queue[0])
	}
}

// queue orders entries by their expiry; it implements heap.Interface.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].expires.Before(q[j].expires) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = nil
	*q = (*q)[:len(*q)-1]
	return last
}
