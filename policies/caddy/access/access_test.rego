package caddy.access_test

import data.caddy.access
import data.caddy.testing

# The tables are in the form that the loader converts access.yaml to.
table := {
	"rules": [
		{
			"label": "access.yaml:2 (rule 1)", # /healthz, /.well-known/*
			"forms": ["/healthz/", "/.well-known/*"],
			"allow": [{"anyone": true, "methods": ["GET"]}],
		},
		{
			"label": "access.yaml:4 (rule 2)", # photos.example.com
			"forms": ["/*"],
			"allow": [{"networks": ["192.168.0.0/16", "fd00::/8"]}, {"groups": ["family"]}],
		},
		{
			"label": "access.yaml:6 (rule 3)", # app.example.com, /api/deploy/*
			"forms": ["/api/deploy/*"],
			"allow": [{"users": ["build-server"], "scopes": ["deploy", "read"], "methods": ["POST"]}],
		},
		{
			"label": "access.yaml:9 (rule 4)", # *.example.com, /admin/*
			"forms": ["/admin/*"],
			"allow": [{"roles": ["admin"]}],
		},
		{
			"label": "access.yaml:12 (rule 5)", # /open/*
			"forms": ["/open/*"],
			"allow": [{"anyone": true}],
		},
	],
	"index": {
		"/healthz/": {"*": 0},
		"/.well-known/*": {"*": 0},
		"/*": {"photos.example.com": 1},
		"/api/deploy/*": {"app.example.com": 2},
		"/admin/*": {".example.com": 3},
		"/open/*": {"*": 4},
	},
	"below": {
		"/": {"*": [0, 4], "photos.example.com": [1], "app.example.com": [2], ".example.com": [3]},
		"/.well-known/": {"*": [0]},
		"/api/": {"app.example.com": [2]},
		"/api/deploy/": {"app.example.com": [2]},
		"/admin/": {".example.com": [3]},
		"/open/": {"*": [4]},
	},
	"domains": [".example.com"],
	"depths": [0, 1, 2],
	"default": [{"authenticated": true}],
	"blocked": {"users": {"mallory": true}, "networks": ["203.0.113.0/24"]},
}

allowed(req, identity) if {
	access.allow with input as testing.input_of(req, identity) with data.caddy.access_table as table
}

to(host, path, req) := object.union(req, {"destination_host": host, "destination_path": path})

at(host, req) := object.union(req, {"host": host})

admin := testing.user("alice", ["admin"])

member := testing.user("bob", ["member"])

anonymous := testing.anonymous

# T-23: methods are exact.
test_anyone_with_method if {
	allowed(testing.request("GET", "/healthz"), anonymous)
	allowed(testing.request("HEAD", "/healthz"), anonymous) # HEAD counts as GET
	allowed(testing.request("GET", "/healthz/"), anonymous) # a trailing slash makes no difference
	allowed(testing.request("GET", "/.well-known/x/y"), anonymous)
	not allowed(testing.request("POST", "/healthz"), anonymous)
	not allowed(testing.request("get", "/healthz"), anonymous)
	not allowed(testing.request("GET", "/healthzz"), anonymous)
}

# T-23: the methods that an application may use instead must be in the list too.
test_method_override if {
	plain := testing.request("GET", "/healthz")
	allowed(object.union(plain, {"header_values": {"x-http-method-override": ["get"]}}), anonymous)
	every part in [
		{"header_values": {"x-http-method-override": ["DELETE"]}},
		{"header_values": {"x-http-method": ["GET", "DELETE"]}},
		{"header_values": {"x-method-override": ["GET, delete"]}},
		{"query": {"_method": ["delete"]}},
	] {
		not allowed(object.union(plain, part), anonymous)
	}
}

