# METADATA
# title: Access tables
# description: |
#   Decides about a request by the table in data.caddy.access_table, which the server
#   makes of access.yaml. The first rule whose hosts and paths match decides; all
#   conditions of one of its alternatives must hold. The first rule that matches the host
#   and the path of a WebDAV destination must allow the request too. The same goes for a
#   rewritten path, for the parts of a path with a PHP script, and for a destination
#   below a prefix of the path, if the rule that matches has paths. If the method acts on
#   everything below these paths, each rule that decides there must allow it too.
package caddy.access

import data.caddy.access_table as table
import data.caddy.helpers

default allow := false

# METADATA
# description: Whether the table allows the request.
allow if {
	permitted
	not denying_below
}

# Whether the rules for the paths of the request allow it, without those for paths below.
permitted if {
	not blocked
	permits(picked(input.request.host, input.request.path_folded))
	destination_permitted
	elsewhere_permitted
}

destination_permitted if input.request.destination_path == ""

destination_permitted if {
	input.request.destination_path != ""
	permits(destination_rule)
}

# The first rule that matches the destination on its own host. The table says nothing
# about a host that is neither that of the request nor in the table.
destination_rule := picked(input.request.destination_host, lower(input.request.destination_path)) if {
	served(input.request.destination_host)
} else := {"label": "foreign_destination", "allow": []}

served(host) if host == input.request.host

served(host) if table.hosts[host]

served(host) if {
	some domain in table.domains
	endswith(host, domain)
}

elsewhere_permitted if {
	every rule in elsewhere_rules {
		permits(rule)
	}
}

# The first rules that match other paths that the next handler may serve or change, if
# they have paths. A rule without paths is written for the requested path.
elsewhere_rules contains rule if {
	some path in elsewhere
	rule := picked(input.request.host, path)
	rule.named
}

# The path that the next handler sees, if it was rewritten.
elsewhere contains lower(input.request.rewritten_path) if {
	input.request.rewritten_path != input.request.path
}

# The path of a PHP script, and the rest of the path, which the script gets as PATH_INFO.
elsewhere contains part if {
	some path in {input.request.path_folded, lower(input.request.rewritten_path)}
	at := indexof(path, ".php")
	at >= 0
	at + 4 < count(path)
	some part in [substring(path, 0, at + 4), substring(path, at + 4, -1)]
}

# The WebDAV destination below each prefix of the path that it does not begin with:
# handle_path removes a prefix from the path, but not from the Destination.
elsewhere contains concat("", [prefix, destination]) if {
	input.request.destination_path != ""
	input.request.destination_host == input.request.host
	destination := lower(input.request.destination_path)
	parts := split(trim_suffix(exact_form(input.request.path_folded), "/"), "/")
	some i in numbers.range(2, min([count(parts), 17]))
	prefix := concat("/", array.slice(parts, 0, i))
	prefix != ""
	count(prefix) <= 512
	not startswith(concat("", [destination, "/"]), concat("", [prefix, "/"]))
}

# METADATA
# description: |
#   The first rule that decides about a path below those of the request and does not
#   allow it. It is undefined if the rules for the paths themselves deny the request.
denying_below := table.rules[min(numbers)] if {
	lies_below
	helpers.acts_below
	permitted
	numbers := denying_numbers
	count(numbers) > 0
}

# Whether a rule has a path below those of the request. Mostly there is none, so that the
# rules below need not be evaluated.
lies_below if table.below[exact_form(input.request.path_folded)]

lies_below if {
	input.request.destination_path != ""
	table.below[exact_form(lower(input.request.destination_path))]
}

lies_below if {
	some path in elsewhere
	table.below[exact_form(path)]
}

denying_numbers contains number if {
	some number in lying_below(input.request.host, input.request.path_folded)
	not permits(table.rules[number])
	decides_below(number, input.request.host, input.request.path_folded)
}

denying_numbers contains number if {
	input.request.destination_path != ""
	some number in lying_below(input.request.destination_host, lower(input.request.destination_path))
	not permits(table.rules[number])
	decides_below(number, input.request.destination_host, lower(input.request.destination_path))
}

