package bundle

import (
	"crypto/sha256"
	"maps"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// parseCache remembers what was made of files, by their paths, for as long as their
// content is the same. What it returns is not to be changed.
type parseCache[T any] map[string]parsedFile[T]

// parsedFile is what was made of one content.
type parsedFile[T any] struct {
	digest [sha256.Size]byte
	value  T
}

// of returns the result of make for the content of a file. It does not cache errors.
func (m parseCache[T]) of(path string, content []byte, make func() (T, error)) (T, error) {
	digest := sha256.Sum256(content)
	if known, ok := m[path]; ok && known.digest == digest {
		return known.value, nil
	}
	value, err := make()
	if err == nil {
		m[path] = parsedFile[T]{digest, value}
	}
	return value, err
}

// forget lets go of files that are gone.
func (m parseCache[T]) forget(tree files.Tree) {
	maps.DeleteFunc(m, func(path string, _ parsedFile[T]) bool { _, there := tree[path]; return !there })
}
