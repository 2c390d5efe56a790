# METADATA
# title: Inputs for tests
# description: |
#   A complete input, as the server builds it, for the tests of policies:
#
#     test_members_read if {
#         allow with input as testing.input_of(testing.request("GET", "/docs"), testing.user("bob", ["member"]))
#     }
#
#   or with only the parts that matter:
#
#     test_members_read if {
#         allow with input as testing.complete({"request": {"path": "/docs"}, "identity": {"id": "bob", "roles": ["member"]}})
#     }
package caddy.testing

# METADATA
# description: A request for a path; use object.union to change other fields.
request(method, path) := {
	"id": "00000000-0000-4000-8000-000000000000",
	"time_ns": 1700000000000000000,
	"method": method,
	"scheme": "https",
	"host": "app.example.com",
	"port": 443,
	"path": path,
	"path_folded": lower(path),
	"segments": segments(path),
	"rewritten_path": path,
	"raw_path": path,
	"path_flags": [],
	"destination_path": "",
	"destination_host": "",
	"query": {},
	"raw_query": "",
	"query_flags": [],
	"headers": {},
	"header_values": {},
	"protocol": "HTTP/2.0",
	"content_length": 0,
	"upgrade": "",
	"foreign_bearer": false,
	"websocket": false,
	"grpc": false,
	"body": null,
	"body_truncated": false,
	"mcp": {"method": "", "tool": ""},
}

# METADATA
# description: The segments of a path; a trailing slash adds none.
segments(path) := [] if {
	path == "/"
} else := split(trim_suffix(trim_prefix(path, "/"), "/"), "/")

# METADATA
# description: An anonymous caller.
anonymous := {
	"authenticated": false,
	"kind": "anonymous",
	"id": "",
	"username": "",
	"name": "",
	"issuer": "",
	"method": "",
	"roles": [],
	"groups": [],
	"scopes": [],
	"email": "",
	"claims": {},
	"acr": "",
	"amr": [],
	"auth_time": 0,
	"expires_at": 0,
	"bound": "none",
	"unknown": [],
}

# METADATA
# description: A user of this server with a password and some roles.
user(name, roles) := object.union(anonymous, {
	"authenticated": true,
	"kind": "user",
	"id": name,
	"username": name,
	"method": "basic",
	"roles": roles,
})

# METADATA
# description: A caller with a token with some scopes.
token(subject, scopes) := object.union(anonymous, {
	"authenticated": true,
	"kind": "user",
	"id": subject,
	"issuer": "https://id.example.com",
	"method": "jwt",
	"scopes": scopes,
})

# METADATA
# description: The complete input for a request and a caller; use object.union to change other fields.
input_of(req, identity) := {
	"contract": "caddy/v1",
	"request": req,
	"client": {
		"ip": "192.0.2.1",
		"peer_ip": "192.0.2.1",
		"trusted_proxy": false,
		"forwarded_untrusted": false,
	},
	"tls": {
		"version": "1.3",
		"sni": "app.example.com",
		"alpn": "h2",
		"client_certificate": {
			"verified": false,
			"subject": "",
			"issuer": "",
			"serial": "",
			"sha256": "",
			"not_after": 0,
			"dns_names": [],
			"emails": [],
			"uris": [],
		},
	},
	"identity": identity,
	"failure": {"reason": ""},
	"config": {},
}

# METADATA
# description: |
#   The complete input for a part of one: GET / by an anonymous caller, changed by
#   that part. Missing fields are derived from it: the segments and other forms of a
#   path, the values of headers, one form of the query from the other. A caller with an
#   id is authenticated, and a user with that name unless the part says otherwise; one of
#   the kind guest is not.
complete(part) := object.union(
	input_of(request_for(object.get(part, "request", {})), identity_for(object.get(part, "identity", {}))),
	part,
)

# METADATA
# description: The request for a part of one.
request_for(part) := object.union_n([
	request(object.get(part, "method", "GET"), object.get(part, "path", "/")),
	destination_host(part),
	{"header_values": {name: [value] | some name, value in object.get(part, "headers", {})}},
	queries(part),
])

# METADATA
# description: The host of a destination without one is the host of the request.
destination_host(part) := {"destination_host": object.get(part, "host", "app.example.com")} if {
	object.get(part, "destination_path", "") != ""
} else := {}

# METADATA
# description: Both forms of a query, from one of them.
queries(part) := {"query": part.query, "raw_query": urlquery.encode_object(part.query)} if {
	part.query
} else := {"query": urlquery.decode_object(part.raw_query), "raw_query": part.raw_query} if {
	part.raw_query
} else := {}

# METADATA
# description: The caller for a part of one.
identity_for(part) := user(part.id, []) if {
	object.get(part, "id", "") != ""
	object.get(part, "authenticated", true)
	object.get(part, "kind", "user") == "user"
} else := object.union(user(part.id, []), {"username": "", "method": "api_key", "kind": "client"}) if {
	object.get(part, "id", "") != ""
	object.get(part, "authenticated", true)
	part.kind == "client"
} else := object.union(user(part.id, []), {"username": "", "method": "jwt", "kind": "unknown", "unknown": ["kind"]}) if {
	object.get(part, "id", "") != ""
	object.get(part, "authenticated", true)
	part.kind == "unknown"
} else := object.union(anonymous, {"kind": "guest", "id": "link:album", "method": "link"}) if {
	part.kind == "guest"
} else := anonymous
