package fairqueue

import (
	"net/netip"
	"slices"
)

// network is the callers who wait, of one network. A wide one has narrower ones in
// it, which take turns; in the narrowest the first caller is the next one. The one
// of a lane has no prefix.
type network struct {
	prefix   netip.Prefix
	parent   *network // the wider one, nil for a lane
	waiting  int      // in it and all that are in it
	children map[netip.Prefix]*network
	order    []*network // the parts, the next one first
	waiters  []*waiter  // of a narrowest one, the first one first
}

// waiter is a caller who waits. Its channel says true once it has a slot, and
// false if it has to leave for callers of other networks.
type waiter struct {
	admitted chan bool
	network  *network // nil once it no longer waits
}

// add puts a caller at the end of its network, given from the widest on.
func (n *network) add(networks []netip.Prefix, w *waiter) {
	n.waiting++
	if len(networks) == 0 {
		n.waiters = append(n.waiters, w)
		w.network = n
		return
	}
	part := n.children[networks[0]]
	if part == nil {
		part = &network{prefix: networks[0], parent: n}
		if n.children == nil {
			n.children = map[netip.Prefix]*network{}
		}
		n.children[part.prefix] = part
		n.order = append(n.order, part)
	}
	part.add(networks[1:], w)
}

// next takes the caller whose turn it is out of a network in which some wait.
func (n *network) next() *waiter {
	for len(n.order) > 0 {
		part := n.order[0]
		n.order = append(n.order[1:], part)
		n = part
	}
	w := n.waiters[0]
	w.remove()
	return w
}

// evict takes the caller out who came last to the narrowest of the networks with
// the most callers.
func (n *network) evict() *waiter {
	for len(n.order) > 0 {
		most := n.order[len(n.order)-1]
		for _, part := range n.order {
			if part.waiting > most.waiting {
				most = part
			}
		}
		n = most
	}
	w := n.waiters[len(n.waiters)-1]
	w.remove()
	return w
}

// remove takes a caller out, and the networks that have none any more.
func (w *waiter) remove() {
	n := w.network
	w.network = nil
	at := slices.Index(n.waiters, w)
	n.waiters = slices.Delete(n.waiters, at, at+1)
	for ; n != nil; n = n.parent {
		n.waiting--
		if n.waiting == 0 && n.parent != nil {
			delete(n.parent.children, n.prefix)
			at := slices.Index(n.parent.order, n)
			n.parent.order = slices.Delete(n.parent.order, at, at+1)
		}
	}
}
