package accesstable

import (
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// TestS19Links: links holds for guests and for no other caller. Who is a guest is never
// unknown, so that the condition is the same under deny (S-10).
func TestS19Links(t *testing.T) {
	for name, test := range map[string]struct {
		identity authenticator.Identity
		want     bool
	}{
		"S-19 a guest":                   {authenticator.Identity{Kind: authenticator.KindGuest, ID: "link:album", Method: "link"}, true},
		"S-19 an anonymous caller":       {authenticator.Identity{}, false},
		"S-19 a user":                    {authenticator.Identity{Authenticated: true, ID: "alice", Kind: authenticator.KindUser}, false},
		"S-19 a user with a link's name": {authenticator.Identity{Authenticated: true, ID: "link:album", Kind: authenticator.KindUser}, false},
		"S-10 a caller of unknown kind":  {authenticator.Identity{Authenticated: true, ID: "a", Unknown: []string{"kind"}}, false},
	} {
		q := &Question{Document: &request.Document{Identity: test.identity.Normalize()}}
		if allowed, denied := (links{}).holds(q, allow), (links{}).holds(q, deny); allowed != test.want || denied != test.want {
			t.Errorf("%s: %v under allow, %v under deny", name, allowed, denied)
		}
	}
}

// TestS19GuestsAreNoUsers: nothing else in a table takes a guest for an authenticated
// caller, and signing in is not offered where only a link opens a path.
func TestS19GuestsAreNoUsers(t *testing.T) {
	guest := (&authenticator.Identity{Kind: authenticator.KindGuest, ID: "link:album", Method: "link"}).Normalize()
	for allowed, want := range map[string]struct{ allow, login bool }{
		"{links: true}":                   {true, false},
		"{links: true, methods: [POST]}":  {false, false},
		"{authenticated: true}":           {false, true},
		"{users: ['link:album']}":         {false, true},
		"{kinds: [user, client]}":         {false, true},
		"{kinds: [guest]}":                {true, false},
		"{anyone: true}":                  {true, false},
		"{roles: [admin]}":                {false, true},
		"{links: true}, {roles: [admin]}": {true, false},
	} {
		table, _, err := Parse([]File{{"access.yaml", []byte("rules: [{allow: [" + allowed + "]}]")}})
		if err != nil {
			t.Fatalf("%s: %v", allowed, err)
		}
		d := &request.Document{Identity: guest, Request: request.Fields{Method: "GET", Host: "a.example", Path: "/", PathFolded: "/", RewrittenPath: "/"}}
		if v := table.Judge(&Question{Document: d}); v.Allow != want.allow || !v.Allow && v.Login != want.login || v.Challenge != nil {
			t.Errorf("%s: %+v", allowed, v)
		}
	}
}

// TestLinksBeside: what compares something that a guest does not have cannot stand beside
// links.
func TestLinksBeside(t *testing.T) {
	for _, beside := range []string{"roles: [a]", "users: [a]", "authenticated: true", "claims: {a: b}", "upgrades: [tcp]", "kinds: [guest]"} {
		name, _, _ := strings.Cut(beside, ":")
		_, _, err := Parse([]File{{"access.yaml", []byte("rules: [{allow: [{links: true, " + beside + "}]}]")}})
		if err == nil || !strings.Contains(err.Error(), "links and "+name+" cannot be combined") || !strings.Contains(err.Error(), "only methods and networks can be beside links") {
			t.Errorf("%s: %v", beside, err)
		}
	}
}
