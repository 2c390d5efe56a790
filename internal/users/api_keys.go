package users

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// APIKey is an API key. Only its hash is known. It is immutable.
type APIKey struct {
	// ID names the key in logs.
	ID string
	// Disabled says that the key does not count.
	Disabled bool
	// Expires is when it stops counting; zero for never.
	Expires time.Time
	// Networks are the networks from which the key is accepted; none means all.
	Networks []netip.Prefix
	// Identity is the identity of requests with the key.
	Identity *authenticator.Identity

	digest [sha256.Size]byte
}

// APIKeys is an immutable set of API keys.
type APIKeys struct {
	byDigest map[[sha256.Size]byte]*APIKey
}

const (
	// minKey is how many characters 128 random bits take in base64.
	minKey = 22
	maxKey = 4 << 10
)

// NewAPIKeys returns a set of keys. Two keys with the same ID or the same hash are
// an error.
func NewAPIKeys(keys ...*APIKey) (*APIKeys, error) {
	set := &APIKeys{byDigest: make(map[[sha256.Size]byte]*APIKey, len(keys))}
	ids := map[string]bool{}
	for _, key := range keys {
		if ids[key.ID] || set.byDigest[key.digest] != nil {
			return nil, fmt.Errorf("key %s: its id or its hash is there twice", key.ID)
		}
		ids[key.ID] = true
		set.byDigest[key.digest] = key
	}
	return set, nil
}

// Verify returns the key of a secret and the reason why it is rejected, which is ""
// for an accepted key. For an unknown secret it returns nil and
// credentials_invalid.
func (k *APIKeys) Verify(secret string, client netip.Addr, now time.Time) (*APIKey, authenticator.Reason) {
	if len(secret) < minKey || len(secret) > maxKey {
		return nil, authenticator.ReasonCredentialsInvalid
	}
	var secretBytes [maxKey]byte // on the stack
	digest := sha256.Sum256(secretBytes[:copy(secretBytes[:], secret)])
	key := k.byDigest[digest]
	switch {
	case key == nil || subtle.ConstantTimeCompare(key.digest[:], digest[:]) != 1:
		return nil, authenticator.ReasonCredentialsInvalid
	case key.Disabled, !key.Expires.IsZero() && !now.Before(key.Expires), !key.within(client):
		return key, authenticator.ReasonAccountDisabled
	}
	return key, authenticator.ReasonNone
}

// within reports whether the key is accepted from a client. A client with an
// unknown address is in no network.
func (k *APIKey) within(client netip.Addr) bool {
	client = client.Unmap().WithZone("")
	return len(k.Networks) == 0 || slices.ContainsFunc(k.Networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

// keyKeys are the allowed fields of an entry in keys.yaml.
var keyKeys = []string{"id", "hash", "owner", "roles", "scopes", "networks", "expires", "disabled"}

// keyRecord is an entry in keys.yaml.
type keyRecord struct {
	ID       string    `yaml:"id"`
	Hash     string    `yaml:"hash"`
	Owner    string    `yaml:"owner"`
	Roles    []string  `yaml:"roles"`
	Scopes   []string  `yaml:"scopes"`
	Networks []string  `yaml:"networks"`
	Expires  time.Time `yaml:"expires"`
	Disabled bool      `yaml:"disabled"`
}

// ParseAPIKeys parses keys.yaml. A file without keys is an error. Errors name the
// file, the line and the field.
func ParseAPIKeys(name string, data []byte) ([]*APIKey, error) {
	list, err := document(name, data, "keys")
	if err != nil {
		return nil, err
	}
	if list.Kind != yaml.SequenceNode || len(list.Content) == 0 {
		return nil, fmt.Errorf("%s:%d: keys: want a list with at least one key", name, list.Line)
	}
	var keys []*APIKey
	for _, item := range list.Content {
		if err := fields(name, item, "a key", keyKeys); err != nil {
			return nil, err
		}
		var r keyRecord
		if err := item.Decode(&r); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, item.Line, err)
		}
		key, err := newKey(r, hasField(item, "networks"))
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, item.Line, err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// hasField reports whether a mapping has a field. An empty list of networks must
// not mean all networks.
func hasField(node *yaml.Node, name string) bool {
	for i := 0; i < len(node.Content); i += 2 {
		if node.Content[i].Value == name {
			return true
		}
	}
	return false
}

var digestForm = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

func newKey(r keyRecord, bound bool) (*APIKey, error) {
	switch {
	case r.ID == "" && r.Owner == "":
		return nil, errors.New("a key has neither id nor owner, which are both required")
	case r.ID == "":
		return nil, fmt.Errorf("a key of the owner %q has no id, which is required", r.Owner)
	case r.Owner == "":
		return nil, fmt.Errorf("key %q has no owner, which is required: it is the id of the callers who use the key", r.ID)
	case strings.ContainsFunc(r.ID+r.Owner, unicode.IsControl):
		return nil, fmt.Errorf("key %q: id and owner have no control characters", r.ID)
	case !digestForm.MatchString(r.Hash):
		return nil, fmt.Errorf("key %s: hash: want sha256: and 64 hexadecimal digits, as sha256sum prints them", r.ID)
	case bound && len(r.Networks) == 0:
		return nil, fmt.Errorf("key %s: networks: the list is empty", r.ID)
	}
	key := &APIKey{ID: r.ID, Disabled: r.Disabled, Expires: r.Expires}
	digest, err := hex.DecodeString(strings.TrimPrefix(r.Hash, "sha256:"))
	if err != nil {
		return nil, fmt.Errorf("key %s: hash: %w", r.ID, err)
	}
	key.digest = [sha256.Size]byte(digest)
	for _, text := range r.Networks {
		prefix, err := parseNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("key %s: networks: %w", r.ID, err)
		}
		key.Networks = append(key.Networks, prefix)
	}
	id := &authenticator.Identity{
		Authenticated: true, Kind: authenticator.KindClient, ID: r.Owner, Method: "api_key", Roles: r.Roles, Scopes: r.Scopes,
		Claims: map[string]any{"key_id": r.ID},
	}
	if !r.Expires.IsZero() {
		id.ExpiresAt = r.Expires.Unix()
	}
	key.Identity = id.Normalize()
	return key, nil
}

// parseNetwork parses a prefix or an address.
func parseNetwork(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
		return netip.Prefix{}, fmt.Errorf("%q is not a network: write a prefix such as 10.0.0.0/8, without host bits, or an address", text)
	}
	return prefix, nil
}
