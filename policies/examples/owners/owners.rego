# METADATA
# title: Owners edit their own things
# description: Below /users/<id>, every authenticated caller may read, and the user with that ID may write.
package examples.owners

import data.caddy.helpers

default allow := false

allow if {
	helpers.is_method("GET")
	input.identity.authenticated
	helpers.under("/users")
}

allow if {
	input.identity.authenticated
	input.request.segments[0] == "users"
	input.request.segments[1] == input.identity.id
}
