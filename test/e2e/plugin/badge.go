// Package badge is an authentication method of another plugin, as the documentation
// of package authenticator describes one. A test builds it into Caddy.
package badge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func init() {
	caddy.RegisterModule(Badge{})
}

// minKey is how many bytes a key has at least.
const minKey = 16

// Badge accepts badges: "Authorization: Badge <id>:<code>", where the code is the
// HMAC-SHA-256 of the id, in hexadecimal.
type Badge struct {
	// The key of the codes, at least 16 bytes. Placeholders are replaced; an unknown
	// or empty one is an error. Required.
	Key string `json:"key,omitempty"`

	// The realm of the challenge. Default: badges.
	Realm string `json:"realm,omitempty"`

	key []byte
}

// CaddyModule returns the Caddy module information.
func (Badge) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: authenticator.Namespace + ".badge", New: func() caddy.Module { return new(Badge) }}
}

// UnmarshalCaddyfile sets up the method from Caddyfile tokens. Syntax:
//
//	badge {
//	    key <key>
//	    realm <realm>
//	}
func (b *Badge) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the method's name
	if d.NextArg() {
		return d.ArgErr()
	}
	options := map[string]*string{"key": &b.Key, "realm": &b.Realm}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		name := d.Val()
		value, known := options[name]
		switch {
		case !known:
			return d.Errf("unknown option %q of badge, want key or realm", name)
		case *value != "":
			return d.Errf("%s is set twice", name)
		case !d.AllArgs(value):
			return d.ArgErr()
		}
		if err := b.check(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// check reports values that no badge could have.
func (b *Badge) check() error {
	if b.Realm != "" {
		if err := authenticator.CheckRealm(b.Realm); err != nil {
			return fmt.Errorf("badge: %w", err)
		}
	}
	return nil
}

// Provision reads the key.
func (b *Badge) Provision(caddy.Context) error {
	if err := b.check(); err != nil {
		return err
	}
	key, err := caddy.NewReplacer().ReplaceOrErr(b.Key, true, true)
	switch {
	case err != nil:
		return fmt.Errorf("badge: key: %w", err)
	case len(key) < minKey:
		return errors.New("badge: key: want at least 16 bytes")
	}
	b.key = []byte(key)
	if b.Realm == "" {
		b.Realm = "badges"
	}
	return nil
}

// Sources implements authenticator.Authenticator.
func (b *Badge) Sources() []authenticator.Source {
	return []authenticator.Source{authenticator.FromScheme("Badge")}
}

// Authenticate implements authenticator.Authenticator.
func (b *Badge) Authenticate(_ *http.Request, c authenticator.Credential) authenticator.Outcome {
	id, code, found := strings.Cut(c.Value, ":")
	sent, err := hex.DecodeString(code)
	if !found || err != nil || id == "" {
		return authenticator.Outcome{Verdict: authenticator.Malformed, Reason: authenticator.ReasonCredentialsInvalid}
	}
	mac := hmac.New(sha256.New, b.key)
	mac.Write([]byte(id))
	if !hmac.Equal(sent, mac.Sum(nil)) {
		return authenticator.Reject(authenticator.ReasonCredentialsInvalid, authenticator.Detail{Name: "problem", Value: "the code is not the one of the badge"})
	}
	if id == "broken" {
		panic("the reader is broken") // for the test of what a method's panic does
	}
	return authenticator.Accept(&authenticator.Identity{
		Authenticated: true, ID: id, Kind: authenticator.KindUser, Groups: []string{"staff"}, Claims: map[string]any{"length": len(id)},
	})
}

// Challenges implements authenticator.Authenticator.
func (b *Badge) Challenges(authenticator.ChallengeRequest) []authenticator.Challenge {
	return []authenticator.Challenge{{Scheme: "Badge", Params: []authenticator.Param{{Name: "realm", Value: b.Realm}}}}
}

// Interface guards.
var (
	_ caddy.Provisioner           = (*Badge)(nil)
	_ caddyfile.Unmarshaler       = (*Badge)(nil)
	_ authenticator.Authenticator = (*Badge)(nil)
)
