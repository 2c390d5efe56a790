# The policies are taken only while these pass. What a test does not say of the
# input is as for GET / by an anonymous caller.
package caddy.authz_test

import data.caddy.authz
import data.caddy.testing

# asked is what bob asks.
asked(method, path) := testing.complete({
	"request": {"method": method, "path": path},
	"identity": {"id": "bob", "roles": ["member"]},
})

# Whatever the table allows, whoever it is.
test_table if authz.allow with data.caddy.access.allow as true with input as testing.complete({})

test_own if authz.allow with input as asked("GET", "/people/bob/notes")

test_own_is_not_written if not authz.allow with input as asked("PUT", "/people/bob/notes")

test_others if not authz.allow with input as asked("GET", "/people/alice/notes")

test_strangers if {
	not authz.allow with input as testing.complete({"request": {"path": "/people/bob"}})
	not authz.allow with input as testing.complete({"request": {"path": "/admin"}})
}
