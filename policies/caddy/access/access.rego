# METADATA
# title: Access tables
# description: |
#   Judges a request by the table in data.caddy.access_table, which is made of
#   access.yaml. The first rule whose hosts and paths fit decides; one of its
#   alternatives must hold, with all of its conditions. A WebDAV destination is
#   judged like the path, by the rule that fits its own host and path, and so are the
#   path that a rewrite made, a PHP script with something behind it, and a destination
#   below a prefix of the path, if the rule that fits them has paths. Where a method acts
#   on everything below these paths, each rule that decides there must allow it too.
package caddy.access

import data.caddy.access_table as table
import data.caddy.helpers

default allow := false

# METADATA
# description: Whether the table lets the caller do what the request asks for.
allow if {
	permitted
	not refusing_below
}

# Whether the rules that are picked allow it, whatever lies below.
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

# The rule that fits the destination on its own host. A host that is neither the
# request's own nor named by the table is none that the table was written for.
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

# The rules that fit further paths that the next handler may serve or change, if they
# have paths. What says nothing of paths was written for what the client asks for.
elsewhere_rules contains rule if {
	some path in elsewhere
	rule := picked(input.request.host, path)
	rule.named
}

# The path that the next handler sees, if a rewrite made it.
elsewhere contains lower(input.request.rewritten_path) if {
	input.request.rewritten_path != input.request.path
}

# A PHP script, and what follows it in a path: the script is handed that (PATH_INFO).
elsewhere contains part if {
	some path in {input.request.path_folded, lower(input.request.rewritten_path)}
	at := indexof(path, ".php")
	at >= 0
	at + 4 < count(path)
	some part in [substring(path, 0, at + 4), substring(path, at + 4, -1)]
}

# A WebDAV destination below each prefix of the path that it is not below: handle_path
# removes a prefix from the path, and not from the Destination.
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
#   The first of the rules that decide below what the request acts on and do not let
#   the caller do it; there is none if the rules for the paths themselves refuse.
refusing_below := table.rules[min(numbers)] if {
	lies_below
	helpers.acts_below
	permitted
	numbers := refusing_numbers
	count(numbers) > 0
}

# Whether a rule lies below what the request acts on; mostly there is none.
lies_below if table.below[exact_form(input.request.path_folded)]

lies_below if {
	input.request.destination_path != ""
	table.below[exact_form(lower(input.request.destination_path))]
}

lies_below if {
	some path in elsewhere
	table.below[exact_form(path)]
}

refusing_numbers contains number if {
	some number in lying_below(input.request.host, input.request.path_folded)
	not permits(table.rules[number])
	decides_below(number, input.request.host, input.request.path_folded)
}

refusing_numbers contains number if {
	input.request.destination_path != ""
	some number in lying_below(input.request.destination_host, lower(input.request.destination_path))
	not permits(table.rules[number])
	decides_below(number, input.request.destination_host, lower(input.request.destination_path))
}

refusing_numbers contains number if {
	some path in elsewhere
	some number in lying_below(input.request.host, path)
	table.rules[number].named
	not permits(table.rules[number])
	decides_below(number, input.request.host, path)
}

# The numbers of the rules that have a path below another one, for a host.
lying_below(host, path) := {number | number := table.below[exact_form(path)][host_forms(host)[_]][_]}

# Whether a rule is the first for something below a path.
decides_below(number, host, path) if {
	some form in table.rules[number].forms
	startswith(form, exact_form(path))
	form != exact_form(path)
	picked(host, form) == table.rules[number]
}

# METADATA
# description: The whole answer, with the rule that gave it.
decision := {"allow": true, "log": {"labels": {"rule": label}}} if {
	allow
} else := {
	"allow": false,
	"reasons": reasons,
	"challenge": {"scope": missing_scopes},
	"login": login,
	"log": {"labels": {"rule": label}},
} if {
	count(missing_scopes) > 0
} else := {
	"allow": false,
	"reasons": reasons,
	"login": login,
	"log": {"labels": {"rule": label}},
}

default login := false

# METADATA
# description: |
#   Whether signing in could help: the caller is anonymous, and every rule that
#   refuses has an alternative that fails for want of a caller alone.
login if {
	not input.identity.authenticated
	not blocked
	count(refused) > 0
	every rule in refused {
		within_reach(rule)
	}
}

within_reach(rule) if {
	some alternative in rule.allow
	every name in {"anyone", "methods", "networks", "upgrades"} & object.keys(alternative) {
		condition(name, alternative[name])
	}
}

# METADATA
# description: |
#   Whether the table shuts the caller out, whatever its rules say. Names count
#   of whatever issuer: to shut out one too many is the smaller mistake.
blocked if table.blocked.users[input.identity.id]

blocked if table.blocked.users[input.identity.username]

