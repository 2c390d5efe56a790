package session

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/store"
)

// idBytes is how many random bytes an id has; 16 would do (R-CK-6).
const idBytes = 32

// idLength is how many characters an id has in a cookie.
var idLength = base64.RawURLEncoding.EncodedLen(idBytes)

// ErrInsecure is the error of a session that would start over plain HTTP (R-CK-2).
var ErrInsecure = errors.New("no session starts over plain HTTP, where others can read the cookie: serve the site over https, or write insecure_http")

// ErrCookieDomain is the error of a session that would start on a host outside of
// the cookie's domain.
var ErrCookieDomain = errors.New("browsers reject a cookie with this cookie_domain")

// Sessions is a site's view of a Registry: which sessions are valid there and for
// how long. It is safe for concurrent use.
type Sessions struct {
	registry     *Registry
	config       Config
	saveInterval time.Duration // the minimum time between writes of a last use
	keepAlives   keepAlives
}

// New returns the sessions of a site. Its errors name the wrong option.
func New(registry *Registry, config Config) (*Sessions, error) {
	config = config.withDefaults()
	if err := config.check(); err != nil {
		return nil, err
	}
	return &Sessions{registry: registry, config: config, saveInterval: min(config.Idle/20, 30*time.Second)}, nil
}

// Now returns the time of the sessions' clock.
func (s *Sessions) Now() time.Time { return s.config.Now() }

// Registry returns the registry, which sites with the same store share.
func (s *Sessions) Registry() *Registry { return s.registry }

// Cookie returns the cookie that holds ids.
func (s *Sessions) Cookie() Cookie { return s.config.Cookie }

// Start starts a session with a new random ID and sends the cookie (R-CK-7). It
// ends the session that the browser had before. The record must have Identity and
// Person; SID and Data are optional. HTTPS is the scheme as the client sees
// it. A sign-in that is too old is ErrAuthTime, and changes nothing.
func (s *Sessions) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, https bool, record Record) (*Session, error) {
	if err := s.CanStart(r, https); err != nil {
		return nil, err
	}
	id := newID()
	if err := s.CheckAuthTime(record.Identity); err != nil {
		return nil, err
	}
	record.Site, record.Created = s.Site(r), s.config.Now().UTC()
	record.Identity = s.sessionIdentity(record.Identity, record.Created)
	started, err := s.registry.add(ctx, sha256.Sum256([]byte(id)), record, s.config.Lifetime, s.config.MaxPerUser)
	if err != nil {
		return nil, err
	}
	if err := s.endCurrent(ctx, r, https); err != nil {
		return nil, errors.Join(err, s.registry.End(ctx, started.ID))
	}
	s.config.Cookie.Set(w, id, https)
	return started, nil
}

// CanStart returns ErrInsecure or ErrCookieDomain if no session can start in a
// request.
func (s *Sessions) CanStart(r *http.Request, https bool) error {
	if !https && !s.config.InsecureHTTP && !isLocal(RequestHost(r)) {
		return ErrInsecure
	}
	return s.checkDomain(RequestHost(r))
}

// sessionIdentity returns the identity of a session that started at a time. It
// leaves AuthTime as it is, because the user may have signed in at a provider long
// before.
func (s *Sessions) sessionIdentity(of *authenticator.Identity, at time.Time) *authenticator.Identity {
	id := *of
	id.Method = "session"
	end := at.Add(s.config.Lifetime).Unix()
	if s.config.MaxAuthAge > 0 && id.AuthTime != 0 {
		end = min(end, s.authEnd(&id).Unix())
	}
	if id.ExpiresAt == 0 || end < id.ExpiresAt {
		id.ExpiresAt = end
	}
	return id.Normalize()
}

