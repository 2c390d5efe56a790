package policy

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// contractInput is a request with something in nearly every field.
func contractInput() Input {
	r := httptest.NewRequest("POST", "https://Api.Example.com:8443/Api/a%20b?k=v&k=w", nil)
	r.Header.Set("X-Tenant", "blue")
	r.Header.Set("Authorization", "Bearer not-for-policies")
	r.Header.Set("X-Forwarded-For", "10.0.0.1")
	r.Header.Add("Accept", "a/b")
	r.Header.Add("Accept", "c/d")
	facts := request.Metadata{ID: func() string { return "req-1" }, Time: time.Unix(1, 5), ClientIP: "192.0.2.1", PeerIP: "192.0.2.2"}
	return Input{
		Request: request.New(r, facts, new(request.Config)),
		Identity: (&authenticator.Identity{
			Authenticated: true, Kind: authenticator.KindUser, ID: "u1", Username: "alice", Name: "Alice", Issuer: "https://id.example", Method: "jwt",
			Roles: []string{"admin"}, Groups: []string{"staff"}, Scopes: []string{"read"}, Email: "alice@example.com",
			Claims: map[string]any{"team": "blue", "level": json.Number("3"), "tags": []any{"x"}},
			ACR:    "gold", AMR: []string{"otp"}, AuthTime: 100, ExpiresAt: 200, Unknown: []string{"kind"},
		}).Normalize(),
		Failure: authenticator.ReasonSessionExpired,
		Config:  NewConstants(map[string]any{"tenants": []string{"blue", "red"}, "limit": 5}),
	}
}

// TestContract: the fields that product.md, section 2, promises to policies,
// under the names that operators write, with the values of a real request.
func TestContract(t *testing.T) {
	tests := map[string]string{
		`input.contract`:                      `"caddy/v1"`,
		`input.request.id`:                    `"req-1"`,
		`input.request.time_ns`:               `1000000005`,
		`input.request.method`:                `"POST"`,
		`input.request.scheme`:                `"https"`,
		`input.request.host`:                  `"api.example.com"`,
		`input.request.port`:                  `8443`,
		`input.request.path`:                  `"/Api/a b"`,
		`input.request.path_folded`:           `"/api/a b"`,
		`input.request.segments`:              `["Api", "a b"]`,
		`input.request.rewritten_path`:        `"/Api/a b"`,
		`input.request.raw_path`:              `"/Api/a%20b"`,
		`input.request.path_flags`:            `[]`,
		`input.request.destination_path`:      `""`,
		`input.request.destination_host`:      `""`,
		`input.request.query`:                 `{"k": ["v", "w"]}`,
		`input.request.raw_query`:             `"k=v&k=w"`,
		`input.request.query_flags`:           `[]`,
		`input.request.headers["x-tenant"]`:   `"blue"`,
		`input.request.headers.accept`:        `"a/b, c/d"`,
		`input.request.headers.authorization`: `"[redacted]"`,
		`object.get(input.request.headers, "x-forwarded-for", "left out")`:     `"left out"`,
		`input.request.header_values.accept`:                                   `["a/b", "c/d"]`,
		`input.request.header_values.authorization`:                            `["[redacted]"]`,
		`input.request.protocol`:                                               `"HTTP/1.1"`,
		`input.request.content_length`:                                         `0`,
		`input.request.websocket`:                                              `false`,
		`input.request.grpc`:                                                   `false`,
		`input.request.body`:                                                   `null`,
		`input.request.body_truncated`:                                         `false`,
		`input.client`:                                                         `{"ip": "192.0.2.1", "peer_ip": "192.0.2.2", "trusted_proxy": false, "forwarded_untrusted": true}`,
		`input.tls.client_certificate.verified`:                                `false`,
		`input.tls.client_certificate.dns_names`:                               `[]`,
		`[input.identity.authenticated, input.identity.kind]`:                  `[true, "user"]`,
		`[input.identity.id, input.identity.username, input.identity.name]`:    `["u1", "alice", "Alice"]`,
		`[input.identity.issuer, input.identity.method, input.identity.email]`: `["https://id.example", "jwt", "alice@example.com"]`,
		`[input.identity.roles, input.identity.groups, input.identity.scopes]`: `[["admin"], ["staff"], ["read"]]`,
		`input.identity.claims`:                                                `{"team": "blue", "level": 3, "tags": ["x"]}`,
		`[input.identity.acr, input.identity.amr, input.identity.bound]`:       `["gold", ["otp"], "none"]`,
		`[input.identity.auth_time, input.identity.expires_at]`:                `[100, 200]`,
		`input.identity.unknown`:                                               `["kind"]`,
		`input.failure.reason`:                                                 `"session_expired"`,
		`input.config`:                                                         `{"tenants": ["blue", "red"], "limit": 5}`,
		`{key | some key, _ in input}`:                                         `{"contract", "request", "client", "tls", "identity", "failure", "config"}`,
	}
	var source strings.Builder
	source.WriteString("package caddy.authz\n\nallow := {\"allow\": true, \"request_headers_to_remove\": wrong}\n")
	names := map[string]string{}
	for term, want := range tests {
		name := "Field-" + string(rune('A'+len(names)/26)) + string(rune('A'+len(names)%26))
		names[name] = term
		source.WriteString("\nwrong contains \"" + name + "\" if not " + term + " == " + want + "\n")
	}
	source.WriteString("\nwrong contains \"Secret\" if contains(json.marshal(input), \"not-for-policies\")\n")
	got := policyOf(t, source.String()).Decide(t.Context(), contractInput())
	if !got.Allow {
		t.Fatalf("got %+v", got)
	}
	for _, name := range got.RequestHeadersToRemove {
		t.Errorf("%s (%s) is not %s", names[name], name, tests[names[name]])
	}
}

// TestContractAnonymous: nobody is somebody with nothing, and every list is there.
func TestContractAnonymous(t *testing.T) {
	got := policyOf(t, `package caddy.authz

allow if {
	input.identity == {
		"authenticated": false, "kind": "anonymous", "id": "", "username": "", "name": "", "issuer": "", "method": "",
		"roles": [], "groups": [], "scopes": [], "email": "", "claims": {}, "acr": "", "amr": [], "auth_time": 0,
		"expires_at": 0, "bound": "none", "unknown": [],
	}
	input.failure == {"reason": ""}
	input.config == {}
}
`).Decide(t.Context(), asked("/", ""))
	if !got.Allow {
		t.Errorf("got %+v", got)
	}
}
