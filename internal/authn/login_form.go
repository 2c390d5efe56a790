package authn

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

func init() {
	caddy.RegisterModule(LoginForm{})
}

// LoginForm is a page of our own that asks for a name and a password.
type LoginForm struct {
	// Files of users: users.yaml, or htpasswd with bcrypt. They are watched and
	// replaced as one; if one becomes invalid, the last good users stay in use. A user
	// who is disabled, removed or given another password is signed out at the next
	// request. Required.
	Users []string `json:"users,omitempty"`

	// The number of failures, of a user or of a client, after which further attempts
	// get 429. Default: 10 in 5m.
	Throttle *Throttle `json:"throttle,omitempty"`

	form     *login.Form
	releases []func()
}

// CaddyModule returns the Caddy module information.
func (LoginForm) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: LoginNamespace + ".form", New: func() caddy.Module { return new(LoginForm) }}
}

// UnmarshalCaddyfile sets up the login from Caddyfile tokens. Syntax:
//
//	login form {
//	    users <file>...
//	    throttle <failures> <window>
//	}
func (l *LoginForm) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the kind of login
	if err := caddyfileutil.NoArgs(d, "login form", "users users.yaml"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "login form", caddyfileutil.Subdirectives{
		"users":    caddyfileutil.Strings(&l.Users),
		"throttle": parseThrottle(&l.Throttle),
	}, l.check)
}

// check reports what is wrong whatever the files hold.
func (l *LoginForm) check() error {
	if len(l.Users) == 0 {
		return errors.New("login form: name the file of users: users <file>")
	}
	if err := l.Throttle.check(); err != nil {
		return fmt.Errorf("login form: %w", err)
	}
	return nil
}

// Provision reads the users. A basic with the same users and throttle shares them, so
// that failed attempts at both count together.
func (l *LoginForm) Provision(caddy.Context) error {
	if err := l.check(); err != nil {
		return err
	}
	if l.Throttle == nil {
		l.Throttle = defaultThrottle()
	}
	verifier, release, err := acquireBasic(l.Users, nil, *l.Throttle)
	if err != nil {
		return fmt.Errorf("login form: users: %w", err)
	}
	l.releases = append(l.releases, release)
	l.form = &login.Form{Key: keyOfFiles(l.Users), Verify: verifier.verify, Users: verifier.Load}
	l.form.UseStore = func(s store.Store) { l.releases = append(l.releases, verifier.keepIn(s)) }
	l.form.Follow = func(tell func(before, after *users.Users)) {
		l.releases = append(l.releases, verifier.changes.follow(tell))
	}
	return nil
}

// keyOfFiles names a set of files without saying where they are.
func keyOfFiles(paths []string) string {
	paths = files.AbsAll(paths)
	slices.Sort(paths)
	sum := sha256.Sum256([]byte(strings.Join(paths, "\x00")))
	return hex.EncodeToString(sum[:8])
}

// Cleanup lets go of the users.
func (l *LoginForm) Cleanup() error {
	for _, release := range slices.Backward(l.releases) {
		release()
	}
	l.releases = nil
	return nil
}

// Method implements Login.
func (l *LoginForm) Method() login.Method { return l.form }

// Interface guards.
var (
	_ caddy.Provisioner     = (*LoginForm)(nil)
	_ caddy.CleanerUpper    = (*LoginForm)(nil)
	_ caddyfile.Unmarshaler = (*LoginForm)(nil)
	_ Login                 = (*LoginForm)(nil)
)
