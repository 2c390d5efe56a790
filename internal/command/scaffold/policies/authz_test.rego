# The policies apply only if these tests pass. Parts of the input that a test
# does not set are those of GET / by an anonymous caller.
package caddy.authz_test

import data.caddy.authz
import data.caddy.testing

# asked returns the input for a request of bob.
asked(method, path) := testing.complete({
	"request": {"method": method, "path": path},
	"identity": {"id": "bob", "roles": ["member"]},
})

# The policy allows what the table allows, for every caller.
test_table if authz.allow with data.caddy.access.allow as true with input as testing.complete({})

test_own if authz.allow with input as asked("GET", "/people/bob/notes")

test_own_is_not_written if not authz.allow with input as asked("PUT", "/people/bob/notes")

test_others if not authz.allow with input as asked("GET", "/people/alice/notes")

test_strangers if {
	not authz.allow with input as testing.complete({"request": {"path": "/people/bob"}})
	not authz.allow with input as testing.complete({"request": {"path": "/admin"}})
}
