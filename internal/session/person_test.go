package session

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// mapped is a person whose login maps the ID to a claim that others may have, too.
func mapped(subject string) Record {
	id := &authenticator.Identity{Authenticated: true, ID: "shared", Username: "shared", Issuer: "https://id.example.com"}
	return Record{Person: person.Person{Login: "form", Issuer: id.Issuer, Subject: subject}, Identity: id.Normalize()}
}

// TestS17Sessions: two people with one ID, name and issuer are counted, listed and ended
// apart; an operator's search by name shows and ends the sessions of both.
func TestS17Sessions(t *testing.T) {
	s := newSite(t, Config{})
	ctx := context.Background()
	one, other := mapped("1"), mapped("2")
	theirs := s.start(t, visit(host), other)
	for range DefaultMaxPerUser + 2 {
		s.clock.advance(time.Second)
		s.start(t, visit(host), one)
	}
	if _, err := s.find(host, theirs); err != nil {
		t.Errorf("the other person's: %v", err)
	}
	for p, want := range map[person.Person]int{
		one.Person: DefaultMaxPerUser, other.Person: 1,
		{Login: "other login", Issuer: one.Person.Issuer, Subject: "1"}: 0,
		{Login: "form", Issuer: "https://other.example", Subject: "1"}:  0,
		{Login: "form", Issuer: one.Person.Issuer, Subject: "shared"}:   0,
	} {
		if found, err := s.registry.ListByPerson(ctx, p); len(found) != want || err != nil {
			t.Errorf("%v: %d, %v", p, len(found), err)
		}
	}
	if found, err := s.registry.List(ctx, "shared"); len(found) != DefaultMaxPerUser+1 || err != nil {
		t.Errorf("by name: %d, %v", len(found), err)
	}
	if n, err := s.registry.EndUser(ctx, "shared"); n != DefaultMaxPerUser+1 || err != nil {
		t.Errorf("ended by name: %d, %v", n, err)
	}
}

// TestS17EarlierRecords: a record of an earlier version, which knew people by their ID,
// stays that person's session if the ID is the subject, and is none otherwise.
func TestS17EarlierRecords(t *testing.T) {
	ctx := context.Background()
	for name, test := range map[string]struct {
		change func(map[string]any)
		want   error
	}{
		"of a form":     {func(map[string]any) {}, nil},
		"of a provider": {func(r map[string]any) { r["subject"] = "alice" }, nil},
		"of another ID": {func(r map[string]any) { r["subject"] = "4711" }, ErrEnded},
	} {
		s := newSite(t, Config{})
		cookie := s.start(t, visit(host), alice())
		found, err := s.find(host, cookie)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := found.encode()
		if err != nil {
			t.Fatal(err)
		}
		var record map[string]any
		if err := json.Unmarshal(plain, &record); err != nil {
			t.Fatal(err)
		}
		delete(record, "person")
		record["login"] = "form"
		test.change(record)
		plain, err = json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := s.registry.sealer.Seal(ctx, found.key, plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.store.Put(ctx, found.key, store.Item{Value: sealed, Lifetime: time.Hour, Owners: found.owners()}); err != nil {
			t.Fatal(err)
		}
		again, err := s.find(host, cookie)
		if !errors.Is(err, test.want) || err == nil && again.Person != alice().Person {
			t.Errorf("%s: %v", name, err)
		}
		listed, err := s.registry.ListByPerson(ctx, alice().Person)
		if err != nil || (len(listed) == 1) != (test.want == nil) {
			t.Errorf("%s: %d listed, %v", name, len(listed), err)
		}
	}
	if text := personOwner(person.Person{Login: "form", Subject: "alice"}); !strings.HasPrefix(text, "person/") || strings.Contains(text, "alice") {
		t.Error(text)
	}
}
