# METADATA
# description: Decides where there is neither an access table nor a policy.
package caddy.authenticated

default allow := false

# METADATA
# description: Any known caller may, no other.
allow if input.identity.authenticated