denying_numbers contains number if {
	some path in elsewhere
	some number in lying_below(input.request.host, path)
	table.rules[number].named
	not permits(table.rules[number])
	decides_below(number, input.request.host, path)
}

# The numbers of the rules for a host that have a path below another one.
lying_below(host, path) := {number | number := table.below[exact_form(path)][host_forms(host)[_]][_]}

# Whether a rule is the first that matches some path below another one.
decides_below(number, host, path) if {
	some form in table.rules[number].forms
	startswith(form, exact_form(path))
	form != exact_form(path)
	picked(host, form) == table.rules[number]
}

# METADATA
# description: |
#   The whole answer, with the rule that gave it. Of login it says nothing to a caller who
#   is asked to sign in again: the server knows whether that is done on a page.
decision := {"allow": true, "log": {"labels": {"rule": label}}} if {
	allow
} else := object.union(denial, {"challenge": challenge}) if {
	signing_in
} else := object.union(denial, {"challenge": challenge, "login": login}) if {
	challenge
} else := object.union(denial, {"login": login})

denial := {"allow": false, "reasons": reasons, "log": {"labels": {"rule": label}}}

default login := false

# METADATA
# description: |
#   Whether signing in may help: the caller is not authenticated, and every rule that
#   denies the request has an alternative of which only conditions fail that a person who
#   signed in may meet. That person is no guest.
login if {
	not input.identity.authenticated
	not blocked
	count(denying) > 0
	every rule in denying {
		within_reach(rule)
	}
}

within_reach(rule) if {
	some alternative in rule.allow
	every name in {"anyone", "methods", "networks", "upgrades", "links"} & object.keys(alternative) {
		condition(name, alternative[name])
	}
}

# METADATA
# description: |
#   Whether the caller is blocked; then the rules do not matter. Names are compared
#   whatever the issuer: it is safer to block one caller too many.
blocked if table.blocked.users[input.identity.id]

blocked if table.blocked.users[input.identity.username]

# If the username is unknown, it may be a blocked one.
blocked if {
	"username" in input.identity.unknown
	count(table.blocked.users) > 0
}

blocked if {
	count(table.blocked.networks) > 0
	not outside(table.blocked.networks, input.client.ip)
}

# If a proxy that is not trusted forwarded the request, its address is compared too.
blocked if {
	input.client.forwarded_untrusted
	count(table.blocked.networks) > 0
	not outside(table.blocked.networks, input.client.peer_ip)
}

# An address that cannot be parsed may be a blocked one.
outside(networks, address) if {
	helpers.is_address(address)
	count(net.cidr_contains_matches(networks, address)) == 0
}

# The first rule that matches a host and a path, or the default. The table has an index,
# which maps forms of paths and hosts to the number of the first rule that has them.
picked(host, path) := table.rules[min(numbers)] if {
	numbers := {number |
		some form in path_forms(exact_form(path))
		number := table.index[form][host_forms(host)[_]]
	}
	count(numbers) > 0
} else := {"label": "default", "allow": table["default"]}

# The forms of rules that match a path: /a/b/ matches /a/b, and /a/* also everything below /a.
path_forms(exact) := {exact} | {form |
	parts := split(exact, "/")
	some depth in table.depths
	form := concat("/", array.concat(array.slice(parts, 0, depth + 1), ["*"]))
}

# A trailing slash makes no difference. An encoded slash within a segment is still
# encoded here, so it does not separate segments.
exact_form(path) := "/" if {
	path in {"", "/"}
} else := concat("", ["/", trim_prefix(trim_suffix(path, "/"), "/"), "/"])

# The forms of rules that match a host: *, the host itself, and the domains that it is below.
host_forms(host) := array.concat(
	["*", host],
	[domain | some domain in table.domains; endswith(host, domain)],
)

# The rules that decide about the path, the destination and other paths, and the one
# that denies a path below them.
judged contains picked(input.request.host, input.request.path_folded)

