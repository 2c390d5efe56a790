package bundle

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/open-policy-agent/opa/v1/bundle"

	"github.com/policyauth/caddy-policy-auth/internal/files"
)

const authzModule = "package caddy.authz\n\nallow if data.open\n"

// packed returns a tar archive, compressed with gzip, of headers and their contents.
func packed(t testing.TB, headers []tar.Header, contents ...string) []byte {
	t.Helper()
	var buffer bytes.Buffer
	zipped := gzip.NewWriter(&buffer)
	archive := tar.NewWriter(zipped)
	for i, header := range headers {
		if header.Typeflag == 0 {
			header.Typeflag = tar.TypeReg
		}
		if header.Mode = 0o600; i < len(contents) {
			header.Size = int64(len(contents[i]))
		}
		if err := archive.WriteHeader(&header); err != nil {
			t.Fatal(err)
		}
		if i < len(contents) {
			if _, err := io.WriteString(archive, contents[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zipped.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.Bytes()
}

// packedFiles returns an archive of files, sorted by name.
func packedFiles(t testing.TB, entries map[string]string) []byte {
	t.Helper()
	var headers []tar.Header
	var contents []string
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		headers, contents = append(headers, tar.Header{Name: name}), append(contents, entries[name])
	}
	return packed(t, headers, contents...)
}

// archiveOptions writes archives to files and returns options that load them.
func archiveOptions(t testing.TB, archives ...[]byte) Options {
	t.Helper()
	dir, options := t.TempDir(), Options{Decision: "data.caddy.authz.allow"}
	for i, content := range archives {
		path := filepath.Join(dir, string(rune('a'+i))+archiveSuffix)
		writeFile(t, path, content)
		options.Sources = append(options.Sources, path)
	}
	return options
}

func writeFile(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestArchive: a packed bundle is loaded as a directory of its files is, whether the
// names begin with a slash, as those that "opa build" makes, or not.
func TestArchive(t *testing.T) {
	for _, prefix := range []string{"", "/", "./"} {
		options := archiveOptions(t, packedFiles(t, map[string]string{
			prefix + "authz.rego": authzModule, prefix + "data.json": `{"open": true}`, prefix + "team/data.yaml": "size: 3\n",
			prefix + ".manifest": `{"revision": "r7", "roots": ["caddy/authz", "open", "team"]}`, prefix + "README.md": "prose", prefix + ".git/x.rego": "no Rego",
			prefix + "authz_test.rego": "package caddy.authz_test\n\ntest_x if true\n",
		}))
		b, err := Read(t.Context(), options, Checker{})
		if err != nil {
			t.Fatal(err)
		}
		archive := options.Sources[0]
		if _, there := b.Modules[archive+"/authz.rego"]; !there || !strings.HasPrefix(b.Revision, "r7+") || len(b.Tests) != 1 {
			t.Errorf("%q: modules %v, tests %v, revision %s", prefix, b.Modules, b.Tests, b.Revision)
		}
		if size, err := b.Data.Find(Ref("data.team.size")[1:]); err != nil || size.String() != "3" {
			t.Errorf("%q: data.team.size is %v, %v", prefix, size, err)
		}
	}
}

// TestArchiveUnpackedOnce: an archive is unpacked and verified again only if it or a key
// has changed.
func TestArchiveUnpackedOnce(t *testing.T) {
	key, public := signingKey(t)
	options := Options{Decision: "data.caddy.authz.allow", Sources: []string{"/a.tar.gz", "/b"}, VerifyKeys: []VerifyKey{{Path: "/key.pem"}}, Roots: map[string][]string{"/a.tar.gz": {"caddy"}}}
	tree := files.Tree{"/a.tar.gz": signed(t, key, "", map[string]string{"authz.rego": authzModule}), "/b/data.json": []byte(`{"open": true}`), "/key.pem": public}
	l := NewLoader(options, Checker{})
	load := func() error { _, err := l.Load(tree); return err }
	if err := load(); err != nil {
		t.Fatal(err)
	}
	before := l.archives["/a.tar.gz"].value
	tree["/b/data.json"] = []byte(`{"open": false}`)
	if err := load(); err != nil || &l.archives["/a.tar.gz"].value["/a.tar.gz/authz.rego"][0] != &before["/a.tar.gz/authz.rego"][0] {
		t.Errorf("unpacked again: %v", err)
	}
	_, tree["/key.pem"] = signingKey(t)
	if err := load(); err == nil {
		t.Error("loaded with a key that did not sign it")
	}
}

// TestArchiveErrors: what no bundle may be.
func TestArchiveErrors(t *testing.T) {
	deep := strings.Repeat("d/", maxArchiveDepth+1) + "a.rego"
	many := make([]tar.Header, maxArchiveFiles+1)
	for i := range many {
		many[i] = tar.Header{Name: "d/", Typeflag: tar.TypeDir}
	}
	good := packedFiles(t, map[string]string{"authz.rego": authzModule, "data.json": `{"open": "` + strings.Repeat("x", 4096) + `"}`})
	damaged := slices.Clone(good)
	damaged[len(damaged)-8] ^= 1 // the checksum
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"no gzip", []byte(authzModule), "not compressed with gzip"},
		{"empty", nil, "not compressed with gzip"},
		{"cut", good[:len(good)/2], "damaged"},
		{"without its end", good[:len(good)-8], "damaged"},
		{"damaged", damaged, "damaged"},
		{"nothing in it", packedFiles(t, nil), "neither policies"},
		{"a way out", packedFiles(t, map[string]string{"../authz.rego": authzModule}), "not a name"},
		{"a way out further down", packedFiles(t, map[string]string{"a/../../authz.rego": authzModule}), "not a name"},
		{"a backslash", packedFiles(t, map[string]string{`a\authz.rego`: authzModule}), "not a name"},
		{"a drive", packedFiles(t, map[string]string{"c:/authz.rego": authzModule}), "not a name"},
		{"no name", packedFiles(t, map[string]string{"/.": ""}), "not a name"},
		{"deep", packedFiles(t, map[string]string{deep: authzModule}), "directories deep"},
		{"twice", packed(t, []tar.Header{{Name: "authz.rego"}, {Name: "./authz.rego"}}, authzModule, authzModule), "twice"},
		{"a link", packed(t, []tar.Header{{Name: "authz.rego", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}}), "neither a file nor a directory"},
		{"many", packed(t, many), "more than 20000 entries"},
		{"a delta", packedFiles(t, map[string]string{"patch.json": `{"data": []}`}), "only whole bundles"},
		{"signed", packedFiles(t, map[string]string{"authz.rego": authzModule, ".signatures.json": "{}"}), "verify_key"},
		{"signed elsewhere", packedFiles(t, map[string]string{"authz.rego": authzModule, "a/.signatures.json": "{}"}), "verify_key"},
		{"a foreign root", packedFiles(t, map[string]string{"authz.rego": authzModule, ".manifest": `{"roots": ["other"]}`}), "outside of the roots"},
		{"the masks of the log", packedFiles(t, map[string]string{"authz.rego": authzModule, "mask.rego": "package system.log\n\nmask contains \"/input\"\n"}), "system.log.mask cannot come from a bundle"},
		{"the built-in table", packedFiles(t, map[string]string{"authz.rego": authzModule, "x.rego": "package caddy.access\n\nallow := true\n"}), "caddy.access.allow cannot come from a bundle"},
		{"the built-in table, from above", packedFiles(t, map[string]string{"authz.rego": authzModule, "x.rego": "package caddy\n\naccess.allow if true\n"}), "caddy.access.allow cannot come from a bundle"},
		{"the helpers", packedFiles(t, map[string]string{"authz.rego": authzModule, "x.rego": "package caddy.helpers.x\n\na := true\n"}), "cannot come from a bundle"},
		{"data of the system", packedFiles(t, map[string]string{"authz.rego": authzModule, "data.json": `{"system": {"a": 1}}`}), "data.system cannot come from a bundle"},
	} {
		t.Run(test.name, func(t *testing.T) { refused(t, archiveOptions(t, test.content), archiveSuffix, test.want) })
	}
}

// TestArchiveLarge: an archive that unpacks to more than its limit is refused, and not
// read further.
func TestArchiveLarge(t *testing.T) {
	content := packedFiles(t, map[string]string{"a.rego": strings.Repeat("a", 1<<20), "b.rego": strings.Repeat("b", 1<<20)})
	for _, limit := range []int64{1 << 10, 1 << 20, 3 << 19, 1<<21 + 1<<10} {
		if _, err := readEntries(content, limit); err == nil || !strings.Contains(err.Error(), "bytes unpacked") {
			t.Errorf("at most %d bytes: got %v", limit, err)
		}
	}
	if entries, err := readEntries(content, 1<<21+1<<14); err != nil || len(entries) != 2 {
		t.Errorf("got %d entries, %v", len(entries), err)
	}
}

// TestOwners: S-33. With bundles, the roots of each are its own, those of the
// configuration win, and one source owns the package of the decision.
func TestOwners(t *testing.T) {
	authz := packedFiles(t, map[string]string{"authz.rego": authzModule, ".manifest": `{"roots": ["caddy/authz"]}`})
	data := packedFiles(t, map[string]string{"data.json": `{"open": true}`, ".manifest": `{"roots": ["open"]}`})
	rootless := packedFiles(t, map[string]string{"data.json": `{"open": true}`})
	rule := func(text string) []byte { return packedFiles(t, map[string]string{"x.rego": text}) }
	for _, test := range []struct {
		name   string
		second []byte
		roots  []string
		want   string // "" if it loads
	}{
		{"two roots", data, nil, ""},
		{"no roots", rootless, nil, "overlap"},
		{"the configuration's roots", rootless, []string{"open"}, ""},
		{"the configuration's roots win", data, []string{"other"}, "outside of the roots in the configuration"},
		{"the decision's package", rule("package caddy.authz\n\nallow if true\n"), []string{"caddy"}, "overlap"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := archiveOptions(t, authz, test.second)
			if test.roots != nil {
				options.Roots = map[string][]string{options.Sources[1]: test.roots}
			}
			if test.want == "" {
				if _, err := Read(t.Context(), options, Checker{}); err != nil {
					t.Error(err)
				}
				return
			}
			refused(t, options, test.want)
		})
	}
	for name, text := range map[string]string{"the package": "package caddy.authz\n\nallow if true\n", "from above": "package caddy\n\nauthz.allow if true\n", "below": "package caddy.authz.x\n\na := true\n"} {
		t.Run("a directory has "+name, func(t *testing.T) {
			options := archiveOptions(t, authz)
			dir := t.TempDir()
			writeFile(t, filepath.Join(dir, "x.rego"), []byte(text))
			options.Sources = append(options.Sources, dir)
			refused(t, options, "one source owns it")
		})
	}
}

// signingKey returns a key and its public half in PEM.
func signingKey(t testing.TB) (private string, public []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(key)
	publicDER, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: publicDER})
}

