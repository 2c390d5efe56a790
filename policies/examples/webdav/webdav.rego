# METADATA
# title: A shared folder with a private part
# description: |
#   Authenticated callers may use /files. Only admins may use /files/private, also
#   with a method that acts on everything below /files. The server denies destinations
#   on other hosts, because this policy does not name input.request.destination_host.
package examples.webdav

import data.caddy.helpers

default allow := false

allow if {
	input.identity.authenticated
	helpers.under("/files")
	destination_below_files
	not helpers.touches("/files/private")
}

allow if helpers.has_role("admin")

destination_below_files if input.request.destination_path == ""

destination_below_files if startswith(lower(input.request.destination_path), "/files/")
