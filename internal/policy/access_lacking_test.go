package policy

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/accesstable"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// lackings take something from a caller, or make it unknown.
var lackings = map[string]func(*authenticator.Identity, *request.Client){
	"roles": func(i *authenticator.Identity, _ *request.Client) { i.Roles = nil }, "groups": func(i *authenticator.Identity, _ *request.Client) { i.Groups = nil },
	"scopes": func(i *authenticator.Identity, _ *request.Client) { i.Scopes = nil }, "claims": func(i *authenticator.Identity, _ *request.Client) { i.Claims = nil },
	"auth_time": func(i *authenticator.Identity, _ *request.Client) { i.AuthTime = 0 },
	"acr":       func(i *authenticator.Identity, _ *request.Client) { i.ACR = "" }, "issuer": func(i *authenticator.Identity, _ *request.Client) { i.Issuer = "" },
	"username": func(i *authenticator.Identity, _ *request.Client) {
		i.Username, i.Unknown = "", append(i.Unknown, "username")
	},
	"kind":    func(i *authenticator.Identity, _ *request.Client) { i.Kind = authenticator.KindUnknown },
	"address": func(_ *authenticator.Identity, c *request.Client) { c.IP = "" }, "hidden": func(_ *authenticator.Identity, c *request.Client) { c.ForwardedUntrusted = true },
	"unknown": func(i *authenticator.Identity, _ *request.Client) { i.Unknown = authenticator.UnknownFields() },
}

// TestS10TableLacks: whatever the table, a caller who is refused is also refused with
// less known of them (so that check has nothing to look for).
func TestS10TableLacks(t *testing.T) {
	g, refused := tableGenerator{rand.New(rand.NewPCG(10, 10))}, 0
	for range 100 {
		content := g.table()
		table, _, err := accesstable.Parse([]accesstable.File{{Name: "access.yaml", Data: []byte(content)}})
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			d := g.document()
			if table.Judge(&accesstable.Question{Document: d}).Allow {
				continue
			}
			refused++
			for name, lack := range lackings {
				changed, less := *d, *d.Identity
				less.Unknown = slices.Clone(less.Unknown)
				lack(&less, &changed.Client)
				changed.Identity = less.Normalize()
				if table.Judge(&accesstable.Question{Document: &changed}).Allow {
					t.Fatalf("without %s %+v gets in\n%s", name, d, content)
				}
			}
		}
	}
	if refused == 0 {
		t.Error("no caller is refused")
	}
}
