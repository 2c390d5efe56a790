package token

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"
)

// RemoteKeySetConfig says where keys are fetched from.
type RemoteKeySetConfig struct {
	// Issuer is whose metadata names the keys, unless URL does.
	Issuer string
	// URL is where the keys are, or "" to find out from the Issuer.
	URL string
	// DiscoveryURL is where the Issuer's metadata is if it is not fetched from the
	// Issuer itself. It still has to name the Issuer.
	DiscoveryURL string
	// OpenID says that the Issuer signs people in: of its metadata the document of
	// OpenID Connect comes first, which a login reads too.
	OpenID bool
	// RootCAs replace the system's root certificates; nil: the system's.
	Roots *RootCAs
	// Bearer returns the credential to send to the origin of URL, else of
	// DiscoveryURL, else of Issuer; nil sends none. It is called for each fetch.
	Bearer func() (string, error)
	// Client names who fetches the keys, such as where Bearer is read from: sources
	// of different clients share nothing.
	Client string
	// MaxStale is how long keys count after they ceased to be fresh while the
	// issuer is out of reach; 0 means 24 hours.
	MaxStale time.Duration
	// Store keeps the last good keys over a restart; nil keeps them nowhere.
	Store Store
	// Report is told what happened and why: a failed fetch, keys that were left out or
	// could not be stored; nil tells nothing. It may be called from any goroutine.
	Report func(event string, err error)
	// Now is the clock; nil for time.Now.
	Now func() time.Time
}

// Key names the keys that a configuration leads to, for sharing and storing them:
// where they come from, which roots the connection trusts and which client asks. It tells no secret.
func (c RemoteKeySetConfig) Key() string {
	parts := []string{c.Issuer, c.URL, c.DiscoveryURL, c.Roots.Digest(), c.Client}
	if c.OpenID {
		parts = append(parts, "openid")
	}
	encoded, _ := json.Marshal(parts) // texts always encode
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:])
}

// Store keeps bytes over a restart.
type Store interface {
	// Load returns what was saved last, or an error if there is nothing.
	Load(ctx context.Context, name string) ([]byte, error)
	// Save replaces it.
	Save(ctx context.Context, name string, data []byte) error
}

// check reports what no source can be made of.
func (c RemoteKeySetConfig) check() error {
	if c.URL != "" && c.DiscoveryURL != "" {
		return errors.New("the URL of the keys and that of the metadata exclude each other")
	}
	_, err := CheckURL(cmp.Or(c.URL, c.DiscoveryURL, c.Issuer))
	return err
}
