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
	index   int // in the queue
}

// overhead is roughly what an entry costs beside its bytes.
const overhead = 200

// overheadOfOwner is the same of its place among an owner's.
const overheadOfOwner = 50

// isLive says whether the entry is there and has not expired.
func (e *entry) isLive(now time.Time) bool { return e != nil && now.Before(e.expires) }

// expiryTime is the time after a lifetime, on the wall clock: what is on disk or in
// Redis means that one too, and it does not stand still while a machine sleeps.
func expiryTime(now time.Time, lifetime time.Duration) time.Time { return now.Add(lifetime).Round(0) }

// cost is what an entry counts against the limit, in bytes.
func (e *entry) cost() int {
	cost := overhead + len(e.key) + len(e.value)
	for _, owner := range e.owners {
		cost += overheadOfOwner + len(owner)
	}
	return cost
}

// set puts an entry in the place of the one under its key. The lock is held.
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

// insert is set without a limit and without telling. The lock is held.
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

// remove takes an entry out and tells so. The lock is held.
func (m *Memory) remove(e *entry) {
	if e != nil {
		m.unlink(e)
		m.changed(e.key, nil)
	}
}

// undo takes an entry out unless another has come in its place since.
func (m *Memory) undo(e *entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items[e.key] == e {
		m.remove(e)
	}
}

// unlink takes an entry out; nil is no entry. The lock is held.
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

// sweep removes a slice of what has expired. The lock is held.
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
