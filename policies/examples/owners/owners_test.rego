package examples.owners_test

import data.caddy.testing
import data.examples.owners

ask(method, path, name) := testing.input_of(testing.request(method, path), testing.user(name, []))

test_owners if {
	owners.allow with input as ask("GET", "/users/bob/notes", "alice")
	owners.allow with input as ask("PUT", "/users/alice/notes", "alice")
	not owners.allow with input as ask("PUT", "/users/bob/notes", "alice")
	not owners.allow with input as ask("PUT", "/users", "alice")
}

test_strangers if {
	stranger := testing.input_of(testing.request("PUT", "/users//notes"), testing.anonymous)
	not owners.allow with input as stranger
}