# N-04, S-06: the first rule that matches a rewritten path must allow the request too, if
# it has paths. The default and rules without paths do not matter.
test_rewritten_path if {
	named := object.union(table, {"rules": [object.union(rule, {"named": rule.label != "access.yaml:4 (rule 2)"}) | some rule in table.rules]})
	rewritten := object.union(testing.request("GET", "/open/x"), {"rewritten_path": "/ADMIN/x"})
	access.allow with input as testing.input_of(rewritten, admin) with data.caddy.access_table as named
	not access.allow with input as testing.input_of(rewritten, anonymous) with data.caddy.access_table as named
	elsewhere := object.union(rewritten, {"rewritten_path": "/elsewhere"})
	access.allow with input as testing.input_of(elsewhere, anonymous) with data.caddy.access_table as named
	photos := object.union(elsewhere, {"host": "photos.example.com", "path": "/open/y", "path_folded": "/healthz"})
	access.allow with input as testing.input_of(photos, anonymous) with data.caddy.access_table as named
	other := object.union(rewritten, {"host": "example.org"})
	access.allow with input as testing.input_of(other, anonymous) with data.caddy.access_table as named
}

# T-72, T-20, T-55: paths match by whole segments, in any case; /a/* matches /a too.
test_admin_paths if {
	every path in ["/admin", "/admin/", "/ADMIN", "/Admin/x", "/admin/x/y"] {
		allowed(testing.request("GET", path), admin)
		not allowed(testing.request("GET", path), member)
		not allowed(testing.request("GET", path), anonymous)
	}
	allowed(testing.request("GET", "/administrator"), member)
	allowed(testing.request("GET", "/x/admin"), member)
}

test_hosts if {
	not allowed(at("other.example.org", testing.request("GET", "/admin")), anonymous)
	allowed(at("other.example.org", testing.request("GET", "/admin")), member) # no rule: the default
	allowed(at("example.com", testing.request("GET", "/admin")), member) # *.example.com does not match example.com
	not allowed(at("a.b.example.com", testing.request("GET", "/admin")), member)
	allowed(at("evilexample.com", testing.request("GET", "/admin")), member)
	allowed(at("a.example.com.evil", testing.request("GET", "/admin")), member)
}

test_conditions_are_and_alternatives_or if {
	deployer := object.union(testing.token("build-server", ["deploy", "read"]), {})
	allowed(testing.request("POST", "/api/deploy/x"), deployer)
	not allowed(testing.request("GET", "/api/deploy/x"), deployer)
	not allowed(testing.request("POST", "/api/deploy/x"), testing.token("build-server", ["deploy"]))
	not allowed(testing.request("POST", "/api/deploy/x"), testing.token("other", ["deploy", "read"]))
	photos := at("photos.example.com", testing.request("GET", "/x"))
	allowed(photos, object.union(anonymous, {"groups": ["family"]}))
	not allowed(photos, member)
}

# Users may be able to choose the username in a token: only the subject is compared.
test_usernames_of_tokens_do_not_count if {
	forged := object.union(testing.token("x", ["deploy", "read"]), {"username": "build-server"})
	not allowed(testing.request("POST", "/api/deploy/x"), forged)
}

from_address(address, forwarded) := object.union(
	testing.input_of(at("photos.example.com", testing.request("GET", "/x")), anonymous),
	{"client": {"ip": address, "forwarded_untrusted": forwarded}},
)

# T-73: networks never matches if a proxy that is not trusted forwarded the request.
test_networks if {
	access.allow with input as from_address("192.168.1.2", false) with data.caddy.access_table as table
	access.allow with input as from_address("fd00::1", false) with data.caddy.access_table as table
	every address in ["192.169.0.1", "", "@", "fe80::1%eth0", "not an address"] {
		not access.allow with input as from_address(address, false) with data.caddy.access_table as table
	}
	not access.allow with input as from_address("192.168.1.2", true) with data.caddy.access_table as table
}

