package authn

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

func init() {
	caddy.RegisterModule(Basic{})
}

// Basic accepts names and passwords by HTTP's Basic scheme (RFC 7617).
type Basic struct {
	// The protection space, which browsers show; printable ASCII. Default: restricted.
	Realm string `json:"realm,omitempty"`

	// Files of users: users.yaml, or htpasswd with bcrypt. They are watched and
	// replaced as one; if one becomes invalid, the last good users stay in use.
	Users []string `json:"users,omitempty"`

	// Users in the configuration. At least one user or file is required.
	Inline []InlineUser `json:"inline,omitempty"`

	// The number of failures, of a user or of a client, after which further attempts
	// get 429. Default: 10 in 5m.
	Throttle *Throttle `json:"throttle,omitempty"`

	ChallengeOption

	verifier *basicVerifier
	releases []func()
}

// InlineUser is a user in the configuration itself.
type InlineUser struct {
	// The user name.
	Name string `json:"name"`
	// A bcrypt or argon2id hash of the password.
	Hash string `json:"hash"`
}

// CaddyModule returns the Caddy module information.
func (Basic) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".basic", New: func() caddy.Module { return new(Basic) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	basic [<realm>] {
//	    users <file>...
//	    user <name> <hash>
//	    throttle <failures> <window>
//	    challenge off
//	}
func (b *Basic) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if d.NextArg() {
		b.Realm = d.Val()
		if err := authenticator.CheckRealm(b.Realm); err != nil {
			return d.WrapErr(err)
		}
	}
	if d.NextArg() {
		return d.Errf("basic takes one realm and no further %q: quote a realm of several words, such as basic \"%s %s\"", d.Val(), b.Realm, d.Val())
	}
	return caddyfileutil.ValidatedBlock(d, "basic", caddyfileutil.Subdirectives{
		"users":     caddyfileutil.Strings(&b.Users),
		"user":      b.parseUser,
		"throttle":  parseThrottle(&b.Throttle),
		"challenge": b.ChallengeOption.parse(),
	}, b.check)
}

func (b *Basic) parseUser(d *caddyfile.Dispenser) error {
	var u InlineUser
	if !d.AllArgs(&u.Name, &u.Hash) {
		return d.Err("user wants a name and a hash: user <name> <hash>; caddy policy-auth hash makes one")
	}
	if _, err := users.NewUser(u.Name, u.Hash); err != nil {
		return d.WrapErr(err)
	}
	b.Inline = append(b.Inline, u)
	return nil
}

// check reports what is wrong whatever the files hold.
func (b *Basic) check() error {
	if len(b.Users) == 0 && len(b.Inline) == 0 {
		return errors.New("basic: name the users: users <file>, user <name> <hash> or both")
	}
	if b.Realm != "" {
		if err := authenticator.CheckRealm(b.Realm); err != nil {
			return fmt.Errorf("basic: %w", err)
		}
	}
	if err := cmp.Or(b.ChallengeOption.check(), b.Throttle.check()); err != nil {
		return fmt.Errorf("basic: %w", err)
	}
	return nil
}

// Provision reads the users.
func (b *Basic) Provision(caddy.Context) error {
	if err := b.check(); err != nil {
		return err
	}
	if b.Realm == "" {
		b.Realm = defaultRealm
	}
	if b.Throttle == nil {
		b.Throttle = defaultThrottle()
	}
	verifier, release, err := acquireBasic(b.Users, b.Inline, *b.Throttle)
	if err != nil {
		return fmt.Errorf("basic: users: %w", err)
	}
	b.verifier, b.releases = verifier, append(b.releases, release)
	return nil
}

// keepIn has what is kept of attempts kept in a store, and calls release with
// Cleanup.
func (b *Basic) keepIn(s store.Store, release func()) {
	b.releases = append(b.releases, release, b.verifier.keepIn(s))
}

// Cleanup lets go of the users.
func (b *Basic) Cleanup() error {
	for _, release := range slices.Backward(b.releases) {
		release()
	}
	b.releases = nil
	return nil
}

// Sources implements authenticator.Authenticator.
func (b *Basic) Sources() []authenticator.Source { return basicSources }

// basicSources is where names and passwords are.
var basicSources = []authenticator.Source{authenticator.FromScheme("Basic")}

// Authenticate implements authenticator.Authenticator.
func (b *Basic) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	name, password, ok := decodeBasic(c.Value)
	if !ok {
		return authenticator.Reject(authenticator.ReasonCredentialsInvalid, authenticator.Detail{Name: "problem", Value: "not base64 of name:password"})
	}
	result := b.verifier.verify(r.Context(), name, password, clientOf(r))
	if result.User == nil {
		outcome := authenticator.Outcome{Verdict: authenticator.Rejected, Reason: result.Reason, RetryAfter: result.RetryAfter, Cause: result.Cause, Candidate: result.Candidate, Details: result.Details}
		if result.Reason == authenticator.ReasonBusy {
			outcome.Verdict = authenticator.Unavailable
		}
		return outcome
	}
	return authenticator.Accept(result.User.Identity)
}

