package identityjwt

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

const (
	testIssuer   = "https://app.example.com"
	testAudience = "https://wiki.internal"
)

// storage is a storage in memory, with the calls that were made.
type storage struct {
	mu     sync.Mutex
	locks  sync.Mutex
	files  map[string][]byte
	broken error
	reads  int
	writes int
}

func (s *storage) Lock(context.Context, string) error   { s.locks.Lock(); return nil }
func (s *storage) Unlock(context.Context, string) error { s.locks.Unlock(); return nil }

func (s *storage) Load(_ context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	if s.broken != nil {
		return nil, s.broken
	}
	if value, ok := s.files[key]; ok {
		return value, nil
	}
	return nil, fs.ErrNotExist
}

func (s *storage) Store(_ context.Context, key string, value []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return s.broken
	}
	s.writes++
	s.files[key] = value
	return nil
}

func (s *storage) set(value string) { s.files[storageName] = []byte(value) }

// errDisk is the error of a broken storage.
var errDisk = errors.New("input/output error")

func requestID() string { return "id-of-the-request" }

// clock is the time of a test.
type clock struct{ time.Time }

func (c *clock) pass(d time.Duration) { c.Time = c.Add(d) }

// machine is an Issuer with its storage and clock.
type machine struct {
	*Issuer
	t        *testing.T
	clock    *clock
	storage  *storage
	problems []error
}

func newMachine(t *testing.T) *machine {
	m := &machine{t: t, clock: &clock{time.Unix(1_800_000_000, 0)}, storage: &storage{files: map[string][]byte{}}}
	m.restart()
	return m
}

// restart forgets all that is not in the storage.
func (m *machine) restart() {
	issuer, err := New(Config{
		Issuer: testIssuer, Audience: testAudience, Storage: m.storage,
		Report: func(err error) { m.problems = append(m.problems, err) }, Now: func() time.Time { return m.clock.Time },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.Issuer = issuer
}

// another returns a second machine with the same storage and clock.
func (m *machine) another() *machine {
	second := *m
	second.restart()
	return &second
}

// token returns the JWT of a caller.
func (m *machine) token(id *authenticator.Identity) string {
	m.t.Helper()
	token, err := m.Token(context.Background(), id)
	if err != nil {
		m.t.Fatal(err)
	}
	return token
}

// published returns the published keys.
func (m *machine) published() jose.JSONWebKeySet {
	m.t.Helper()
	w := httptest.NewRecorder()
	m.ServeKeys(w, httptest.NewRequest("GET", KeysPath, nil), KeysPath, requestID)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || w.Code != 200 {
		m.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	for _, key := range set.Keys {
		if !key.IsPublic() || key.Algorithm != "ES256" || key.Use != "sig" {
			m.t.Errorf("%+v is published", key)
		}
	}
	return set
}

// verify returns the claims of a JWT, verified by an upstream that knows some keys.
func (m *machine) verify(token string, known jose.JSONWebKeySet) (jwt.MapClaims, error) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(t *jwt.Token) (any, error) {
		if t.Header["typ"] != "policy-auth-identity+jwt" {
			return nil, errors.New("typ")
		}
		kid, _ := t.Header["kid"].(string)
		if found := known.Key(kid); len(found) == 1 {
			return found[0].Key, nil
		}
		return nil, errors.New("unknown kid " + kid)
	}, jwt.WithValidMethods([]string{"ES256"}), jwt.WithIssuer(testIssuer), jwt.WithAudience(testAudience),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(func() time.Time { return m.clock.Time }))
	return claims, err
}

// alice is a caller.
func alice(change ...func(*authenticator.Identity)) *authenticator.Identity {
	id := &authenticator.Identity{
		Authenticated: true, Kind: authenticator.KindUser, ID: "1234", Username: "alice", Name: "Alice", Issuer: "https://id.example.com", Method: "session",
		Roles: []string{"admin"}, Groups: []string{"staff"}, Scopes: []string{"read"}, Email: "alice@example.com",
		Claims: map[string]any{"email": "alice@example.com", "email_verified": true, "secret": "no"}, ACR: "gold", AMR: []string{"otp"}, AuthTime: 1_799_999_000,
	}
	for _, f := range change {
		f(id)
	}
	return id.Normalize()
}
