package session

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// TestOwners: R-SES-5. Sessions are found and ended by user, by name, by the
// provider's own session, one by one and all at once.
func TestOwners(t *testing.T) {
	s := newSite(t, Config{Logins: []string{"form", "oidc staff"}})
	ctx := context.Background()
	remote := func(sub, sid string) Record {
		id := &authenticator.Identity{Authenticated: true, ID: sub, Username: "bob", Issuer: "https://id.example.com"}
		return Record{Person: person.Person{Login: "oidc staff", Issuer: id.Issuer, Subject: sub}, Identity: id.Normalize(), SID: sid}
	}
	first := s.start(t, visit(host), alice())
	second := s.start(t, visit(host), alice())
	third := s.start(t, visit(host), remote("4711", "sid1"))
	fourth := s.start(t, visit(host), remote("4711", "sid2"))
	list := func(user string) []*Session {
		found, err := s.registry.List(ctx, user)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for user, want := range map[string]int{"alice": 2, "bob": 2, "4711": 2, "carol": 0, "": 4} {
		if got := len(list(user)); got != want {
			t.Errorf("%q has %d sessions, want %d", user, got, want)
		}
	}
	bySID, err := s.registry.ListBySID(ctx, "https://id.example.com", "sid2")
	if err != nil || len(bySID) != 1 || bySID[0].SID != "sid2" {
		t.Fatalf("by sid: %v, %v", bySID, err)
	}
	if other, _ := s.registry.ListBySID(ctx, "https://other.example", "sid2"); len(other) != 0 {
		t.Error("another issuer's sid names a session")
	}
	if err := s.registry.End(ctx, bySID[0].ID); err != nil {
		t.Fatal(err)
	}
	if n, err := s.registry.EndUser(ctx, "alice"); n != 2 || err != nil {
		t.Errorf("ended %d, %v", n, err)
	}
	for cookie, want := range map[*http.Cookie]error{first: ErrEnded, second: ErrEnded, third: nil, fourth: ErrEnded} {
		if _, err := s.find(host, cookie); !errors.Is(err, want) {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	if n, err := s.registry.EndUser(ctx, ""); n != 1 || err != nil || len(list("")) != 0 {
		t.Errorf("ended %d, %v", n, err)
	}
	for _, id := range []string{"", "x", "../session", third.Value + "A"} {
		if _, err := s.registry.Get(ctx, id); !errors.Is(err, ErrEnded) {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// TestStrangeRecords: what is in the store and no session of ours is nobody's.
func TestStrangeRecords(t *testing.T) {
	s := newSite(t, Config{})
	cookie := s.start(t, visit(host), alice())
	found, _ := s.find(host, cookie)
	for _, value := range []string{"", "{", "null", `{"identity":null}`, `{"identity":{"authenticated":false,"id":"x"}}`, `{"identity":{"authenticated":true}}`} {
		if err := s.store.Put(context.Background(), found.key, store.Item{Value: []byte(value), Lifetime: DefaultIdle}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.find(host, cookie); !errors.Is(err, ErrEnded) {
			t.Errorf("%q: %v", value, err)
		}
	}
}
