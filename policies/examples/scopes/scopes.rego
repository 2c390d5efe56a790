# METADATA
# title: A scope for each method
# description: If a token lacks a scope, the challenge names it.
package examples.scopes

import data.caddy.helpers

needed := "read" if helpers.is_method("GET")

else := "write"

decision := {"allow": true} if helpers.has_scope(needed)

else := {"allow": false, "challenge": {"scope": [needed]}}