# S-10: an unknown value matches under blocked, and does not match under allow.
test_unknown if {
	known := testing.user("bob", ["admin"])
	allowed(testing.request("GET", "/open"), known)
	not allowed(testing.request("GET", "/open"), object.union(known, {"username": "", "unknown": ["username"]}))
	allowed(testing.request("GET", "/open"), object.union(known, {"unknown": ["roles"]}))
	shut := object.union(object.remove(table, ["blocked"]), {"blocked": {"users": {}, "networks": []}})
	nameless := testing.input_of(testing.request("GET", "/open"), object.union(known, {"username": "", "unknown": ["username"]}))
	access.allow with input as nameless with data.caddy.access_table as shut
	admin_only := object.union(object.remove(table, ["index"]), {"rules": [], "index": {}, "default": [{"roles": ["admin"]}]})
	unclear := testing.input_of(testing.request("GET", "/open"), object.union(known, {"roles": [], "unknown": ["roles"]}))
	not access.allow with input as unclear with data.caddy.access_table as admin_only
	one_kind := object.union(object.remove(table, ["index"]), {"rules": [], "index": {}, "default": [{"kinds": ["user"]}, {"kinds": ["client"]}]})
	either := testing.input_of(testing.request("GET", "/open"), object.union(known, {"kind": "unknown"}))
	not access.allow with input as either with data.caddy.access_table as one_kind

	# The address of a proxy that is not trusted is compared too.
	hidden := {"client": {"ip": "198.51.100.1", "peer_ip": "203.0.113.7", "forwarded_untrusted": true}}
	not access.allow with input as object.union(testing.input_of(testing.request("GET", "/open"), anonymous), hidden) with data.caddy.access_table as table
}

test_blocked if {
	not allowed(testing.request("GET", "/open/x"), testing.user("mallory", ["admin"]))
	blocked := object.union(testing.input_of(testing.request("GET", "/open"), anonymous), {"client": {"ip": "203.0.113.7"}})
	not access.allow with input as blocked with data.caddy.access_table as table
	unreadable := object.union(testing.input_of(testing.request("GET", "/open"), anonymous), {"client": {"ip": ""}})
	not access.allow with input as unreadable with data.caddy.access_table as table
	allowed(testing.request("GET", "/open"), anonymous)

	# Forwarding headers of such a proxy do not unblock it.
	forwarding := object.union(blocked, {"client": {"forwarded_untrusted": true}})
	not access.allow with input as forwarding with data.caddy.access_table as table

	# The name of any issuer is compared.
	not allowed(testing.request("GET", "/open"), object.union(testing.token("x", []), {"username": "mallory"}))
	access.decision.reasons == {"blocked"} with input as blocked with data.caddy.access_table as table
	access.decision.log.labels.rule == "blocked" with input as blocked with data.caddy.access_table as table
}

# T-72: MOVE to a protected destination.
test_destinations if {
	move := to("app.example.com", "/Admin/x", testing.request("MOVE", "/x"))
	allowed(move, admin)
	not allowed(move, member)
	away := to("app.example.com", "/x", testing.request("MOVE", "/admin/x"))
	not allowed(away, member)
	root := to("app.example.com", "/", testing.request("PUT", "/x"))
	allowed(root, member)
	not allowed(object.union(root, {"method": "COPY"}), member) # /admin is below
	slash := to("app.example.com", "/admin/", testing.request("COPY", "/x"))
	not allowed(slash, member)
}

# S-08: if a method acts on everything below, each rule that decides below the path, the
# destination and the rewritten path must allow it too.
test_s08_below if {
	some_api := testing.user("build-server", [])
	deployer := object.union(some_api, {"scopes": ["deploy", "read"]})
	delete := testing.request("DELETE", "/api")
	not allowed(delete, member)
	not allowed(delete, deployer) # the rule is for POST
	allowed(object.union(delete, {"path": "/apis", "path_folded": "/apis"}), member)
	allowed(object.union(delete, {"method": "GET"}), member)
	allowed(object.union(at("other.example.com", delete), {}), member)
	propfind := object.union(delete, {"method": "PROPFIND"})
	not allowed(propfind, member)
	not allowed(object.union(propfind, {"header_values": {"depth": ["infinity"]}}), member)
	allowed(object.union(propfind, {"header_values": {"depth": ["1"]}}), member)
	override := object.union(delete, {"method": "POST", "header_values": {"x-http-method-override": ["DELETE"]}})
	not allowed(override, member)
	destination := to("app.example.com", "/api", testing.request("MOVE", "/open/x"))
	not allowed(destination, member)
	allowed(to("app.example.com", "/x", testing.request("MOVE", "/open/x")), member)

	# The rules for the host of the destination decide, not those for the host of the request.
	elsewhere := to("other.example.com", "/api", testing.request("MOVE", "/open/x"))
	allowed(elsewhere, member)
	named := object.union(table, {"rules": [object.union(rule, {"named": true}) | some rule in table.rules]})
	rewritten := object.union(testing.request("DELETE", "/open/x"), {"rewritten_path": "/API"})
	not access.allow with input as testing.input_of(rewritten, member) with data.caddy.access_table as named
	allowed(rewritten, member)
}

