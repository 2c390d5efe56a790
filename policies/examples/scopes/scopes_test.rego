package examples.scopes_test

import data.caddy.testing
import data.examples.scopes

ask(method, granted) := testing.input_of(testing.request(method, "/"), testing.token("app", granted))

test_scopes if {
	scopes.decision == {"allow": true} with input as ask("HEAD", ["read"])
	scopes.decision == {"allow": true} with input as ask("PUT", ["write"])
	scopes.decision == {"allow": false, "challenge": {"scope": ["write"]}} with input as ask("PUT", ["read"])
}
