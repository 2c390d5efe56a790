# The same policy behind OPA's server, which forward_auth asks: OPA's own
# authorization of its API hands over what the request said.
package system.authz

default allow := false

allow if {
	[valid, _, claims] := io.jwt.decode_verify(
		trim_prefix(header("Authorization"), "Bearer "),
		{"cert": data.bench.key, "alg": "ES256", "iss": data.bench.issuer, "aud": data.bench.audience},
	)
	valid
	path := split(header("X-Forwarded-Uri"), "?")[0]
	data.caddy.authz.allow with input as {
		"request": {
			"method": header("X-Forwarded-Method"),
			"path": path,
			"headers": {"x-tenant": header("X-Tenant")},
		},
		"client": {"ip": header("X-Forwarded-For")},
		"identity": {"authenticated": true, "id": claims.sub, "claims": claims},
	}
}

header(name) := input.headers[name][0]