# S-08: a rule that is unreachable because of an earlier one decides nothing below.
test_s08_covered if {
	covered := {
		"rules": [
			{"label": "1", "allow": [{"authenticated": true}], "forms": ["/files/*"]},
			{"label": "2", "allow": [{"roles": ["admin"]}], "forms": ["/files/private/*", "/other/*"]},
		],
		"index": {"/files/*": {"app.example.com": 0}, "/files/private/*": {"*": 1}, "/other/*": {"*": 1}},
		"below": {
			"/": {"app.example.com": [0], "*": [1]}, "/files/": {"app.example.com": [0], "*": [1]},
			"/files/private/": {"*": [1]}, "/other/": {"*": [1]},
		},
		"domains": [],
		"depths": [1, 2],
		"default": [{"authenticated": true}],
		"blocked": {"users": {}, "networks": []},
	}
	delete := testing.request("DELETE", "/files")
	access.allow with input as testing.input_of(delete, member) with data.caddy.access_table as covered
	not access.allow with input as testing.input_of(at("example.org", delete), member) with data.caddy.access_table as covered
	not access.allow with input as testing.input_of(testing.request("DELETE", "/"), member) with data.caddy.access_table as covered
}

# S-08: the denial names the first rule below that denies, and challenges for its scopes.
test_s08_denial if {
	d := access.decision with input as testing.input_of(testing.request("DELETE", "/"), member) with data.caddy.access_table as table
	d == {
		"allow": false, "reasons": {"rule_denied", "below_denied"}, "login": false,
		"log": {"labels": {"rule": "access.yaml:2 (rule 1)"}},
	}
	posting := object.union(testing.request("POST", "/api"), {"query": {"_method": ["LOCK"]}})
	wide := json.patch(table, [{"op": "replace", "path": "rules/2/allow/0/methods", "value": ["POST", "LOCK"]}])
	e := access.decision with input as testing.input_of(posting, testing.user("build-server", [])) with data.caddy.access_table as wide
	e.challenge == {"scope": ["deploy", "read"]}
	f := access.decision with input as testing.input_of(posting, anonymous) with data.caddy.access_table as wide
	f.reasons == {"no_rule"} # rules below are not evaluated
	f.login
}

# N-07, S-08: a destination needs permission whatever the method, by the rules for its
# own host. A host that the table does not name is denied.
test_destination_hosts if {
	hosts := object.union(table, {"hosts": {"photos.example.com": true, "app.example.com": true}})
	plain := testing.request("MOVE", "/x")
	photos := testing.input_of(to("photos.example.com", "/x", plain), member)
	not access.allow with input as photos with data.caddy.access_table as hosts
	family := object.union(photos, {"identity": {"groups": ["family"]}})
	access.allow with input as family with data.caddy.access_table as hosts

	# The table has *.example.com.
	access.allow with input as testing.input_of(to("b.example.com", "/admin/x", plain), admin) with data.caddy.access_table as hosts
	not access.allow with input as testing.input_of(to("b.example.com", "/admin/x", plain), member) with data.caddy.access_table as hosts

	# Only "*" matches.
	foreign := testing.input_of(to("example.org", "/open/x", testing.request("POST", "/open/x")), admin)
	d := access.decision with input as foreign with data.caddy.access_table as hosts
	d == {"allow": false, "reasons": {"foreign_destination"}, "login": false, "log": {"labels": {"rule": "foreign_destination"}}}

	# The host of the request need not be in the table.
	own := testing.input_of(at("example.org", to("example.org", "/open/x", plain)), admin)
	access.allow with input as own with data.caddy.access_table as hosts
	not allowed(to("app.example.com", "/admin/x", testing.request("GET", "/x")), member)
}

