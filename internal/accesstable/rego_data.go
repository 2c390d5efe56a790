package accesstable

import (
	"maps"
	"slices"
	"strings"
)

// Data returns the table as data.caddy.access_table, which the policy caddy.access reads.
func (t *Table) Data() map[string]any {
	rules := make([]any, len(t.rules))
	for i, rule := range t.rules {
		data := map[string]any{"label": rule.Label, "allow": rule.data(), "forms": forms(rule.paths)}
		if rule.Named {
			data["named"] = true
		}
		rules[i] = data
	}
	data := map[string]any{
		"rules":   rules,
		"index":   t.index.data(),
		"below":   t.index.dataBelow(),
		"hosts":   truths(t.index.hosts),
		"domains": anys(slices.Sorted(maps.Keys(t.index.domains))),
		"depths":  ints(t.index.depths),
		"default": t.fallback.data(),
		"blocked": map[string]any{"users": truths(t.blocked.users), "networks": anys(t.blocked.networks.texts())},
	}
	if t.ReadsTime() {
		data["max_ages"] = ints(t.maxAges)
	}
	return data
}

// data returns the alternatives: for each, the values of its conditions by name.
func (r *Rule) data() []any {
	list := make([]any, len(r.Allow))
	for i, alternative := range r.Allow {
		conditions := make(map[string]any, len(alternative.Conditions))
		for _, condition := range alternative.Conditions {
			conditions[condition.Name] = condition.Wanted
		}
		list[i] = conditions
	}
	return list
}

// data returns the numbers of rules by form of path, and then by host.
func (x *index) data() map[string]any {
	numbers := make(map[string]any, len(x.exact)+len(x.below))
	for below, byPath := range map[bool]map[string]hostIndex{false: x.exact, true: x.below} {
		for key, byHost := range byPath {
			hosts := make(map[string]any, len(byHost))
			for host, number := range byHost {
				hosts[hostForm(host)] = number
			}
			numbers[path{key: key, below: below}.form()] = hosts
		}
	}
	return numbers
}

// dataBelow returns the numbers of the rules below a path, by form of path and then by
// host.
func (x *index) dataBelow() map[string]any {
	data := make(map[string]any, len(x.above))
	for key, byHost := range x.above {
		hosts := make(map[string]any, len(byHost))
		for host, numbers := range byHost {
			hosts[hostForm(host)] = ints(numbers)
		}
		data[path{key: key}.form()] = hosts
	}
	return data
}

// hostForm returns a host as in the data.
func hostForm(host string) string {
	if host == anyHost {
		return "*"
	}
	return host
}

func forms(paths []path) []any {
	data := make([]any, len(paths))
	for i, p := range paths {
		data[i] = p.form()
	}
	return data
}

// texts returns the networks, sorted.
func (n *networks) texts() []string {
	list := make([]string, 0, len(n.prefixes))
	for prefix := range n.prefixes {
		list = append(list, prefix.String())
	}
	slices.SortFunc(list, strings.Compare)
	return list
}

func truths(set words) map[string]any {
	members := make(map[string]any, len(set))
	for word := range set {
		members[word] = true
	}
	return members
}

func ints[N int | int64](list []N) []any {
	data := make([]any, len(list))
	for i, number := range list {
		data[i] = number
	}
	return data
}