// decodeBasic takes a name and a password apart (RFC 7617, section 2): the
// first colon splits, so that passwords may have more. Padding may be missing.
func decodeBasic(value string) (name, password string, ok bool) {
	var buffer [256]byte // mostly it does not grow
	decoded, err := strictBase64.AppendDecode(buffer[:0], []byte(strings.TrimRight(value, "=")))
	if err != nil || strings.ContainsAny(value, "\r\n") {
		return "", "", false
	}
	return strings.Cut(string(decoded), ":")
}

// strictBase64 refuses unused bits that are not zero.
var strictBase64 = base64.RawStdEncoding.Strict()

// clientOf returns the client's address, the zero Addr if it is not known.
func clientOf(r *http.Request) netip.Addr {
	text, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// Challenges implements authenticator.Authenticator.
func (b *Basic) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	return b.offer(basicChallenge(b.Realm))
}

// basicChallenge asks for a name and a password (RFC 7617, section 2).
func basicChallenge(realm string) authenticator.Challenge {
	return authenticator.Challenge{Scheme: "Basic", Params: []authenticator.Param{{Name: "realm", Value: realm}, {Name: "charset", Value: "UTF-8"}}}
}

// basicVerifiers holds the users in use, with what is known of their failures:
// neither is lost by a reload of the configuration.
var basicVerifiers = pool.New[*basicVerifier]()

// basicVerifier verifies passwords of watched users.
type basicVerifier struct {
	*files.Watched[users.Users]
	throttle *users.Throttle
	verifier *users.Verifier
	changes  *userChanges
}

// acquireBasic returns the users of files and of the configuration, and what to
// call when they are no longer needed.
func acquireBasic(paths []string, inline []InlineUser, throttle Throttle) (*basicVerifier, func(), error) {
	return basicVerifiers.Acquire([]any{paths, inline, throttle}, func() (*basicVerifier, error) {
		return openBasic(paths, inline, throttle)
	})
}

func openBasic(paths []string, inline []InlineUser, throttle Throttle) (*basicVerifier, error) {
	parse := func(tree files.Tree) (*users.Users, error) { return parseUsers(tree, inline) }
	changes := new(userChanges)
	live, err := openFiles("users", paths, parse, changes.take)
	if err != nil {
		return nil, err
	}
	hashes := users.Hashes{Bcrypt: caddyauth.BcryptHash{}, Argon2id: caddyauth.Argon2idHash{}}
	slow := users.NewThrottle(throttle.Failures, time.Duration(throttle.Window), nil)
	return &basicVerifier{Watched: live, throttle: slow, verifier: users.NewVerifier(hashes, slow, hashing, nil), changes: changes}, nil
}

// keepIn has what is kept of attempts kept in a store, until release is called.
// The log is the process's own: shared users outlive a configuration.
func (v *basicVerifier) keepIn(s store.Store) (release func()) {
	return v.throttle.UseStore(s, func(err error) {
		caddy.Log().Named("http.handlers.policy_auth").Warn("the networks of users and the attempts of locked users are kept only in memory, because the store does not respond", zap.Error(err))
	})
}

func (v *basicVerifier) verify(ctx context.Context, name, password string, client netip.Addr) users.Result {
	return v.verifier.Verify(ctx, v.Load(), name, password, client)
}

// parseUsers reads all files and adds the users of the configuration.
func parseUsers(tree files.Tree, inline []InlineUser) (*users.Users, error) {
	var all []*users.User
	for _, path := range tree.Paths() {
		parsed, err := users.ParseUsers(path, tree[path])
		if err != nil {
			return nil, err
		}
		all = append(all, parsed...)
	}
	for _, u := range inline {
		user, err := users.NewUser(u.Name, u.Hash)
		if err != nil {
			return nil, err
		}
		all = append(all, user)
	}
	if len(all) == 0 {
		return nil, errors.New("there are no users in the files")
	}
	return users.NewUsers(all...)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Basic)(nil)
	_ caddy.CleanerUpper          = (*Basic)(nil)
	_ caddyfile.Unmarshaler       = (*Basic)(nil)
	_ authenticator.Authenticator = (*Basic)(nil)
)
