// Package files watches operators' files and directories and hands over their
// contents only when they have settled: a file that is being written is not
// taken half-way, as long as its writer does not pause for 200 ms. Whoever
// renames a finished file over the old one need not rely on that.
package files

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
)

// Tree is what was seen in one look: the content of each file by its path, as
// the operator named it and joined with what is below a directory.
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

// Fingerprint names the tree's contents: equal trees have equal fingerprints.
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
