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

// RemoteKeySetConfig configures a RemoteKeySet.
type RemoteKeySetConfig struct {
	// Issuer is the issuer whose metadata has the URL of the keys, unless URL is
	// set.
	Issuer string
	// URL is the URL of the keys, or "" to discover it.
	URL string
	// DiscoveryURL is the URL of the Issuer's metadata if it is not below the
	// Issuer. The metadata must contain the Issuer.
	DiscoveryURL string
	// OpenID says that the Issuer is an OpenID provider, whose metadata is looked up
	// at the URL of OpenID Connect first.
	OpenID bool
	// RootCAs replace the system's root certificates; nil: the system's.
	Roots *RootCAs
	// Bearer returns the credential to send to the origin of URL, or else of
	// DiscoveryURL, or else of Issuer; nil sends none. It is called for each fetch.
	Bearer func() (string, error)
	// Client identifies the credential, for instance by its file. Key sets of
	// different clients are not shared.
	Client string
	// MaxStale is how long keys are used after they are no longer fresh while the
	// issuer is unavailable; 0 means 24 hours.
	MaxStale time.Duration
	// Store keeps the last fetched keys over a restart; nil means none.
	Store Store
	// Report is called with an event and its error: a failed fetch, skipped keys, or
	// keys that could not be stored. It may be nil, and may be called from any
	// goroutine.
	Report func(event string, err error)
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Key identifies the keys of a configuration for sharing and storing them: their
// URL, the root certificates and the client. It contains no secret.
func (c RemoteKeySetConfig) Key() string {
	parts := []string{c.Issuer, c.URL, c.DiscoveryURL, c.Roots.Digest(), c.Client}
	if c.OpenID {
		parts = append(parts, "openid")
	}
	encoded, _ := json.Marshal(parts) // strings always encode
	digest := sha256.Sum256(encoded)
	return hex.EncodeToString(digest[:])
}

// Store stores data over a restart.
type Store interface {
	// Load returns the data that was saved last, or an error if there is none.
	Load(ctx context.Context, name string) ([]byte, error)
	// Save replaces the data.
	Save(ctx context.Context, name string, data []byte) error
}

// check returns an error for an invalid configuration.
func (c RemoteKeySetConfig) check() error {
	if c.URL != "" && c.DiscoveryURL != "" {
		return errors.New("the URL of the keys and that of the metadata exclude each other")
	}
	_, err := CheckURL(cmp.Or(c.URL, c.DiscoveryURL, c.Issuer))
	return err
}
