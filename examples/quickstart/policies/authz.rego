package caddy.authz

import data.caddy.helpers

default allow := false

# Members may read everything below config.members_path.
allow if {
	helpers.is_method("GET")
	helpers.has_role("member")
	helpers.under(input.config.members_path)
}

# Admins may do everything.
allow if helpers.has_role("admin")
