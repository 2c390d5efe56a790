package caddy.authenticated_test

import data.caddy.authenticated
import data.caddy.testing

test_known_callers_only if {
	authenticated.allow with input as testing.input_of(testing.request("GET", "/"), testing.user("bob", []))
	not authenticated.allow with input as testing.input_of(testing.request("GET", "/"), testing.anonymous)
	not authenticated.allow with input as {}
}