# A name that the server could not tell may be a blocked one.
blocked if {
	"username" in input.identity.unknown
	count(table.blocked.users) > 0
}

blocked if {
	count(table.blocked.networks) > 0
	not outside(table.blocked.networks, input.client.ip)
}

# An address that is hidden by untrusted forwarding: the peer's is tested.
blocked if {
	input.client.forwarded_untrusted
	count(table.blocked.networks) > 0
	not outside(table.blocked.networks, input.client.peer_ip)
}

# An address that cannot be read cannot be cleared of being blocked.
outside(networks, address) if {
	helpers.is_address(address)
	count(net.cidr_contains_matches(networks, address)) == 0
}

# The first rule that fits a host and a path, or what counts where none does. The table has
# an index: from what rules say of paths and of hosts to the first that does.
picked(host, path) := table.rules[min(numbers)] if {
	numbers := {number |
		some form in path_forms(exact_form(path))
		number := table.index[form][host_forms(host)[_]]
	}
	count(numbers) > 0
} else := {"label": "default", "allow": table["default"]}

# What rules may say of a path: /a/b/ means itself, /a/* what is there and below.
path_forms(exact) := {exact} | {form |
	parts := split(exact, "/")
	some depth in table.depths
	form := concat("/", array.concat(array.slice(parts, 0, depth + 1), ["*"]))
}

# A trailing slash changes nothing. An encoded slash within a segment is still
# encoded here, so that it does not part two.
exact_form(path) := "/" if {
	path in {"", "/"}
} else := concat("", ["/", trim_prefix(trim_suffix(path, "/"), "/"), "/"])

# What rules may say of a host: anything, itself, or what it is below.
host_forms(host) := array.concat(
	["*", host],
	[domain | some domain in table.domains; endswith(host, domain)],
)

# What is judged: the rules that the path, a destination and paths elsewhere pick,
# and one that refuses what lies below them.
judged contains picked(input.request.host, input.request.path_folded)

judged contains destination_rule if input.request.destination_path != ""

judged contains rule if some rule in elsewhere_rules

judged contains refusing_below

# The rules that do not let the caller do what they were picked for.
refused contains rule if {
	some rule in judged
	not permits(rule)
}

permits(rule) if {
	some alternative in rule.allow
	holds(alternative)
}

# An alternative holds if it has conditions and all of them do. A condition that
# is not known never holds, nor does one that wants nothing.
holds(alternative) if {
	count(alternative) > 0
	visible(alternative)
	every name, wanted in alternative {
		condition(name, wanted)
	}
}

# What a connection carries after an upgrade other than WebSocket is not judged: an
# alternative that does not name the protocol allows it only for known callers, and
# anyone never does.
visible(_) if not unseen

visible(alternative) if alternative.upgrades

unseen if {
	not input.request.upgrade in {"", "websocket"}
	not input.identity.authenticated
}

condition("anyone", true) if input.request.upgrade in {"", "websocket"}

condition("anyone", "upgrades") # beside upgrades, which says the rest

condition("authenticated", true) if input.identity.authenticated

# Only ids: what a token gives as username may be chosen by the user, if the issuer lets them.
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

condition("claims", wanted) if {
	input.identity.authenticated
	wanted[0]
	every claim in wanted {
		claim_holds(claim)
	}
}

# A claim holds one of the values, or is a list that does.
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

# All scopes that the operation needs, if the caller is known and nothing but
# scopes is missing (RFC 6750, section 3.1): a token with just these will do.
missing_scopes := sort({scope |
	some rule in judged
	some scope in wanted_scopes(rule)
}) if {
	input.identity.authenticated
	not blocked
	count(refused) > 0
	every rule in refused {
		wanted_scopes(rule)
	}
} else := []

# The scopes of the first alternative that holds, or else would hold with them.
wanted_scopes(rule) := holding[0] if {
	holding := [object.get(alternative, "scopes", []) |
		some alternative in rule.allow
		holds(alternative)
	]
} else := lacking[0] if {
	lacking := [alternative.scopes |
		some alternative in rule.allow
		every name, wanted in object.remove(alternative, ["scopes"]) {
			condition(name, wanted)
		}
	]
}

reasons contains "blocked" if blocked

reasons contains "no_rule" if {
	not blocked
	some rule in refused
	rule.label == "default"
}

reasons contains "rule_denied" if {
	not blocked
	some rule in refused
	not rule.label in {"default", "foreign_destination"}
}

reasons contains "foreign_destination" if {
	not blocked
	some rule in refused
	rule.label == "foreign_destination"
}

reasons contains "below_denied" if refusing_below

# The rules that decided, in words for the log.
label := "blocked" if {
	blocked
} else := concat(", ", {rule.label | some rule in refused}) if {
	count(refused) > 0
} else := concat(", ", {rule.label | some rule in judged})
