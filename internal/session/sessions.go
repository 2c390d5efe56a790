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

const (
	// idBytes is how many random bytes an id has; 16 would do (R-CK-6).
	idBytes = 32
	// DefaultIdle is within what NIST SP 800-63B-3 asks of its second level (R-SES-3).
	DefaultIdle = 30 * time.Minute
	// DefaultLifetime is as well.
	DefaultLifetime = 12 * time.Hour
)

// idLength is how many characters an id has in a cookie.
var idLength = base64.RawURLEncoding.EncodedLen(idBytes)

// ErrInsecure is why no session begins over plain HTTP (R-CK-2).
var ErrInsecure = errors.New("no session begins over plain HTTP, where others could take it; serve the site over https, or say insecure_http")

// ErrCookieDomain is why no session begins on a host that the cookie's domain does not
// cover: browsers would not keep the cookie.
var ErrCookieDomain = errors.New("browsers keep no cookie of this cookie_domain here")

// Config says how a site's sessions are.
type Config struct {
	// Cookie says how ids are kept by browsers.
	Cookie Cookie
	// Idle is how long a session may go unused, Lifetime how long it may last.
	// Zero is the default of each.
	Idle, Lifetime time.Duration
	// Logins are the logins whose sessions count.
	Logins []string
	// InsecureHTTP allows sessions over plain HTTP from other machines.
	InsecureHTTP bool
	// Now tells the time; nil is time.Now.
	Now func() time.Time
}

// Sessions is a site's view of a Registry: which sessions count there and how
// long. It is safe for concurrent use.
type Sessions struct {
	registry     *Registry
	config       Config
	saveInterval time.Duration // at most so often a session's use is told to the store
	keepAlives   keepAlives
}

