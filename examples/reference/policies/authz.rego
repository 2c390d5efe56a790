package caddy.authz

default allow := false

# What the access table allows.
allow if data.caddy.access.allow
