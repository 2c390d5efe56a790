package authn

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/caddyfileutil"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/pool"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

func init() {
	caddy.RegisterModule(APIKey{})
}

const defaultKeyHeader = "X-API-Key"

// APIKey accepts keys: long random secrets, of which keys.yaml has the hashes.
type APIKey struct {
	// Files of API keys. They are watched and replaced as one; if one becomes invalid,
	// the last good keys stay in use. Required.
	Keys []string `json:"keys,omitempty"`

	// Where the key is: "header", "bearer" or "basic_password" (the password of Basic;
	// the user name is ignored). Default: header.
	From string `json:"from,omitempty"`

	// The name of the header. Default: X-API-Key.
	Header string `json:"header,omitempty"`

	ChallengeOption

	sources []authenticator.Source
	keys    *keySource
	release func()
}

// CaddyModule returns the Caddy module information.
func (APIKey) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".api_key", New: func() caddy.Module { return new(APIKey) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	api_key {
//	    keys <file>...
//	    from header <name> | bearer | basic_password
//	    challenge off
//	}
func (k *APIKey) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if err := caddyfileutil.NoArgs(d, "api_key", "keys keys.yaml"); err != nil {
		return err
	}
	return caddyfileutil.ValidatedBlock(d, "api_key", caddyfileutil.Subdirectives{"keys": caddyfileutil.Strings(&k.Keys), "from": k.parseFrom, "challenge": k.ChallengeOption.parse()}, k.check)
}

func (k *APIKey) parseFrom(d *caddyfile.Dispenser) error {
	if k.From != "" {
		return d.Err("from is set twice")
	}
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("from wants a place: from header <name>, from bearer or from basic_password")
	}
	k.From = args[0]
	switch {
	case k.From == "header" && len(args) == 2:
		k.Header = args[1]
	case k.From == "header":
		return d.Errf("from header wants one name, not %d, such as from header X-API-Key", len(args)-1)
	case len(args) > 1 && (k.From == "bearer" || k.From == "basic_password"):
		return d.Errf("from %s takes no name, not %q; only header takes one, such as from header X-API-Key", k.From, args[1])
	}
	if err := k.checkFrom(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// check reports what is wrong whatever the files hold.
func (k *APIKey) check() error {
	if len(k.Keys) == 0 {
		return errors.New("api_key: name the file of keys: keys <file>")
	}
	if err := cmp.Or(k.ChallengeOption.check(), k.checkFrom()); err != nil {
		return fmt.Errorf("api_key: %w", err)
	}
	return nil
}

func (k *APIKey) checkFrom() error {
	switch k.From {
	case "", "header", "bearer", "basic_password":
	default:
		return errors.New(caddyfileutil.Unknown("place of a key", k.From, []string{"header", "bearer", "basic_password"}))
	}
	if k.Header != "" && !httpguts.ValidHeaderFieldName(k.Header) {
		return fmt.Errorf("%q is not a header's name", k.Header)
	}
	if k.Header != "" && authenticator.FromHeader(k.Header).Check() != nil {
		return fmt.Errorf("a key cannot be the whole of %s; bearer and basic_password read Authorization", k.Header)
	}
	return nil
}

// Provision reads the keys.
func (k *APIKey) Provision(caddy.Context) error {
	if err := k.check(); err != nil {
		return err
	}
	if k.Header == "" {
		k.Header = defaultKeyHeader
	}
	switch k.From {
	case "bearer":
		k.sources = bearerSources
	case "basic_password":
		k.sources = basicSources
	default:
		k.sources = []authenticator.Source{authenticator.FromHeader(k.Header)}
	}
	var err error
	k.keys, k.release, err = keySources.Acquire(k.Keys, func() (*keySource, error) {
		live, err := openFiles("keys", k.Keys, parseKeys, nil)
		return &keySource{live}, err
	})
	if err != nil {
		return fmt.Errorf("api_key: keys: %w", err)
	}
	return nil
}

// Cleanup lets go of the keys.
func (k *APIKey) Cleanup() error {
	if k.release != nil {
		k.release()
	}
	return nil
}

// Sources implements authenticator.Authenticator.
func (k *APIKey) Sources() []authenticator.Source { return k.sources }

// Authenticate implements authenticator.Authenticator. A secret that is no key may be what
// another method reads from the same source.
func (k *APIKey) Authenticate(r *http.Request, c authenticator.Credential) authenticator.Outcome {
	secret := c.Value
	if k.From == "basic_password" {
		_, secret, _ = decodeBasic(c.Value)
	}
	key, reason := k.keys.Load().Verify(secret, clientOf(r), time.Now())
	switch {
	case key == nil:
		return authenticator.Outcome{Verdict: authenticator.Unclaimed, Reason: reason}
	case reason != authenticator.ReasonNone:
		outcome := authenticator.Reject(reason, authenticator.Detail{Name: "key_id", Value: key.ID})
		outcome.Candidate = key.Identity.ID
		return outcome
	}
	return authenticator.Accept(key.Identity)
}

// Challenges implements authenticator.Authenticator. Keys in a header have no registered
// scheme; ApiKey tells programs what is wanted without making a browser ask for
// a password (R-CH-8).
func (k *APIKey) Challenges(d authenticator.ChallengeRequest) []authenticator.Challenge {
	switch k.From {
	case "bearer":
		return k.offer(bearerChallenge(d))
	case "basic_password":
		return k.offer(basicChallenge(defaultRealm))
	}
	return k.offer(keyChallenge(k.Header))
}

// keyChallenge asks for a credential in a header of its own.
func keyChallenge(header string) authenticator.Challenge {
	return authenticator.Challenge{Scheme: "ApiKey", Params: []authenticator.Param{{Name: "realm", Value: defaultRealm}, {Name: "header", Value: header}}}
}

// keySources holds the keys in use, shared between sites.
var keySources = pool.New[*keySource]()

// keySource is a set of watched keys.
type keySource struct{ *files.Watched[users.APIKeys] }

func parseKeys(tree files.Tree) (*users.APIKeys, error) {
	var all []*users.APIKey
	for _, path := range tree.Paths() {
		parsed, err := users.ParseAPIKeys(path, tree[path])
		if err != nil {
			return nil, err
		}
		all = append(all, parsed...)
	}
	if len(all) == 0 {
		return nil, errors.New("there are no keys in the files")
	}
	return users.NewAPIKeys(all...)
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*APIKey)(nil)
	_ caddy.CleanerUpper          = (*APIKey)(nil)
	_ caddyfile.Unmarshaler       = (*APIKey)(nil)
	_ authenticator.Authenticator = (*APIKey)(nil)
)