# T-12: a path with an empty segment is compared as it is. The server evaluates the
# policy again for the collapsed path.
test_empty_segments if {
	allowed(testing.request("GET", "//admin"), member)
	allowed(testing.request("GET", "/admin%2fx"), member) # an encoded slash does not separate segments
	not allowed(testing.request("GET", "/admin"), member)
}

test_decision_names_the_rule if {
	d := access.decision with input as testing.input_of(testing.request("GET", "/admin"), member) with data.caddy.access_table as table
	d == {"allow": false, "reasons": {"rule_denied"}, "login": false, "log": {"labels": {"rule": "access.yaml:9 (rule 4)"}}}
	e := access.decision with input as testing.input_of(testing.request("GET", "/x"), anonymous) with data.caddy.access_table as table
	e == {"allow": false, "reasons": {"no_rule"}, "login": true, "log": {"labels": {"rule": "default"}}}
	f := access.decision with input as testing.input_of(testing.request("GET", "/admin"), admin) with data.caddy.access_table as table
	f == {"allow": true, "log": {"labels": {"rule": "access.yaml:9 (rule 4)"}}}
	move := to("app.example.com", "/admin/x", testing.request("MOVE", "/x"))
	g := access.decision with input as testing.input_of(move, member) with data.caddy.access_table as table
	g.log.labels.rule == "access.yaml:9 (rule 4)" # the one that denied
	h := access.decision with input as testing.input_of(move, admin) with data.caddy.access_table as table
	h.log.labels.rule == "access.yaml:9 (rule 4), default"
}

# R-BR-5: one challenge has all scopes that the operation needs, if nothing but scopes is
# missing.
test_missing_scopes if {
	d := access.decision with input as testing.input_of(testing.request("POST", "/api/deploy/x"), testing.token("build-server", ["read"])) with data.caddy.access_table as table
	d.challenge == {"scope": ["deploy", "read"]}
	e := access.decision with input as testing.input_of(testing.request("GET", "/api/deploy/x"), testing.token("build-server", ["read"])) with data.caddy.access_table as table
	not e.challenge
	f := access.decision with input as testing.input_of(testing.request("POST", "/api/deploy/x"), anonymous) with data.caddy.access_table as table
	not f.challenge
	g := access.decision with input as testing.input_of(testing.request("POST", "/api/deploy/x"), testing.token("build-server", ["deploy", "read"])) with data.caddy.access_table as table
	not g.challenge
}

moving(path, destination, identity) := testing.input_of(
	to("app.example.com", destination, testing.request("MOVE", path)),
	identity,
)

# One challenge has the scopes for the path and for the destination, including those that
# the token has: a new token with just these must be enough for both.
test_missing_scopes_of_a_destination if {
	files := {
		"rules": [
			{"label": "r1", "allow": [{"roles": ["x"]}, {"scopes": ["read"]}]},
			{"label": "r2", "allow": [{"scopes": ["write"], "methods": ["MOVE"]}]},
		],
		"index": {"/in/*": {"*": 0}, "/out/*": {"*": 1}},
		"domains": [],
		"depths": [1],
		"default": [{"roles": ["admin"]}],
		"blocked": {"users": {"mallory": true}, "networks": []},
	}
	d := access.decision with input as moving("/in/a", "/out/a", testing.token("app", ["read"])) with data.caddy.access_table as files
	d.challenge == {"scope": ["read", "write"]}
	d.log.labels.rule == "r2"
	e := access.decision with input as moving("/in/a", "/out/a", testing.token("app", [])) with data.caddy.access_table as files
	e.challenge == {"scope": ["read", "write"]}
	e.log.labels.rule == "r1, r2"

	# No scope helps if the host of the destination is foreign, or if the caller is blocked.
	f := access.decision with input as moving("/in/a", "/other", testing.token("app", [])) with data.caddy.access_table as files
	not f.challenge
	g := access.decision with input as moving("/in/a", "/out/a", testing.token("mallory", [])) with data.caddy.access_table as files
	not g.challenge
}

one(alternative) := {
	"max_ages": [900, 3600],
	"rules": [{"label": "r", "allow": [alternative]}],
	"index": {"/*": {"*": 0}},
	"domains": [],
	"depths": [0],
	"default": [],
	"blocked": {"users": {}, "networks": []},
}

