package fairqueue

import (
	"net/netip"
	"slices"
)

// network holds the waiters of a network. A wide network contains narrower ones,
// which take turns. The narrowest ones contain the waiters. The network of a lane
// has no prefix.
type network struct {
	prefix   netip.Prefix
	parent   *network // the wider network, nil for a lane
	waiting  int      // the waiters in it and in its children
	children map[netip.Prefix]*network
	order    []*network // the children in the order of their turns
	waiters  []*waiter  // in order, only in the narrowest networks
}

// waiter is a waiting caller. Its channel receives true when it gets a slot, and
// false if it is rejected in favor of other networks.
type waiter struct {
	admitted chan bool
	network  *network // nil if it does not wait anymore
}

// add appends a waiter to its network. Networks are given from the widest to the
// narrowest.
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

// next removes and returns the waiter whose turn it is. There must be one.
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

// evict removes and returns the last waiter of the largest network.
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

// remove removes a waiter, and the networks that become empty.
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
