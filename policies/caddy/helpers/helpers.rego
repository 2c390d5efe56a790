# METADATA
# title: Helpers
# description: |
#   Checks that policies need often. Each one is true or undefined, so
#   it works with "if" and with "not".
package caddy.helpers

# METADATA
# description: |
#   Whether the path of the request is prefix or below it, by whole segments and
#   regardless of case. under("/admin") is true for /admin and /Admin/x, not for
#   /administrator. A prefix may be written as in access.yaml, /admin/*; an empty one
#   never matches.
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
# description: |
#   The methods that an application may use instead of the method of the request, in
#   upper case. The server gives every spelling of these headers one name.
overrides contains name if some name in override_names

override_names := array.concat(
	[upper(trim_space(name)) |
		some header in ["x-http-method-override", "x-http-method", "x-method-override"]
		some line in input.request.header_values[header]
		some name in split(line, ",")
	],
	[upper(name) | some name in input.request.query._method],
)

# METADATA
# description: |
#   Whether the request names more than 16 such methods. Clients name one; access
#   tables treat a request with more as one of any method.
many_overrides if count(override_names) > 16

# METADATA
# description: |
#   Whether the request acts on everything below its path and its destination: COPY,
#   MOVE and DELETE do, LOCK unless its Depth is 0, PROPFIND unless it is 0 or 1 (RFC
#   4918), and REPORT by its Depth (RFC 3253). The same applies if one of overrides is
#   such a method, or if there are too many.
acts_below if acting_below(upper(input.request.method))

acts_below if {
	some method in overrides
	acting_below(method)
}

acts_below if many_overrides

acting_below(method) if method in {"COPY", "MOVE", "DELETE"}

acting_below("LOCK") if depth != "0"

acting_below("PROPFIND") if not depth in {"0", "1"}

acting_below("REPORT") if not depth in {"", "0", "1"}

default depth := ""

depth := lower(concat(",", input.request.header_values.depth))

# METADATA
# description: |
#   Whether the request reaches prefix or anything below it: its path or its WebDAV
#   destination is there, or prefix is below one of them and the method acts on
#   everything below. A prefix is written as for under.
touches(prefix) if under(prefix)

touches(prefix) if {
	prefix != ""
	wanted := parts(trim_suffix(prefix, "/*"))
	some destination in destinations
	array.slice(parts(destination), 0, count(wanted)) == wanted
}

touches(prefix) if {
	prefix != ""
	acts_below
	given := parts(input.request.path)
	array.slice(parts(trim_suffix(prefix, "/*")), 0, count(given)) == given
}

touches(prefix) if {
	prefix != ""
	acts_below
	some destination in destinations
	given := parts(destination)
	array.slice(parts(trim_suffix(prefix, "/*")), 0, count(given)) == given
}

# METADATA
# description: |
#   The WebDAV destination, in lower case, as it is and below each prefix of the path
#   that it does not begin with: a handler such as handle_path removes a prefix from the
#   path, but not from the Destination.
destinations contains lower(input.request.destination_path) if input.request.destination_path != ""

destinations contains concat("", [prefix, destination]) if {
	input.request.destination_path != ""
	destination := lower(input.request.destination_path)
	given := parts(input.request.path)
	some i in numbers.range(1, min([count(given), 16]))
	i <= count(given)
	prefix := concat("/", array.concat([""], array.slice(given, 0, i)))
	count(prefix) <= 512
	not startswith(concat("", [destination, "/"]), concat("", [prefix, "/"]))
}

parts(path) := [part | some part in split(lower(path), "/"); part != ""]

# METADATA
# description: Whether the caller has a role.
has_role(role) if role in input.identity.roles

# METADATA
# description: Whether the caller is in a group.
has_group(group) if group in input.identity.groups

# METADATA
# description: Whether the credential of the caller has a scope.
has_scope(scope) if scope in input.identity.scopes

# METADATA
# description: |
#   Whether the address of the client is in a network (CIDR). It is never true if a peer
#   that is not a trusted proxy sent forwarding headers, because the address may then
#   be that of a proxy, or if the address cannot be read.
in_network(cidr) if in_networks([cidr])

# METADATA
# description: Whether the address of the client is in one of several networks (CIDR).
in_networks(cidrs) if {
	input.client.forwarded_untrusted == false
	is_address(input.client.ip)
	count(net.cidr_contains_matches(cidrs, input.client.ip)) > 0
}

# METADATA
# description: Whether a text is an IPv4 or IPv6 address without port and zone.
is_address(text) if net.cidr_is_valid(concat("/", [text, "32"]))
