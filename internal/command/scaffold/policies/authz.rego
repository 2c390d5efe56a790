# Who may do what, in Rego: if one allow rule is true, the request is allowed.
package caddy.authz

import data.caddy.helpers

default allow := false

# Everything that access.yaml allows.
allow if data.caddy.access.allow

# Users may read everything below their own /people/<name>.
allow if {
	helpers.is_method("GET")
	input.identity.authenticated
	input.request.segments[0] == "people"
	input.request.segments[1] == input.identity.id
}
