// Package files reads and watches files and directories. It returns their contents only when
// they have settled, so that a file is not read while it is being written, unless its writer
// pauses for more than 200 ms. To be sure, write a new file and rename it over the old one.
package files

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Tree has the content of each file by its path, which begins with the path in Options.
type Tree map[string][]byte

// Paths returns the paths of the tree's files, sorted.
func (t Tree) Paths() []string {
	paths := make([]string, 0, len(t))
	for path := range t {
		paths = append(paths, path)
	}
	slices.Sort(paths)
	return paths
}

// Fingerprint returns a hash of the paths and contents.
func (t Tree) Fingerprint() string {
	digest := sha256.New()
	length := make([]byte, 8)
	for _, path := range t.Paths() {
		for _, part := range [][]byte{[]byte(path), t[path]} {
			binary.BigEndian.PutUint64(length, uint64(len(part)))
			digest.Write(length)
			digest.Write(part)
		}
	}
	return hex.EncodeToString(digest.Sum(nil))
}
