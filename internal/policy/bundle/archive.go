package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

// archiveSuffix is how the names of packed bundles end.
const archiveSuffix = ".tar.gz"

// Limits of a packed bundle. What is larger is refused while it is unpacked.
const (
	maxUnpackedBytes = 256 << 20
	maxArchiveFiles  = 20_000
	maxArchiveDepth  = 32 // directories above a file
	maxNameBytes     = 1024
)

// IsArchive reports whether a source is a packed bundle.
func IsArchive(path string) bool { return strings.HasSuffix(path, archiveSuffix) }

// archives returns the sources that are packed bundles.
func (o Options) archives() []string {
	return slices.DeleteFunc(slices.Clone(o.Sources), func(path string) bool { return !IsArchive(path) })
}

// unpack returns a tree in which each packed bundle is replaced by its files, as if it
// were a directory. An archive that has not changed is not unpacked again.
func (l *Loader) unpack(tree files.Tree) (files.Tree, error) {
	archives := l.options.archives()
	if len(archives) == 0 {
		return tree, nil
	}
	verify, err := l.verifier(tree)
	if err != nil {
		return nil, err
	}
	l.archives.forget(tree)
	unpacked := maps.Clone(tree)
	var problems []error
	for _, archive := range archives {
		content, err := l.archives.of(archive, tree[archive], func() (files.Tree, error) { return l.readArchive(archive, tree[archive], verify) })
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", archive, err))
		}
		delete(unpacked, archive)
		maps.Copy(unpacked, content)
	}
	for _, key := range l.options.VerifyKeys {
		delete(unpacked, key.Path)
	}
	return unpacked, JoinErrors(problems)
}

// readArchive returns the files of a packed bundle that are loaded, below its path. It
// verifies all of its files.
func (l *Loader) readArchive(archive string, content []byte, verify verifier) (files.Tree, error) {
	entries, err := readEntries(content, maxUnpackedBytes)
	if err != nil {
		return nil, err
	}
	if _, delta := entries[deltaName]; delta {
		return nil, fmt.Errorf("%s: a delta bundle only changes another bundle, and only whole bundles are read", deltaName)
	}
	if err := verify(entries); err != nil {
		return nil, err
	}
	delete(entries, signaturesName)
	include, tree := l.options.Files(l.tests).Include, files.Tree{}
	for name, data := range entries {
		if at := filepath.Join(archive, filepath.FromSlash(name)); visible(name) && include(at) {
			tree[at] = data
		}
	}
	return tree, nil
}

// deltaName is the file of a delta bundle.
const deltaName = "patch.json"

// visible reports whether no directory above a file has a name that begins with a dot:
// in a directory of policies, such directories are skipped.
func visible(name string) bool {
	above := path.Dir(name)
	return above == "." || !strings.HasPrefix(above, ".") && !strings.Contains(above, "/.")
}

// readEntries returns the content of each file of a tar archive that is compressed with
// gzip, by its name without a leading slash. It holds an archive to the limits above, and
// to a limit of bytes unpacked.
func readEntries(content []byte, limit int64) (map[string][]byte, error) {
	unzipped, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("the file is not compressed with gzip: %w; make it with \"opa build\"", err)
	}
	bounded := &io.LimitedReader{R: unzipped, N: limit + 1}
	entries, err := readTar(bounded)
	if bounded.N == 0 {
		err = fmt.Errorf("the bundle has more than %d bytes unpacked", limit)
	}
	return entries, err
}

// readTar returns the content of each file of a tar archive, which is read to its end: a
// checksum stands there.
func readTar(r io.Reader) (map[string][]byte, error) {
	archive, entries := tar.NewReader(r), map[string][]byte{}
	for count := 1; ; count++ {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			if _, err = io.Copy(io.Discard, r); err == nil {
				return entries, nil
			}
			fallthrough
		case err != nil:
			return nil, fmt.Errorf("the archive is damaged: %w", err)
		case count > maxArchiveFiles:
			return nil, fmt.Errorf("the bundle has more than %d entries", maxArchiveFiles)
		}
		if err := readEntry(entries, header, archive); err != nil {
			return nil, err
		}
	}
}

// readEntry adds one entry of an archive.
func readEntry(entries map[string][]byte, header *tar.Header, archive io.Reader) error {
	switch header.Typeflag {
	case tar.TypeReg:
	case tar.TypeDir, tar.TypeXGlobalHeader:
		return nil
	default:
		return fmt.Errorf("%q is neither a file nor a directory; bundles have no links", shown(header.Name))
	}
	name, err := entryName(header.Name)
	if err != nil {
		return err
	}
	if _, twice := entries[name]; twice {
		return fmt.Errorf("%q is in the archive twice", shown(name))
	}
	if entries[name], err = io.ReadAll(archive); err != nil {
		return fmt.Errorf("%q: the archive is damaged: %w", shown(name), err)
	}
	return nil
}

// entryName returns the name of an entry relative to the root of its bundle. Names that
// lead out of it, or that systems read differently, are errors.
func entryName(name string) (string, error) {
	relative := path.Clean(strings.TrimLeft(name, "/"))
	switch {
	case len(name) > maxNameBytes, strings.Count(name, "/") > maxArchiveDepth:
		return "", fmt.Errorf("the name %q is longer than %d bytes or more than %d directories deep", shown(name), maxNameBytes, maxArchiveDepth)
	case slices.Contains(strings.Split(name, "/"), ".."), strings.ContainsAny(name, "\\\x00:"), !filepath.IsLocal(filepath.FromSlash(relative)), relative == ".":
		return "", fmt.Errorf("%q is not a name of a file in a bundle", shown(name))
	}
	return relative, nil
}

// shown returns the beginning of a name, for errors.
func shown(name string) string { return name[:min(len(name), 100)] }
