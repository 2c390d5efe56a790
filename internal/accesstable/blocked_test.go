package accesstable

import (
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestBlockedBy: an explanation names the entry that blocks a caller.
func TestBlockedBy(t *testing.T) {
	table, _, err := Parse([]File{{Name: "a.yaml", Data: []byte("blocked: {users: [mallory], networks: [203.0.113.0/24]}\nrules:\n  - {paths: [/*], allow: [{anyone: true}]}\n")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, user, username, ip, peer string
		unknown, forwarded             bool
		want                           string
	}{
		{name: "nothing", user: "bob", ip: "192.0.2.1"},
		{name: "an id", user: "mallory", ip: "192.0.2.1", want: "users: mallory"},
		{name: "a username", user: "7", username: "mallory", ip: "203.0.113.1", want: "users: mallory"},
		{name: "an unknown username", user: "7", ip: "192.0.2.1", unknown: true, want: "users: the caller's username is unknown and may be one of them"},
		{name: "a network", user: "bob", ip: "203.0.113.7", want: "networks: 203.0.113.0/24 has 203.0.113.7"},
		{name: "the peer's", user: "bob", ip: "192.0.2.1", peer: "203.0.113.8", forwarded: true, want: "networks: 203.0.113.0/24 has 203.0.113.8"},
		{name: "no address", user: "bob", want: "networks: the client's address is unknown and may be in one of them"},
	} {
		t.Run(test.name, func(t *testing.T) {
			id := &authenticator.Identity{Authenticated: true, ID: test.user, Username: test.username}
			if test.unknown {
				id.Unknown = []string{"username"}
			}
			d := &request.Document{Identity: id}
			d.Request.Path, d.Client = "/", request.Client{IP: test.ip, PeerIP: test.peer, ForwardedUntrusted: test.forwarded}
			if got := table.Explain(&Question{Document: d}); got.BlockedBy != test.want || got.Blocked != (test.want != "") {
				t.Errorf("%v by %q", got.Blocked, got.BlockedBy)
			}
		})
	}
}
