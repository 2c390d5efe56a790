package policy

import (
	"crypto/sha256"
	"maps"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// memo remembers what was made of files, by their paths, for as long as their
// content is the same. What it returns is not to be changed.
type memo[T any] map[string]remembered[T]

// remembered is what was made of one content.
type remembered[T any] struct {
	digest [sha256.Size]byte
	value  T
}

// of returns what make makes of a file's content. An error is not remembered.
func (m memo[T]) of(path string, content []byte, make func() (T, error)) (T, error) {
	digest := sha256.Sum256(content)
	if known, ok := m[path]; ok && known.digest == digest {
		return known.value, nil
	}
	value, err := make()
	if err == nil {
		m[path] = remembered[T]{digest, value}
	}
	return value, err
}

// forget lets go of files that are gone.
func (m memo[T]) forget(tree files.Tree) {
	maps.DeleteFunc(m, func(path string, _ remembered[T]) bool { _, there := tree[path]; return !there })
}
