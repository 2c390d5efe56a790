# Who may do what, in Rego: one true allow lets the caller in.
package caddy.authz

import data.caddy.helpers

default allow := false

# What access.yaml allows.
allow if data.caddy.access.allow

# Users may read what is below their own /people/<name>.
allow if {
	helpers.is_method("GET")
	input.identity.authenticated
	input.request.segments[0] == "people"
	input.request.segments[1] == input.identity.id
}
