# METADATA
# description: Decides on sites without an access table and policies.
package caddy.authenticated

default allow := false

# METADATA
# description: Every authenticated caller is allowed, no other.
allow if input.identity.authenticated