judged contains destination_rule if input.request.destination_path != ""

judged contains rule if some rule in elsewhere_rules

judged contains denying_below

# The rules that deny the request.
denying contains rule if {
	some rule in judged
	not permits(rule)
}

permits(rule) if {
	some alternative in rule.allow
	holds(alternative)
}

# An alternative holds if it has conditions and all of them hold. An unknown condition
# never holds, nor does one with an empty list.
holds(alternative) if {
	count(alternative) > 0
	visible(alternative)
	every name, wanted in alternative {
		condition(name, wanted)
	}
}

# Policies do not see what is sent after an upgrade other than WebSocket. So an
# alternative without upgrades allows it for authenticated callers only, and anyone never
# does.
visible(_) if not unseen

visible(alternative) if alternative.upgrades

unseen if {
	not input.request.upgrade in {"", "websocket"}
	not input.identity.authenticated
}

condition("anyone", true) if input.request.upgrade in {"", "websocket"}

condition("anyone", "upgrades") # upgrades is a condition of its own

condition("authenticated", true) if input.identity.authenticated

# A guest is known by a share link alone.
condition("links", true) if input.identity.kind == "guest"

# Only IDs are compared: users may be able to choose the username in a token.
condition("users", wanted) if {
	input.identity.authenticated
	input.identity.id in wanted
}

condition("roles", wanted) if {
	some role in wanted
	helpers.has_role(role)
}

condition("groups", wanted) if {
	some group in wanted
	helpers.has_group(group)
}

condition("scopes", wanted) if {
	wanted[0]
	every scope in wanted {
		helpers.has_scope(scope)
	}
}

condition("kinds", wanted) if input.identity.kind in wanted

condition("methods", wanted) if {
	some method in wanted
	helpers.is_method(method)
	not helpers.many_overrides
	every override in helpers.overrides {
		override in wanted
	}
}

condition("networks", wanted) if helpers.in_networks(wanted)

condition("upgrades", wanted) if input.request.upgrade in wanted

condition("issuers", wanted) if {
	input.identity.authenticated
	input.identity.issuer in wanted
}

condition("acr", wanted) if {
	input.identity.authenticated
	input.identity.acr in wanted
}

# Without the time of signing in, or with one further in the future than clocks differ, it
# is not kept (RFC 9470, section 6). Only what the table lists counts: the server tells by
# the list when a decision that it remembers ends.
condition("max_age", wanted) if {
	input.identity.authenticated
	wanted in table.max_ages
	input.identity.auth_time > 0
	age := input.request.time_ns - (input.identity.auth_time * 1000000000)
	age >= -60000000000
	age < (wanted + 1) * 1000000000 # in whole seconds
}

condition("claims", wanted) if {
	input.identity.authenticated
	wanted[0]
	every claim in wanted {
		claim_holds(claim)
	}
}

# A claim is one of the values, or a list with one of them.
claim_holds(claim) if {
	value := object.get(input.identity.claims, claim.path, null)
	not is_array(value)
	value in claim.values
}

claim_holds(claim) if {
	values := object.get(input.identity.claims, claim.path, null)
	is_array(values)
	some value in values
	value in claim.values
}

# The message of the Model Context Protocol: the call of a named tool, or what clients need
# in order to know and call tools; nothing else, such as reading resources. The server has
# checked that the message is all of the body.
condition("tools", wanted) if {
	wanted[0]
	input.request.upgrade == ""
	tools_message(wanted)
}

tools_message(wanted) if {
	input.request.method == "POST"
	input.request.mcp.method == "tools/call"
	some pattern in wanted
	names_tool(pattern, input.request.mcp.tool)
}

# initialize and ping are of revisions up to 2025-11-25.
tools_message(_) if {
	input.request.method == "POST"
	input.request.mcp.method in {"server/discover", "tools/list", "initialize", "ping"}
}

tools_message(_) if {
	input.request.method == "POST"
	startswith(input.request.mcp.method, "notifications/")
}

