# The policy of the benchmark: who is bound to a role that grants the method
# below the path may, from the office's networks and for the own tenant.
package caddy.authz

default allow := false

allow if public

allow if {
	not suspended
	from_office
	own_tenant
	some role in roles
	some grant in data.roles[role]
	input.request.method in grant.methods
	under(grant.path)
}

public if input.request.path == "/healthz"

suspended if input.identity.id in data.suspended

from_office if {
	some network in data.networks
	net.cidr_contains(network, input.client.ip)
}

own_tenant if input.request.headers["x-tenant"] == input.identity.claims.tenant

roles contains role if some role in data.bindings[input.identity.id]

roles contains "everybody" if input.identity.authenticated

under(prefix) if array.slice(input.request.segments, 0, count(prefix)) == prefix