// newID returns a random session ID.
func newID() string {
	var id [idBytes]byte
	_, _ = rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// checkDomain returns ErrCookieDomain if a browser would not send the cookie to a
// host.
func (s *Sessions) checkDomain(host string) error {
	domain := s.config.Cookie.Domain
	if domain == "" || host == domain || strings.HasSuffix(host, "."+domain) {
		return nil
	}
	return fmt.Errorf("%w: the host %s is not in the domain %s", ErrCookieDomain, host, domain)
}

// Site returns the Site of sessions that start in a request.
func (s *Sessions) Site(r *http.Request) string {
	if domain := s.config.Cookie.Domain; domain != "" {
		return "." + domain
	}
	return RequestHost(r)
}

// Find returns the session of a cookie's value in a request, or ErrExpired,
// ErrEnded or ErrOtherSite. Any other error means that the store is unavailable.
func (s *Sessions) Find(ctx context.Context, r *http.Request, value string) (*Session, error) {
	sum, ok := hashID(value)
	if !ok {
		return nil, ErrEnded
	}
	found, err := s.registry.find(ctx, sum)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.config.Logins, found.Person.Login) || found.Site != s.Site(r) {
		return nil, ErrOtherSite
	}
	return found, s.checkExpiry(ctx, found)
}

// hashID returns the hash of an ID, and whether the ID has the right length.
func hashID(value string) (idHash, bool) {
	var id [64]byte
	if len(value) != idLength {
		return idHash{}, false
	}
	return sha256.Sum256(id[:copy(id[:], value)]), true
}

// checkExpiry returns ErrExpired for a session that exceeded its lifetime or its
// maximum age of a sign-in, or was idle for too long. Another machine may have used it, so that the store is read
// before a session counts as idle.
func (s *Sessions) checkExpiry(ctx context.Context, found *Session) error {
	now := s.config.Now()
	if !now.Before(found.Created.Add(s.config.Lifetime)) || s.CheckAuthTime(found.Identity) != nil {
		return ErrExpired
	}
	if !s.isIdle(found, now) {
		return nil
	}
	if err := s.registry.loadLastUsed(ctx, found); err != nil {
		return err
	}
	if s.isIdle(found, now) {
		return ErrExpired
	}
	return nil
}

func (s *Sessions) isIdle(found *Session, now time.Time) bool {
	return now.UnixNano()-found.lastUsed.Load() >= int64(s.config.Idle)
}

// Current returns the session of a request's cookie. Its errors are those of Find.
func (s *Sessions) Current(ctx context.Context, r *http.Request, https bool) (*Session, error) {
	value, ok := s.config.Cookie.Read(r, https)
	if !ok {
		return nil, ErrEnded
	}
	return s.Find(ctx, r, value)
}

// Refresh replaces the identity and the data of a session. It returns ErrEnded if
// the session was ended meanwhile.
func (s *Sessions) Refresh(ctx context.Context, found *Session, id *authenticator.Identity, data []byte) error {
	record := found.Record
	record.Identity, record.Data = s.sessionIdentity(id, record.Created), data
	return s.registry.refresh(ctx, found, record, s.remainingLifetime(found))
}

// BeginRefresh reports whether the caller is to refresh a session. It returns true
// for the first call within a lifetime on all machines.
func (s *Sessions) BeginRefresh(ctx context.Context, found *Session, lifetime time.Duration) (bool, error) {
	item := store.Item{Lifetime: min(lifetime, s.remainingLifetime(found)), Owners: found.owners()}
	return s.registry.Store().PutNew(ctx, refreshPrefix+found.ID, item)
}

// remainingLifetime returns how long a session's record stays in the store.
func (s *Sessions) remainingLifetime(found *Session) time.Duration {
	return max(found.Created.Add(s.config.Lifetime+expiredRetention).Sub(s.config.Now()), time.Second)
}

// End ends a session and deletes the browser's cookie.
func (s *Sessions) End(ctx context.Context, w http.ResponseWriter, https bool, found *Session) error {
	if err := s.registry.End(ctx, found.ID); err != nil {
		return err
	}
	s.config.Cookie.Clear(w, https)
	return nil
}

// endCurrent ends the session of a request's cookie, if there is one.
func (s *Sessions) endCurrent(ctx context.Context, r *http.Request, https bool) error {
	for _, value := range CookieValues(r, s.config.Cookie.name(https)) {
		sum, ok := hashID(value)
		if !ok {
			continue
		}
		if err := s.registry.End(ctx, newSession(sum, Record{}, nil).ID); err != nil {
			return err
		}
	}
	return nil
}