// signed returns a bundle with a signature of its files, as OPA makes it.
func signed(t testing.TB, key, scope string, entries map[string]string) []byte {
	t.Helper()
	return signedWith(t, key, scope, bundle.SHA256, entries, entries)
}

// signedWith is signed with a signature of hashed files and their hashes.
func signedWith(t testing.TB, key, scope string, algorithm bundle.HashingAlgorithm, hashed, entries map[string]string) []byte {
	t.Helper()
	hasher, err := bundle.NewSignatureHasher(algorithm)
	if err != nil {
		t.Fatal(err)
	}
	var infos []bundle.FileInfo
	for _, name := range slices.Sorted(maps.Keys(hashed)) {
		var value any = []byte(hashed[name])
		if bundle.IsStructuredDoc(name) {
			if err := json.Unmarshal([]byte(hashed[name]), &value); err != nil {
				t.Fatal(err)
			}
		}
		digest, err := hasher.HashFile(value)
		if err != nil {
			t.Fatal(err)
		}
		infos = append(infos, bundle.NewFile(name, hex.EncodeToString(digest), string(algorithm)))
	}
	config := bundle.NewSigningConfig(key, "ES256", "")
	if scope != "" {
		claims := filepath.Join(t.TempDir(), "claims.json")
		writeFile(t, claims, []byte(`{"scope": "`+scope+`"}`))
		config.ClaimsPath = claims
	}
	token, err := bundle.GenerateSignedToken(infos, config, "any")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{signaturesName: `{"signatures": ["` + token + `"]}`}
	maps.Copy(all, entries)
	return packedFiles(t, all)
}

