package request

import (
	"slices"
	"strings"
	"testing"
)

// TestN04Elsewhere: what a rewrite made, a script and what follows it, and a destination
// below prefixes of the path.
func TestN04Elsewhere(t *testing.T) {
	for _, test := range []struct {
		name, path, rewritten, destination string
		want                               []string
	}{
		{"N-04 nothing", "/a/b", "/a/b", "", nil},
		{"N-04 a rewrite", "/a/b", "/b", "", []string{"/b"}},
		{"N-04 a script", "/x.php/admin", "/x.php/admin", "", []string{"/x.php", "/admin"}},
		{"N-04 a script in capitals", "/x.PhP/a", "/x.PhP/a", "", []string{"/x.PhP", "/a"}},
		{"N-04 a script without more", "/x.php", "/x.php", "", nil},
		{"N-04 the first of two", "/x.php/y.php/z", "/x.php/y.php/z", "", []string{"/x.php", "/y.php/z"}},
		{"N-04 a rewritten script", "/a", "/x.php/a", "", []string{"/x.php/a", "/x.php", "/a"}},
		{"N-04 beyond ASCII", "/İ.php/a", "/İ.php/a", "", []string{"/İ.php", "/a"}},
		{"S-08 below prefixes", "/dav/a/b/", "/dav/a/b/", "/c", []string{"/dav/c", "/dav/a/c", "/dav/a/b/c"}},
		{"S-08 not below its own", "/dav/a", "/dav/a", "/dav/c", []string{"/dav/a/dav/c"}},
		{"S-08 a prefix longer than operators write", "/dav/" + strings.Repeat("x", 600) + "/a", "/dav/" + strings.Repeat("x", 600) + "/a", "/c", []string{"/dav/c"}},
		{"S-08 the root", "/", "/", "/c", nil},
	} {
		if got := AlternatePaths(nil, test.path, test.rewritten, test.destination); !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
