package files

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// contents is a look's result, by paths below a directory.
func contents(tree Tree, dir string) map[string]string {
	found := map[string]string{}
	for path, content := range tree {
		found[strings.TrimPrefix(filepath.ToSlash(path), filepath.ToSlash(dir)+"/")] = string(content)
	}
	return found
}

// TestLook: which files of directories matter.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.rego", "b.yaml", "b.yaml~", ".hidden", ".git/config", "sub/c.rego", "sub/.d.rego.swp", "sub/deep/e.rego", ".manifest"} {
		write(t, filepath.Join(dir, name), name)
	}
	link(t, "sub", dir+"/linked")
	link(t, "a.rego", dir+"/alias.rego")
	write(t, dir+"/empty/.keep", "")
	rego := func(path string) bool {
		return strings.HasSuffix(path, ".rego") || filepath.Base(path) == ".manifest"
	}
	tests := []struct {
		name  string
		paths []string
		keep  func(string) bool
		want  []string // names; the content is the name of what is linked to
	}{
		{"all but hidden ones", []string{dir}, nil, []string{"a.rego", "alias.rego=a.rego", "b.yaml", "b.yaml~", "linked/c.rego=sub/c.rego", "linked/deep/e.rego=sub/deep/e.rego", "sub/c.rego", "sub/deep/e.rego"}},
		{"some", []string{dir}, rego, []string{".manifest", "a.rego", "alias.rego=a.rego", "linked/c.rego=sub/c.rego", "linked/deep/e.rego=sub/deep/e.rego", "sub/c.rego", "sub/deep/e.rego"}},
		{"a file always matters", []string{dir + "/b.yaml", dir + "/.hidden"}, rego, []string{".hidden", "b.yaml"}},
		{"a hidden directory, by name", []string{dir + "/.git"}, nil, []string{".git/config"}},
		{"twice", []string{dir + "/sub", dir + "/sub/c.rego"}, nil, []string{"sub/c.rego", "sub/deep/e.rego"}},
		{"an empty directory", []string{dir + "/empty"}, nil, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen, err := scan(Options{Paths: test.paths, Include: test.keep})
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]string{}
			for _, name := range test.want {
				path, content, linked := strings.Cut(name, "=")
				if !linked {
					content = path
				}
				want[path] = content
			}
			if diff := cmp.Diff(want, contents(seen.Tree, dir)); diff != "" {
				t.Error(diff)
			}
			if time.Since(seen.newestEntry) > time.Minute {
				t.Errorf("the newest file is of %s", seen.newestEntry)
			}
		})
	}
}

// TestLookErrors: T-07, T-08. What cannot be read is an error with its absolute
// path, and nothing is taken.
func TestLookErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/big", strings.Repeat("x", 11))
	write(t, dir+"/small/a", "123456")
	write(t, dir+"/small/b", "12345")
	if err := os.MkdirAll(dir+"/loop", 0o755); err != nil {
		t.Fatal(err)
	}
	link(t, ".", dir+"/loop/again")
	link(t, "itself", dir+"/itself")
	write(t, dir+"/dangling/good", "x")
	link(t, "nowhere", dir+"/dangling/bad")
	write(t, dir+"/deep"+strings.Repeat("/d", maxDepth)+"/f", "x")
	tests := []struct {
		name, path, want string
		most             int64
	}{
		{"missing", "none", "/none: no such file or directory", 0},
		{"missing directory", "none/x", "/none/x: no such file or directory", 0},
		{"below a file", "big/x", "/big/x: not a directory", 0},
		{"a link to itself", "itself", "/itself: too many levels of symbolic links", 0},
		{"a link that leads in circles", "loop", "is a symbolic link leading in circles?", 0},
		{"too deep", "deep", "more than 32 directories deep", 0},
		{"a link that leads nowhere", "dangling", "/dangling/bad: no such file or directory", 0},
		{"too large", "big", "/big: the files are too large together", 10},
		{"too large together", "small", "/small/b: the files are too large together", 10},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			seen, err := scan(Options{Paths: []string{dir + "/" + test.path}, MaxBytes: test.most})
			if err == nil || seen.Tree != nil {
				t.Fatalf("got %q", seen.Tree)
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), dir) {
				t.Errorf("%q lacks %q", err, test.want)
			}
		})
	}
	if _, err := scan(Options{Paths: []string{dir + "/small"}, MaxBytes: 11}); err != nil {
		t.Errorf("exactly as large as allowed: %v", err)
	}
}

// TestLookManyLinks: few links that make many paths do not keep the server busy
// for ever.
func TestLookManyLinks(t *testing.T) {
	dir := t.TempDir()
	for i := range 20 { // 2^20 paths
		level := fmt.Sprintf("%s/%d", dir, i)
		if err := os.Mkdir(level, 0o755); err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			link(t, fmt.Sprintf("../%d", i-1), level+"/left")
			link(t, fmt.Sprintf("../%d", i-1), level+"/right")
		}
	}
	if _, err := scan(Options{Paths: []string{dir + "/19"}}); err == nil || !strings.Contains(err.Error(), "more than 100000 files and directories") {
		t.Errorf("got %v", err)
	}
}

// TestVanished: an editor's temporary file that is gone before it is read is no
// failure; everything else that is missing is.
func TestVanished(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/a", "x")
	write(t, dir+"/b", "y")
	age(t, dir+"/a", dir+"/b", dir)
	gone := Options{Paths: []string{dir}, Include: func(path string) bool {
		if strings.HasSuffix(path, "/b") {
			remove(t, path) // after the directory was listed
		}
		return true
	}}
	seen, err := scan(gone)
	if diff := cmp.Diff(map[string]string{"a": "x"}, contents(seen.Tree, dir)); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if time.Since(seen.newestEntry) > settledAge {
		t.Error("a directory that is changing passes for settled")
	}
	write(t, dir+"/b", "y")
	emptied := Options{Paths: []string{dir, dir + "/c"}}
	if _, err := scan(emptied); err == nil {
		t.Error("a missing file of the configuration passes")
	}
}

// TestRelativePaths: files are known by the names that the operator gave them.
func TestRelativePaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir+"/users.yaml", "x")
	t.Chdir(dir)
	seen, err := scan(Options{Paths: []string{"users.yaml"}})
	if err != nil || string(seen.Tree["users.yaml"]) != "x" {
		t.Errorf("got %q, %v", seen.Tree, err)
	}
	_, err = scan(Options{Paths: []string{"none.yaml"}})
	if err == nil || !filepath.IsAbs(err.Error()) {
		t.Errorf("the message does not say where: %v", err)
	}
}