// New returns a site's sessions.
func New(registry *Registry, config Config) (*Sessions, error) {
	config.Cookie = config.Cookie.WithDefaults()
	if config.Idle == 0 {
		config.Idle = DefaultIdle
	}
	if config.Lifetime == 0 {
		config.Lifetime = DefaultLifetime
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	switch {
	case config.Idle < 0 || config.Lifetime < 0:
		return nil, errors.New("idle and lifetime are positive")
	case config.Idle > config.Lifetime:
		return nil, fmt.Errorf("idle is %s, longer than the lifetime of %s", config.Idle, config.Lifetime)
	}
	return &Sessions{registry: registry, config: config, saveInterval: min(config.Idle/20, 30*time.Second)}, config.Cookie.Check()
}

// Now returns the time by the sessions' clock.
func (s *Sessions) Now() time.Time { return s.config.Now() }

// Registry returns the sessions of all sites in the same store.
func (s *Sessions) Registry() *Registry { return s.registry }

// Cookie returns the cookie that holds ids.
func (s *Sessions) Cookie() Cookie { return s.config.Cookie }

// Start begins a session and gives it to the browser under a new id, which
// no browser had before (R-CK-7). A session that the browser brought along is ended: this
// is how a step-up renews one. Of the record, Identity and Login are to be set; SID
// and Data may be. HTTPS is how the client sees the site.
func (s *Sessions) Start(ctx context.Context, w http.ResponseWriter, r *http.Request, https bool, record Record) (*Session, error) {
	if err := s.CanStart(r, https); err != nil {
		return nil, err
	}
	id := newID()
	record.Site, record.Created = s.site(r), s.config.Now().UTC()
	record.Identity = s.sessionIdentity(record.Identity, record.Created)
	started, err := s.registry.add(ctx, sha256.Sum256([]byte(id)), record, s.config.Lifetime)
	if err != nil {
		return nil, err
	}
	if err := s.endCurrent(ctx, r, https); err != nil {
		return nil, errors.Join(err, s.registry.End(ctx, started.ID))
	}
	s.config.Cookie.Set(w, id, https)
	return started, nil
}

// CanStart reports why no session can begin in a request, for any user.
func (s *Sessions) CanStart(r *http.Request, https bool) error {
	if !https && !s.config.InsecureHTTP && !isLocal(RequestHost(r)) {
		return ErrInsecure
	}
	return s.checkDomain(RequestHost(r))
}

// sessionIdentity returns an identity as sessions have it. When its user signed in is for
// the login to say: the session may have begun long after.
func (s *Sessions) sessionIdentity(of *authenticator.Identity, at time.Time) *authenticator.Identity {
	id := *of
	id.Method = "session"
	end := at.Add(s.config.Lifetime).Unix()
	if id.ExpiresAt == 0 || end < id.ExpiresAt {
		id.ExpiresAt = end
	}
	return id.Normalize()
}

// newID returns an id that cannot be guessed.
func newID() string {
	var id [idBytes]byte
	_, _ = rand.Read(id[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(id[:])
}

// checkDomain reports whether a browser would send the cookie back to a host.
func (s *Sessions) checkDomain(host string) error {
	domain := s.config.Cookie.Domain
	if domain == "" || host == domain || strings.HasSuffix(host, "."+domain) {
		return nil
	}
	return fmt.Errorf("%w: the host %s is not of the domain %s", ErrCookieDomain, host, domain)
}

// site returns what sessions of a request are bound to.
func (s *Sessions) site(r *http.Request) string {
	if domain := s.config.Cookie.Domain; domain != "" {
		return "." + domain
	}
	return RequestHost(r)
}

// Find returns the session of a cookie's value in a request, or ErrExpired,
// ErrEnded or ErrOtherSite. Any other error says that the store cannot tell.
func (s *Sessions) Find(ctx context.Context, r *http.Request, value string) (*Session, error) {
	sum, ok := hashID(value)
	if !ok {
		return nil, ErrEnded
	}
	found, err := s.registry.find(ctx, sum)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(s.config.Logins, found.Login) || found.Site != s.site(r) {
		return nil, ErrOtherSite
	}
	return found, s.checkExpiry(ctx, found)
}

// hashID returns the digest of an id, and whether it has the form of one.
func hashID(value string) (idHash, bool) {
	var id [64]byte
	if len(value) != idLength {
		return idHash{}, false
	}
	return sha256.Sum256(id[:copy(id[:], value)]), true
}

// checkExpiry returns ErrExpired for a session that has lasted or idled for too long.
// Before that is said of one, the store is asked whether it was used elsewhere.
func (s *Sessions) checkExpiry(ctx context.Context, found *Session) error {
	now := s.config.Now()
	if !now.Before(found.Created.Add(s.config.Lifetime)) {
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

// Current returns the session that a request's cookie names, or an error as Find.
func (s *Sessions) Current(ctx context.Context, r *http.Request, https bool) (*Session, error) {
	value, ok := s.config.Cookie.Read(r, https)
	if !ok {
		return nil, ErrEnded
	}
	return s.Find(ctx, r, value)
}

// Refresh gives a session a newer identity and newer data of its login. It
// returns ErrEnded if the session has been ended meanwhile.
func (s *Sessions) Refresh(ctx context.Context, found *Session, id *authenticator.Identity, data []byte) error {
	record := found.Record
	record.Identity, record.Data = s.sessionIdentity(id, record.Created), data
	return s.registry.refresh(ctx, found, record, s.remainingLifetime(found))
}

// BeginRefresh reports whether the caller is to refresh a session: of those who ask
// within a lifetime, on whichever machine, the first.
func (s *Sessions) BeginRefresh(ctx context.Context, found *Session, lifetime time.Duration) (bool, error) {
	item := store.Item{Lifetime: min(lifetime, s.remainingLifetime(found)), Owners: found.owners()}
	return s.registry.Store().PutNew(ctx, refreshPrefix+found.ID, item)
}

// remainingLifetime returns how long a session's record is still kept.
func (s *Sessions) remainingLifetime(found *Session) time.Duration {
	return max(found.Created.Add(s.config.Lifetime+expiredRetention).Sub(s.config.Now()), time.Second)
}

// End ends a session and takes its cookie away.
func (s *Sessions) End(ctx context.Context, w http.ResponseWriter, https bool, found *Session) error {
	if err := s.registry.End(ctx, found.ID); err != nil {
		return err
	}
	s.config.Cookie.Clear(w, https)
	return nil
}

// endCurrent ends the session that a request's cookie names, if there is one.
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
