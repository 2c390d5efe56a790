# METADATA
# title: Helpers
# description: |
#   Small questions that policies ask often. Each one is true or undefined, so
#   that it works with "if" and "not" alike.
package caddy.helpers

# METADATA
# description: |
#   Whether the request's path is prefix or below it: whole segments, whatever
#   the case. under("/admin") holds for /admin, /Admin/x, not for /administrator.
#   A prefix may be written as in access.yaml, /admin/*; an empty one never holds.
under(prefix) if {
	prefix != ""
	wanted := [part | some part in split(trim_suffix(lower(prefix), "/*"), "/"); part != ""]
	given := [lower(segment) | some segment in input.request.segments]
	array.slice(given, 0, count(wanted)) == wanted
}

# METADATA
# description: Whether the request's method is method; HEAD counts as GET.
is_method(method) if input.request.method == method

is_method("GET") if input.request.method == "HEAD"

# METADATA
# description: Whether the caller has a role.
has_role(role) if role in input.identity.roles

# METADATA
# description: Whether the caller is in a group.
has_group(group) if group in input.identity.groups

# METADATA
# description: Whether the caller's credential was granted a scope.
has_scope(scope) if scope in input.identity.scopes

# METADATA
# description: |
#   Whether the client's address is in a network (CIDR). It never is when a peer
#   that is no trusted proxy sent forwarding headers, since the address may then
#   be a proxy's; nor is what cannot be read as an address.
in_network(cidr) if in_networks([cidr])

# METADATA
# description: Whether the client's address is in one of some networks (CIDR).
in_networks(cidrs) if {
	input.client.forwarded_untrusted == false
	is_address(input.client.ip)
	count(net.cidr_contains_matches(cidrs, input.client.ip)) > 0
}

# METADATA
# description: Whether a text is an address of IPv4 or IPv6, without port or zone.
is_address(text) if net.cidr_is_valid(concat("/", [text, "32"]))
