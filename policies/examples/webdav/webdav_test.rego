package examples.webdav_test

import data.caddy.testing
import data.examples.webdav

ask(method, path, roles, part) := object.union(
	testing.input_of(testing.request(method, path), testing.user("bob", roles)),
	{"request": part},
)

depth(value) := {"header_values": {"depth": [value]}}

# S-08
test_s08_below if {
	every method in ["DELETE", "PROPFIND", "LOCK", "COPY"] {
		not webdav.allow with input as ask(method, "/files", [], {})
		not webdav.allow with input as ask(method, "/files", [], depth("infinity"))
		webdav.allow with input as ask(method, "/files/shared", [], {})
		webdav.allow with input as ask(method, "/files", ["admin"], {})
	}
	webdav.allow with input as ask("PROPFIND", "/files", [], depth("1"))
	webdav.allow with input as ask("LOCK", "/files", [], depth("0"))
	not webdav.allow with input as ask("POST", "/files", [], {"header_values": {"x-http-method-override": ["DELETE"]}})
}

test_destinations if {
	webdav.allow with input as ask("MOVE", "/files/a", [], {"destination_path": "/files/b"})
	not webdav.allow with input as ask("MOVE", "/files/a", [], {"destination_path": "/files/private/b"})
	not webdav.allow with input as ask("MOVE", "/files/a", [], {"destination_path": "/files/"})
	not webdav.allow with input as ask("MOVE", "/files/a", [], {"destination_path": "/elsewhere"})
}

test_plain if {
	webdav.allow with input as ask("GET", "/files/a", [], {})
	not webdav.allow with input as ask("GET", "/files/Private/a", [], {})
	webdav.allow with input as ask("GET", "/files/private/a", ["admin"], {})
}