holds(alternative, identity) if {
	access.allow with input as testing.input_of(testing.request("GET", "/"), identity) with data.caddy.access_table as one(alternative)
}

test_each_condition if {
	holds({"authenticated": true}, member)
	not holds({"authenticated": true}, anonymous)
	holds({"users": ["bob"]}, member)
	not holds({"users": [""]}, anonymous)
	not holds({"users": ["bob"]}, object.union(testing.token("x", []), {"username": "bob"}))
	not holds({"users": ["bob"]}, object.union(testing.token("x", []), {"username": "bob", "issuer": ""}))
	holds({"roles": ["x", "member"]}, member)
	not holds({"roles": ["x"]}, member)
	holds({"kinds": ["anonymous"]}, anonymous)
	holds({"issuers": ["https://id.example.com"]}, testing.token("a", []))
	not holds({"issuers": [""]}, anonymous)
	holds({"acr": ["phr"]}, object.union(member, {"acr": "phr"}))
	not holds({"acr": [""]}, anonymous)
}

guest := object.union(anonymous, {"kind": "guest", "id": "link:album", "method": "link"})

# S-19: a guest is known by a share link alone, and no caller else is a guest.
test_links if {
	holds({"links": true}, guest)
	holds({"links": true, "methods": ["GET"]}, guest)
	every identity in [anonymous, member, admin, object.union(member, {"kind": "unknown"})] {
		not holds({"links": true}, identity)
	}
	every alternative in [
		{"authenticated": true}, {"users": ["link:album"]}, {"roles": ["link:album"]},
		{"issuers": [""]}, {"kinds": ["user", "client", "anonymous"]}, {"links": false}, {"links": []},
	] {
		not holds(alternative, guest)
	}
}

posts(message, condition) if {
	req := object.union(testing.request("POST", "/"), {"mcp": message})
	access.holds({"tools": condition}) with input as testing.input_of(req, member)
}

# S-32: the message decides, and what is not listed never holds.
test_tools if {
	posts({"method": "tools/call", "tool": "greet"}, ["greet", "read_*"])
	posts({"method": "tools/call", "tool": "read_file"}, ["greet", "read_*"])
	posts({"method": "tools/call", "tool": "x"}, ["*"])
	not posts({"method": "tools/call", "tool": "delete"}, ["greet", "read_*"])
	not posts({"method": "tools/call", "tool": "greet_all"}, ["greet"])
	not posts({"method": "tools/call", "tool": "greet"}, [])
	every method in ["server/discover", "tools/list", "initialize", "ping", "notifications/cancelled"] {
		posts({"method": method, "tool": ""}, ["greet"])
	}
	every method in ["resources/read", "prompts/get", "subscriptions/listen", ""] {
		not posts({"method": method, "tool": "greet"}, ["greet", "*"])
	}
	every method in ["GET", "DELETE"] {
		access.holds({"tools": ["greet"]}) with input as testing.input_of(testing.request(method, "/"), member)
	}
	not access.holds({"tools": ["greet"]}) with input as testing.input_of(testing.request("HEAD", "/"), member)
	upgrade := object.union(testing.request("GET", "/"), {"upgrade": "websocket"})
	not access.holds({"tools": ["*"]}) with input as testing.input_of(upgrade, member)
}

# S-10: a client that is not clear is none.
test_clients if {
	every claims in [{"client_id": "app"}, {"azp": "app"}, {"client_id": "app", "azp": "app"}, {"client_id": null, "azp": "app"}] {
		holds({"clients": ["app", "other"]}, object.union(member, {"claims": claims}))
	}
	every claims in [{}, {"client_id": "app", "azp": "other"}, {"client_id": ["app"]}, {"client_id": 1, "azp": "app"}] {
		not holds({"clients": ["app", "other"]}, object.union(member, {"claims": claims}))
	}
	not holds({"clients": ["app"]}, object.union(anonymous, {"claims": {"client_id": "app"}}))
}

