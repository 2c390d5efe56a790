package caddy.authz_test

import data.caddy.authz
import data.caddy.testing

test_strangers_are_denied if {
	not authz.allow with input as testing.complete({"request": {"path": "/admin/"}})
}
