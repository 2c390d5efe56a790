# The policy that the speed is measured with: a caller's roles grant methods
# below paths, from the office's networks, to the own tenant, unless suspended.
package caddy.authz

default allow := false

allow if public

allow if {
	not suspended
	from_office
	own_tenant
	granted
}

public if input.request.path == "/healthz"

suspended if data.suspended[input.identity.id]

from_office if {
	some network in data.networks
	net.cidr_contains(network, input.client.ip)
}

own_tenant if input.request.headers["x-tenant"] == input.identity.claims.tenant

granted if {
	some role in data.bindings[input.identity.id]
	some grant in data.roles[role]
	input.request.method in grant.methods
	startswith(input.request.path, grant.prefix)
}

granted if {
	input.request.method == "GET"
	input.request.path == "/api/v1/me"
}