# R-SU-3: a sign-in holds up to the last second, and one of unknown time never. The time of
# the request is 1700000000.
test_max_age if {
	signed_in := object.union(testing.token("a", []), {"auth_time": 1699999100})
	holds({"max_age": 900}, signed_in)
	not holds({"max_age": 900}, object.union(signed_in, {"auth_time": 1699999099}))
	holds({"max_age": 3600}, object.union(signed_in, {"auth_time": 1699999099}))
	holds({"max_age": 900}, object.union(signed_in, {"auth_time": 1700000060}))
	not holds({"max_age": 900}, object.union(signed_in, {"auth_time": 1700000061}))
	not holds({"max_age": 900}, object.union(signed_in, {"auth_time": 0}))
	not holds({"max_age": 900}, object.union(anonymous, {"auth_time": 1699999999}))
	not holds({"max_age": 901}, signed_in) # the table does not list it
}

denied_with(alternatives, identity) := d if {
	rules := {"rules": [{"label": "r", "allow": alternatives}]}
	d := access.decision with input as testing.input_of(testing.request("GET", "/"), identity)
		with data.caddy.access_table as object.union(one({}), rules)
}

# R-SU-1, R-SU-2, R-SU-4: a caller is asked for what is missing, whole and at once, by the
# first alternative that this would make hold.
test_step_up if {
	caller := testing.token("a", ["read"])
	everything := {"acr": ["phr", "mfa"], "max_age": 900, "scopes": ["write", "read"]}
	d := denied_with([{"roles": ["x"], "acr": ["x"]}, everything, {"acr": ["other"]}], caller)
	d == {
		"allow": false, "reasons": {"rule_denied"}, "log": {"labels": {"rule": "r"}},
		"challenge": {"acr_values": ["phr", "mfa"], "max_age": 900, "scope": ["read", "write"]},
	}
	recent := object.union(caller, {"auth_time": 1699999990})
	e := denied_with([everything], object.union(recent, {"scopes": ["read", "write"]}))
	e.challenge == {"acr_values": ["phr", "mfa"], "max_age": 900}
	f := denied_with([everything], object.union(recent, {"acr": "mfa"}))
	f.challenge == {"scope": ["read", "write"]}
	not f.login
	g := denied_with([everything], anonymous)
	g.login
	not g.challenge
	h := denied_with([everything], testing.user("bob", []))
	not h.challenge
	form := object.union(testing.user("bob", []), {"method": "session"})
	i := denied_with([{"acr": ["mfa"]}, {"max_age": 900}], form)
	i.challenge == {"max_age": 900}
	not denied_with([{"acr": ["mfa"]}], form).challenge
}

# One sign-in must do for the rules of a path and of its destination.
test_step_up_of_a_destination if {
	files := {
		"max_ages": [900, 3600],
		"rules": [
			{"label": "r1", "allow": [{"acr": ["phr", "mfa"], "max_age": 3600}]},
			{"label": "r2", "allow": [{"acr": ["mfa", "sms"], "max_age": 900}]},
			{"label": "r3", "allow": [{"acr": ["sms"]}]},
		],
		"index": {"/in/*": {"*": 0}, "/out/*": {"*": 1}, "/sms/*": {"*": 2}},
		"domains": [],
		"depths": [1],
		"default": [],
		"blocked": {"users": {}, "networks": []},
	}
	caller := testing.token("a", [])
	d := access.decision with input as moving("/in/a", "/out/a", caller) with data.caddy.access_table as files
	d.challenge == {"acr_values": ["mfa"], "max_age": 900}
	e := access.decision with input as moving("/in/a", "/sms/a", caller) with data.caddy.access_table as files
	not e.challenge
}

test_claims if {
	claims := {"claims": {"team": "blue", "a": {"b": [1, "x"]}, "ok": true}}
	known := object.union(member, claims)
	holds({"claims": [{"path": ["team"], "values": ["red", "blue"]}]}, known)
	holds({"claims": [{"path": ["a", "b"], "values": ["x"]}]}, known)
	holds({"claims": [{"path": ["ok"], "values": [true]}]}, known)
	not holds({"claims": [{"path": ["ok"], "values": ["true"]}]}, known)
	not holds({"claims": [{"path": ["team"], "values": ["blue"]}, {"path": ["none"], "values": ["x"]}]}, known)
	not holds({"claims": [{"path": ["none"], "values": ["x"]}]}, known)
	not holds({"claims": [{"path": ["team"], "values": ["blue"]}]}, object.union(anonymous, claims))
}