// TestSignedArchive: N-64. A signed bundle is loaded if one of the keys verifies it and
// its files are those that were signed.
func TestSignedArchive(t *testing.T) {
	key, public := signingKey(t)
	other, otherPublic := signingKey(t)
	entries := map[string]string{"authz.rego": authzModule, "data.json": `{"open": true}`, "README.md": "prose"}
	with := func(name, content string) map[string]string {
		changed := maps.Clone(entries)
		if changed[name] = content; content == "" {
			delete(changed, name)
		}
		return changed
	}
	for _, test := range []struct {
		name    string
		content []byte
		scope   string
		want    string // "" if it loads
	}{
		{"signed", signed(t, key, "", entries), "", ""},
		{"by another key", signed(t, other, "", entries), "", "verify JWT signature"},
		{"not signed", packedFiles(t, entries), "", "is not signed"},
		{"a policy changed", signedWith(t, key, "", bundle.SHA256, entries, with("authz.rego", authzModule+"\nallow if true\n")), "", "digest mismatch"},
		{"data changed", signedWith(t, key, "", bundle.SHA256, entries, with("data.json", `{"open": false}`)), "", "digest mismatch"},
		{"a file that is not loaded changed", signedWith(t, key, "", bundle.SHA256, entries, with("README.md", "other prose")), "", "digest mismatch"},
		{"a file more", signedWith(t, key, "", bundle.SHA256, entries, with("more.rego", "package more\n")), "", "not included in bundle signature"},
		{"a file less", signedWith(t, key, "", bundle.SHA256, entries, with("data.json", "")), "", "signed, but not in the bundle: data.json"},
		{"hashed with MD5", signedWith(t, key, "", bundle.MD5, entries, entries), "", "not safe"},
		{"hashed with SHA-1", signedWith(t, key, "", bundle.SHA1, entries, entries), "", "not safe"},
		{"the scope", signed(t, key, "write", entries), "write", ""},
		{"another scope", signed(t, key, "read", entries), "write", "scope mismatch"},
		{"no scope", signed(t, key, "", entries), "write", "scope mismatch"},
		{"a scope that is not asked for", signed(t, key, "write", entries), "", "scope mismatch"},
		{"no signature", packedFiles(t, with(signaturesName, `{"signatures": []}`)), "", "missing JWT"},
		{"no JSON", packedFiles(t, with(signaturesName, "x")), "", ".signatures.json"},
		{"a plugin", packedFiles(t, with(signaturesName, `{"signatures": ["x"], "plugin": "foreign"}`)), "", ".signatures.json"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := archiveOptions(t, test.content)
			first, second := filepath.Join(t.TempDir(), "first.pem"), filepath.Join(t.TempDir(), "second.pem")
			writeFile(t, second, public)
			options.VerifyKeys, options.VerifyScope = []VerifyKey{{Path: second}}, test.scope
			if test.want != "" {
				refused(t, options, test.want)
				options.SkipVerification = true
				if _, err := Read(t.Context(), options, Checker{}); err != nil && !strings.Contains(err.Error(), "data.open") {
					t.Errorf("without verification: %v", err)
				}
				return
			}
			writeFile(t, first, otherPublic)
			options.VerifyKeys = []VerifyKey{{Path: first}, {Path: second}}
			if _, err := Read(t.Context(), options, Checker{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestVerifyKey: a key verifies only with an algorithm that fits it, and a private key is
// refused.
func TestVerifyKey(t *testing.T) {
	key, public := signingKey(t)
	for _, test := range []struct{ name, content, algorithm, want string }{
		{"an EC key", string(public), "", ""},
		{"an EC key with its algorithm", string(public), "ES256", ""},
		{"an EC key with another algorithm", string(public), "RS256", "fits ES256"},
		{"a private key", key, "", "a private key"},
		{"no PEM", "x", "", "no public key in PEM"},
		{"a public key as a secret", string(public), "HS256", "others may know"},
		{"a secret", strings.Repeat("s", 32), "HS256", ""},
		{"a short secret", "s", "HS256", "shorter"},
		{"a damaged key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "", "asn1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := VerifyKey{Path: "/k", Algorithm: test.algorithm}.config([]byte(test.content))
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// FuzzReadEntries: whatever the bytes, the names of the files of an archive are local, and
// nothing panics.
func FuzzReadEntries(f *testing.F) {
	f.Add(packedFiles(f, map[string]string{"/a/b.rego": authzModule, ".manifest": "{}"}))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, content []byte) {
		entries, err := readEntries(content, 1<<20)
		if err != nil {
			return
		}
		for name := range entries {
			if !filepath.IsLocal(name) || strings.HasPrefix(name, "/") {
				t.Errorf("the name %q", name)
			}
		}
	})
}
