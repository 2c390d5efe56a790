# METADATA
# title: Access tables
# description: |
#   Judges a request by the table in data.caddy.access_table, which is made of
#   access.yaml. The first rule whose hosts and paths fit decides; one of its
#   alternatives must hold, with all of its conditions. A WebDAV destination is
#   judged like the path, by a rule of its own choice.
package caddy.access

import data.caddy.access_table as table

default allow := false

# METADATA
# description: Whether the table lets the caller do what the request asks for.
allow if {
	not blocked
	every path in paths {
		permitted(path)
	}
}

# METADATA
# description: The whole answer, with the rule that gave it.
decision := {
	"allow": allow,
	"reasons": reasons,
	"challenge": challenge,
	"log": {"labels": {"rule": label}},
} if {
	count(missing_scopes) > 0
} else := {
	"allow": allow,
	"reasons": reasons,
	"log": {"labels": {"rule": label}},
}

challenge := {"scope": missing_scopes}

# The paths to judge, as folded segments: the request's, and a destination's.
paths contains [lower(segment) | some segment in input.request.segments]

paths contains segments if {
	input.request.destination_path != ""
	parts := split(trim_prefix(lower(input.request.destination_path), "/"), "/")
	segments := trimmed(parts)
}

# A trailing slash changes nothing.
trimmed(parts) := array.slice(parts, 0, count(parts) - 1) if parts[count(parts) - 1] == ""

trimmed(parts) := parts if parts[count(parts) - 1] != ""

permitted(path) if {
	some alternative in alternatives(path)
	holds(alternative)
}

# The alternatives of the rule that a path picks, or the default's.
alternatives(path) := table.rules[number(path)].allow if number(path) >= 0

alternatives(path) := table["default"] if number(path) < 0

# The number of the first rule that fits a path, or -1.
number(path) := first if {
	fitting := [i | some i, rule in table.rules; fits(rule, path)]
	first := array.concat(fitting, [-1])[0]
}

fits(rule, path) if {
	host_fits(rule)
	path_fits(rule, path)
}

host_fits(rule) if not rule.hosts

host_fits(rule) if {
	some host in rule.hosts
	host.below == false
	host.name == input.request.host
}

host_fits(rule) if {
	some host in rule.hosts
	host.below == true
	endswith(input.request.host, concat("", [".", host.name]))
}

path_fits(rule, _) if not rule.paths

path_fits(rule, path) if {
	some pattern in rule.paths
	pattern.below == false
	pattern.segments == path
}

path_fits(rule, path) if {
	some pattern in rule.paths
	pattern.below == true
	pattern.segments == array.slice(path, 0, count(pattern.segments))
}

# An alternative holds if it has conditions and all of them do. A condition
# that is not known never holds.
holds(alternative) if {
	count(alternative) > 0
	every name, wanted in alternative {
		condition(name, wanted)
	}
}

condition("anyone", true)

condition("authenticated", true) if input.identity.authenticated

condition("users", wanted) if {
	some name in caller_names
	name in wanted
}

condition("roles", wanted) if {
	some role in input.identity.roles
	role in wanted
}

condition("groups", wanted) if {
	some group in input.identity.groups
	group in wanted
}

condition("scopes", wanted) if {
	every scope in wanted {
		scope in input.identity.scopes
	}
}

condition("kinds", wanted) if input.identity.kind in wanted

condition("methods", wanted) if input.request.method in wanted

condition("methods", wanted) if {
	input.request.method == "HEAD"
	"GET" in wanted
}

condition("networks", wanted) if {
	input.client.forwarded_untrusted == false
	in_any(wanted)
}

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
	every claim in wanted {
		claim_holds(claim)
	}
}

# The names that a table may know a caller by. A username counts only where a
# file of this server gave it: a token's is chosen by whoever its issuer lets.
caller_names contains input.identity.id if input.identity.authenticated

caller_names contains input.identity.username if {
	input.identity.authenticated
	input.identity.issuer == ""
	input.identity.username != ""
}

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

in_any(networks) if {
	is_address
	some network in networks
	net.cidr_contains(network, input.client.ip)
}

is_address if net.cidr_is_valid(concat("", [input.client.ip, "/32"]))

is_address if net.cidr_is_valid(concat("", [input.client.ip, "/128"]))

blocked if {
	some name in caller_names
	name in table.blocked.users
}

blocked if in_any(table.blocked.networks)

# An address that cannot be read cannot be cleared of being blocked.
blocked if {
	count(table.blocked.networks) > 0
	not is_address
}

reasons contains "blocked" if blocked

reasons contains "no_rule" if {
	not allow
	not blocked
	some path in paths
	not permitted(path)
	number(path) < 0
}

reasons contains "rule_denied" if {
	not allow
	not blocked
	some path in paths
	not permitted(path)
	number(path) >= 0
}

# The scopes of an alternative that would hold but for them.
missing_scopes := scopes if {
	not blocked
	refused := [path | some path in paths; not permitted(path)]
	candidates := [alternative.scopes |
		some path in refused
		some alternative in alternatives(path)
		alternative.scopes
		holds_without_scopes(alternative)
	]
	scopes := candidates[0]
} else := []

holds_without_scopes(alternative) if {
	input.identity.authenticated
	every name, wanted in object.remove(alternative, ["scopes"]) {
		condition(name, wanted)
	}
}

# The rules that decided, in words for the log.
label := "blocked" if blocked

label := concat(", ", labels) if not blocked

labels contains table.rules[number(path)].label if {
	some path in paths
	number(path) >= 0
}

labels contains "default" if {
	some path in paths
	number(path) < 0
}
