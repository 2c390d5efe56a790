package dpop

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// maxNonceAge is how long a nonce may be used.
const maxNonceAge = 5 * time.Minute

const (
	nonceTime = 8  // bytes of the time, in milliseconds since 1970
	nonceMAC  = 16 // bytes of the MAC
)

// nonces makes and verifies nonces (RFC 9449, section 8). A nonce is the time when it was
// made with a MAC of it, so that no nonce is stored and every machine with the same key
// accepts it.
type nonces struct {
	key func(context.Context) ([]byte, error)
}

// make returns a nonce. It fails only if the key is unavailable.
func (n nonces) make(ctx context.Context, now time.Time) (string, error) {
	key, err := n.key(ctx)
	if err != nil {
		return "", err
	}
	made := binary.BigEndian.AppendUint64(make([]byte, 0, nonceTime+sha256.Size), uint64(now.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(made, mac(key, made)...)), nil
}

// time returns when a nonce was made, or the zero time if it is no nonce of this key.
// It fails only if the key is unavailable.
func (n nonces) time(ctx context.Context, nonce string) (time.Time, error) {
	key, err := n.key(ctx)
	if err != nil {
		return time.Time{}, err
	}
	data, err := base64.RawURLEncoding.DecodeString(nonce)
	if err != nil || len(data) != nonceTime+nonceMAC || !hmac.Equal(mac(key, data[:nonceTime]), data[nonceTime:]) {
		return time.Time{}, nil
	}
	return time.UnixMilli(int64(binary.BigEndian.Uint64(data))), nil //nolint:gosec // as make wrote it
}

// mac returns the MAC of a nonce's time.
func mac(key, made []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(made)
	return h.Sum(nil)[:nonceMAC]
}
