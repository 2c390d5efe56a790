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

with_method(method, headers, part) := object.union(
	testing.input_of(testing.request(method, "/files"), testing.anonymous),
	{"request": object.union({"header_values": headers}, part)},
)

# S-08: RFC 4918 says which methods act on everything below, and for which Depth.
test_s08_acts_below if {
	every method in ["COPY", "MOVE", "DELETE", "delete", "LOCK", "PROPFIND"] {
		helpers.acts_below with input as with_method(method, {}, {})
		helpers.acts_below with input as with_method(method, {"depth": ["Infinity"]}, {})
		helpers.acts_below with input as with_method(method, {"depth": ["0", "infinity"]}, {})
	}
	every method in ["GET", "PUT", "PROPPATCH", "MKCOL", "UNLOCK", "POST", "OPTIONS", "REPORT"] {
		not helpers.acts_below with input as with_method(method, {}, {})
	}
	every method in ["LOCK", "PROPFIND", "REPORT"] {
		not helpers.acts_below with input as with_method(method, {"depth": ["0"]}, {})
		helpers.acts_below with input as with_method(method, {"depth": ["infinity"]}, {})
	}
	not helpers.acts_below with input as with_method("PROPFIND", {"depth": ["1"]}, {})
	helpers.acts_below with input as with_method("LOCK", {"depth": ["1"]}, {})
	helpers.acts_below with input as with_method("DELETE", {"depth": ["0"]}, {})
	helpers.acts_below with input as with_method("POST", {"x-http-method-override": ["delete"]}, {})
	helpers.acts_below with input as with_method("POST", {"x-http-method": ["PUT, propfind"]}, {})
	helpers.acts_below with input as with_method("POST", {}, {"query": {"_method": ["Move"]}})
	not helpers.acts_below with input as with_method("POST", {"x-http-method": ["PROPFIND"], "depth": ["1"]}, {})
}

named(count) := concat(",", [name | some _ in numbers.range(1, count); name := "GET"])

# N-11: if a request has more overrides than are read, its method may be any.
test_n11_many_overrides if {
	not helpers.many_overrides with input as with_method("GET", {"x-http-method": [named(16)]}, {})
	not helpers.acts_below with input as with_method("GET", {"x-http-method": [named(16)]}, {})
	every request in [
		with_method("GET", {"x-http-method": [named(17)]}, {}),
		with_method("GET", {"x-http-method": [named(9)], "x-method-override": [named(8)]}, {}),
		with_method("GET", {"x-http-method": [named(16)]}, {"query": {"_method": ["GET"]}}),
	] {
		helpers.many_overrides with input as request
		helpers.acts_below with input as request
	}
}

# S-08: a destination is also looked up below each prefix of the path that it does not
# begin with.
test_s08_destinations if {
	asked := object.union(testing.request("COPY", "/dav/files/mine/m"), {"destination_path": "/Files/private/x", "destination_host": "app.example.com"})
	helpers.touches("/dav/files/private") with input.request as asked
	not helpers.touches("/dav/files/other") with input.request as asked
	plain := object.union(asked, {"destination_path": "/dav/files/mine/n"})
	not helpers.touches("/dav/dav") with input.request as plain
}

# S-08: a method that acts on everything below a parent touches the prefix.
test_s08_touches if {
	every prefix in ["/files", "/files/*", "/Files/Private", "/files/private/x/*", "/"] {
		helpers.touches(prefix) with input as with_method("DELETE", {}, {})
	}
	every prefix in ["/file", "/private", "/x/files", ""] {
		not helpers.touches(prefix) with input as with_method("DELETE", {}, {})
	}
	helpers.touches("/files") with input as with_method("GET", {}, {})
	not helpers.touches("/files/private") with input as with_method("GET", {}, {})
	not helpers.touches("/files/private") with input as with_method("PROPFIND", {"depth": ["1"]}, {})
	moving := with_method("MOVE", {}, {"destination_path": "/Shared/new"})
	every prefix in ["/shared", "/shared/new", "/shared/new/deep/*"] {
		helpers.touches(prefix) with input as moving
	}
	not helpers.touches("/shared/other") with input as moving
	helpers.touches("/shared") with input as with_method("PUT", {}, {"destination_path": "/shared/new"})
	not helpers.touches("/shared/new/deep") with input as with_method("PUT", {}, {"destination_path": "/shared/new"})
	helpers.touches("/anything") with input as with_method("COPY", {}, {"destination_path": "/"})
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
