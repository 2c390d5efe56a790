package caddy.helpers_test

import data.caddy.helpers
import data.caddy.testing

at(path) := testing.input_of(testing.request("GET", path), testing.anonymous)

# T-20, T-55: whole segments.
test_under if {
	every path in ["/admin", "/admin/", "/ADMIN/x", "/admin/x/y"] {
		helpers.under("/admin") with input as at(path)
		helpers.under("/Admin/") with input as at(path)
	}
	every path in ["/", "/administrator", "/x/admin"] {
		not helpers.under("/admin") with input as at(path)
	}
	helpers.under("/") with input as at("/anything")
	helpers.under("/admin/*") with input as at("/admin")
	helpers.under("/admin/*") with input as at("/admin/x")
	not helpers.under("/admin/*") with input as at("/administrator")
	not helpers.under("") with input as at("/anything")
	not helpers.under("/admin") with input as object.union(at("/x"), {"request": {"segments": ["", "admin"]}})
}

test_is_method if {
	helpers.is_method("GET") with input as testing.input_of(testing.request("HEAD", "/"), testing.anonymous)
	helpers.is_method("GET") with input as at("/")
	not helpers.is_method("POST") with input as at("/")
	not helpers.is_method("HEAD") with input as at("/")
}

test_membership if {
	identity := object.union(testing.user("a", ["r"]), {"groups": ["g"], "scopes": ["s"]})
	known := testing.input_of(testing.request("GET", "/"), identity)
	helpers.has_role("r") with input as known
	helpers.has_group("g") with input as known
	helpers.has_scope("s") with input as known
	not helpers.has_role("g") with input as known
	not helpers.has_role("r") with input as at("/")
}

# T-73.
test_in_network if {
	helpers.in_network("192.0.2.0/24") with input as at("/")
	not helpers.in_network("198.51.100.0/24") with input as at("/")
	forwarded := object.union(at("/"), {"client": {"forwarded_untrusted": true}})
	not helpers.in_network("192.0.2.0/24") with input as forwarded
	every text in ["", "@", "fe80::1%eth0", "192.0.2.1:80", "192.0.2.1/24", "localhost"] {
		not helpers.in_network("192.0.2.0/24") with input as object.union(at("/"), {"client": {"ip": text}})
		not helpers.is_address(text)
	}
	helpers.in_networks(["198.51.100.0/24", "192.0.2.0/24"]) with input as at("/")
	not helpers.in_networks(["198.51.100.0/24"]) with input as at("/")
	not helpers.in_networks([]) with input as at("/")
	not helpers.in_networks(["192.0.2.0/24"]) with input as forwarded
	mapped := object.union(at("/"), {"client": {"ip": "::ffff:192.0.2.9"}})
	helpers.in_network("192.0.2.0/24") with input as mapped
	helpers.in_network("2001:db8::/32") with input as object.union(at("/"), {"client": {"ip": "2001:db8::1"}})
	not helpers.in_network("2001:db8::/32") with input as mapped
}
