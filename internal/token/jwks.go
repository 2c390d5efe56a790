package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// maxSetKeys is the maximum number of keys in a set.
const maxSetKeys = 256

// ParseJWKSet returns the usable public keys of a JWK Set (RFC 7517, section 5). It
// skips keys that are invalid, of unsupported types or not for verifying
// signatures, and all keys with a kid that names different keys of one type and
// curve. Skipped has an error for each, which contains no key material. A set
// without a usable key is an error.
func ParseJWKSet(data []byte) (set *KeySet, skipped []error, err error) {
	entries, err := setEntries(data)
	if err != nil {
		return nil, nil, fmt.Errorf("the key set %w", err)
	}
	if len(entries) > maxSetKeys {
		return nil, nil, fmt.Errorf("the key set has more than %d keys", maxSetKeys)
	}
	var keys []Key
	for i, entry := range entries {
		key, err := parseJWK(entry)
		if err != nil {
			skipped = append(skipped, fmt.Errorf("key %d of the key set %w", i+1, err))
			continue
		}
		keys = append(keys, key)
	}
	keys, ambiguous := dropAmbiguous(keys)
	skipped = append(skipped, ambiguous...)
	if len(keys) == 0 {
		return nil, skipped, errors.New("the key set has no usable key")
	}
	set, err = NewKeySet(keys...)
	return set, skipped, err
}

// ParseJWKFile returns the usable keys of a file with a JWK Set, and why others
// were skipped, like ParseJWKSet. A private key or a secret in the file is an
// error.
func ParseJWKFile(name string, data []byte) (keys []Key, skipped []error, err error) {
	set, skipped, err := ParseJWKSet(data)
	if i := slices.IndexFunc(skipped, func(err error) bool { return errors.Is(err, errNotPublic) }); i >= 0 {
		err = skipped[i]
	}
	if err != nil {
		return nil, skipped, fmt.Errorf("%s: %w", name, err)
	}
	return set.keys, skipped, nil
}

// setEntries returns the items of the member keys undecoded, so that an invalid one
// does not affect the others. Other members are ignored.
func setEntries(data []byte) ([]json.RawMessage, error) {
	if !json.Valid(data) {
		return nil, errors.New("is not JSON")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil, errors.New("is not a JSON object")
	}
	var keys json.RawMessage
	for decoder.More() {
		var value json.RawMessage
		name, err := decoder.Token()
		if err != nil || decoder.Decode(&value) != nil {
			return nil, errors.New("is not JSON")
		}
		if name != "keys" {
			continue
		}
		if keys != nil {
			return nil, errors.New("has two members named keys")
		}
		keys = value
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(keys, &entries); err != nil || entries == nil {
		return nil, errors.New("has no list of keys")
	}
	return entries, nil
}

// dropAmbiguous removes the keys whose kid also names another key of the same type
// and curve, because a token's kid does not identify one of them. Keys of different
// types with one kid are alternatives (RFC 7517, section 4.5), which the algorithm
// distinguishes.
func dropAmbiguous(keys []Key) (kept []Key, skipped []error) {
	type name struct{ kid, kind string }
	prints := map[name]map[string]bool{}
	for _, k := range keys {
		n := name{k.id, k.keyType()}
		if prints[n] == nil {
			prints[n] = map[string]bool{}
		}
		prints[n][k.thumbprint] = true
	}
	reported := map[name]bool{}
	for _, k := range keys {
		n := name{k.id, k.keyType()}
		switch {
		case k.id == "" || len(prints[n]) == 1:
			kept = append(kept, k)
		case !reported[n]:
			reported[n] = true
			skipped = append(skipped, fmt.Errorf("the kid %s of the key set names %d different keys of one type", printable(k.id), len(prints[n])))
		}
	}
	return kept, skipped
}