# Clients of revisions up to 2025-11-25 open a stream, and end a session.
tools_message(_) if {
	input.request.method in {"GET", "DELETE"}
	input.request.mcp.method == ""
}

names_tool(pattern, tool) if {
	not endswith(pattern, "*")
	tool == pattern
}

names_tool(pattern, tool) if {
	endswith(pattern, "*")
	startswith(tool, trim_suffix(pattern, "*"))
}

# The OAuth client to which the token was issued. If its claims differ, or one of them is
# not a string, it is unknown.
condition("clients", wanted) if {
	input.identity.authenticated
	ids := {id |
		some name in ["client_id", "azp"]
		id := input.identity.claims[name]
		id != null
	}
	count(ids) == 1
	some id in ids
	is_string(id)
	id in wanted
}

# METADATA
# description: |
#   What a known caller is asked for: scopes of a token (RFC 6750, section 3.1), a stronger
#   or a newer sign-in (RFC 9470, section 3). It is undefined unless that would do for every
#   rule that judges. What their alternatives want is asked for as a whole, so that no
#   second challenge follows the first.
challenge := object.union_n([asked_scopes, asked_acr, asked_max_age]) if {
	input.identity.authenticated
	not blocked
	count(denying) > 0
	every rule in judged {
		wanted(rule)
	}
	not no_common_acr
}

# The alternative with which a rule counts there: the first that holds, or else the first
# of which nothing fails but what the caller can bring.
wanted(rule) := holding[0] if {
	holding := [alternative |
		some alternative in rule.allow
		holds(alternative)
	]
} else := asking[0] if {
	asking := [alternative |
		some alternative in rule.allow
		within_asking(alternative)
	]
}

within_asking(alternative) if {
	count(alternative) > 0
	every name, value in alternative {
		within_asking_for(name, value)
	}
}

within_asking_for(name, value) if condition(name, value)

within_asking_for(name, _) if name in can_bring

# A caller that no issuer vouches for has a password or a key of the server: no sign-in
# gives it a class, and only a session one of another time.
can_bring contains "scopes" if input.identity.authenticated

can_bring contains name if {
	some name in ["acr", "max_age"]
	input.identity.issuer != ""
}

can_bring contains "max_age" if input.identity.method == "session"

# The conditions that fail of these alternatives.
lacking contains name if {
	some rule in denying
	some name, value in wanted(rule)
	not condition(name, value)
}

asked_scopes := {"scope": sort({scope |
	some rule in judged
	some scope in wanted(rule).scopes
})} if {
	"scopes" in lacking
} else := {}

signing_in if {
	challenge
	lacks_sign_in
}

asked_acr := {"acr_values": common_acr} if {
	lacks_sign_in
	count(acr_lists) > 0
} else := {}

asked_max_age := {"max_age": min(ages)} if {
	lacks_sign_in
	ages := {wanted(rule).max_age | some rule in judged}
	count(ages) > 0
} else := {}

lacks_sign_in if {
	some name in lacking
	name in {"acr", "max_age"}
}

acr_lists := {wanted(rule).acr | some rule in judged}

# The classes that are in each list, in the order of the first list in the order of words.
common_acr := [value |
	some value in min(acr_lists)
	every list in acr_lists {
		value in list
	}
]

no_common_acr if {
	lacks_sign_in
	count(acr_lists) > 0
	count(common_acr) == 0
}

reasons contains "blocked" if blocked

reasons contains "no_rule" if {
	not blocked
	some rule in denying
	rule.label == "default"
}

reasons contains "rule_denied" if {
	not blocked
	some rule in denying
	not rule.label in {"default", "foreign_destination"}
}

reasons contains "foreign_destination" if {
	not blocked
	some rule in denying
	rule.label == "foreign_destination"
}

reasons contains "below_denied" if denying_below

# The rules that decided, for the log.
label := "blocked" if {
	blocked
} else := concat(", ", {rule.label | some rule in denying}) if {
	count(denying) > 0
} else := concat(", ", {rule.label | some rule in judged})