# T-72: without a table, every caller is denied.
test_no_table if {
	bare := testing.input_of(testing.request("GET", "/"), admin)
	every missing in [{}, {"rules": []}, {"rules": [{"label": "r"}]}] {
		not access.allow with input as bare with data.caddy.access_table as missing
	}
	access.decision.allow == false with input as bare with data.caddy.access_table as {}
}

# T-72: an empty alternative and an unknown condition never hold.
test_never_open if {
	not holds({}, admin)
	not holds({"role": ["admin"]}, admin)
	not holds({"anyone": false}, admin)
	not holds({"anyone": true, "unknown": []}, admin)
	every name in ["users", "roles", "groups", "scopes", "kinds", "methods", "networks", "issuers", "claims", "acr", "max_age", "tools", "clients", "links"] {
		not holds({name: []}, admin)
		not holds({name: null}, admin)
	}
	not access.allow with input as testing.input_of(testing.request("GET", "/"), admin) with data.caddy.access_table as {"rules": [], "default": [], "blocked": {"users": {}, "networks": []}}
}

# Signing in is offered only if it may help.
test_login if {
	every alternative in [
		{"authenticated": true},
		{"roles": ["x"]},
		{"groups": ["x"], "methods": ["GET"]},
		{"users": ["x"], "networks": ["198.51.100.0/24"]},
	] {
		offered([alternative], anonymous)
		offered([{"networks": ["10.0.0.0/8"]}, alternative], anonymous)
		not offered([alternative], member)
	}
	every alternative in [
		{"networks": ["10.0.0.0/8"]},
		{"anyone": true, "methods": ["POST"]},
		{"roles": ["x"], "methods": ["POST"]},
		{"roles": ["x"], "networks": ["10.0.0.0/8"]},
	] {
		not offered([alternative], anonymous)
	}
	not offered([], anonymous)
	not access.decision.login with input as away(anonymous) with data.caddy.access_table as {}
	shut := object.union(one({"roles": ["x"]}), {"blocked": {"users": {}, "networks": ["198.51.100.0/24"]}})
	not access.decision.login with input as away(anonymous) with data.caddy.access_table as shut
}

offered(alternatives, identity) if {
	rules := {"rules": [{"label": "r", "allow": alternatives}]}
	access.decision.login with input as away(identity) with data.caddy.access_table as object.union(one({}), rules)
}

away(identity) := object.union(testing.input_of(testing.request("GET", "/"), identity), {"client": {"ip": "198.51.100.7"}})

upgraded(protocol, alternative, identity) if {
	req := object.union(testing.request("GET", "/"), {"upgrade": protocol, "websocket": protocol == "websocket"})
	access.allow with input as testing.input_of(req, identity)
		with data.caddy.access_table as object.union(table, {"index": {}, "default": [alternative]})
}

# S-07: an upgrade to another protocol is allowed if the rule names it, or for
# authenticated callers.
test_upgrades if {
	every protocol in ["", "websocket"] {
		upgraded(protocol, {"anyone": true}, anonymous)
		upgraded(protocol, {"kinds": ["anonymous"]}, anonymous)
	}
	every alternative in [{"anyone": true}, {"anyone": true, "methods": ["GET"]}, {"methods": ["GET"]}, {"kinds": ["anonymous"]}, {"upgrades": ["websocket"]}] {
		not upgraded("tcp", alternative, anonymous)
	}
	not upgraded("tcp", {"anyone": true}, admin)
	not upgraded("tcp", {"roles": ["admin"]}, member)
	not upgraded("tcp", {"roles": ["admin"], "upgrades": ["spdy/3.1"]}, admin)
	not upgraded("", {"anyone": "upgrades", "upgrades": ["tcp"]}, anonymous)
	upgraded("tcp", {"anyone": "upgrades", "upgrades": ["tcp"]}, anonymous)
	upgraded("tcp", {"roles": ["admin"]}, admin)
	upgraded("tcp", {"roles": ["admin"], "upgrades": ["spdy/3.1", "tcp"]}, admin)
}
