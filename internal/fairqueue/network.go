package fairqueue

import (
	"net/netip"
	"slices"
)

// network is the callers who wait, of one network. A wide one has narrower ones in
// it, which take turns; in the narrowest the first caller is the next one. The one
// of a lane has no prefix.
type network struct {
	prefix  netip.Prefix
	within  *network // the wider one, nil for a lane
	waiting int      // in it and all that are in it
	parts   map[netip.Prefix]*network
	turns   []*network // the parts, the next one first
	callers []*waiter  // of a narrowest one, the first one first
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
		n.callers = append(n.callers, w)
		w.network = n
		return
	}
	part := n.parts[networks[0]]
	if part == nil {
		part = &network{prefix: networks[0], within: n}
		if n.parts == nil {
			n.parts = map[netip.Prefix]*network{}
		}
		n.parts[part.prefix] = part
		n.turns = append(n.turns, part)
	}
	part.add(networks[1:], w)
}

// next takes the caller whose turn it is out of a network in which some wait.
func (n *network) next() *waiter {
	for len(n.turns) > 0 {
		part := n.turns[0]
		n.turns = append(n.turns[1:], part)
		n = part
	}
	w := n.callers[0]
	w.remove()
	return w
}

// last takes the caller out who came last to the narrowest of the networks with
// the most callers.
func (n *network) last() *waiter {
	for len(n.turns) > 0 {
		most := n.turns[len(n.turns)-1]
		for _, part := range n.turns {
			if part.waiting > most.waiting {
				most = part
			}
		}
		n = most
	}
	w := n.callers[len(n.callers)-1]
	w.remove()
	return w
}

// remove takes a caller out, and the networks that have none any more.
func (w *waiter) remove() {
	n := w.network
	w.network = nil
	at := slices.Index(n.callers, w)
	n.callers = slices.Delete(n.callers, at, at+1)
	for ; n != nil; n = n.within {
		n.waiting--
		if n.waiting == 0 && n.within != nil {
			delete(n.within.parts, n.prefix)
			at := slices.Index(n.within.turns, n)
			n.within.turns = slices.Delete(n.within.turns, at, at+1)
		}
	}
}
