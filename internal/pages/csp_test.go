package pages

import (
	"crypto/sha256"
	"encoding/base64"
	"regexp"
	"testing"
)

// TestContentPolicy: R-PAGE-11: each style by the hash that a browser makes of it.
func TestContentPolicy(t *testing.T) {
	hash := func(style string) string {
		digest := sha256.Sum256([]byte(style))
		return "'sha256-" + base64.StdEncoding.EncodeToString(digest[:]) + "'"
	}
	tests := []struct{ name, page, want string }{
		{"none", "<p>x", "'none'"},
		{"one", "<style>a{}</style>", hash("a{}")},
		{"two", "<style>a{}</style><p><STYLE media=\"print\">\nb{}\n</STYLE>", hash("a{}") + " " + hash("\nb{}\n")},
		{"line ends of Windows", "<style>\r\na{}\r</style>", hash("\na{}\n")},
		{"another element", "<styles>a{}</styles>", "'none'"},
		{"no end", "<style>a{}", "'none'"},
		{"no end of the tag", "<style", "'none'"},
		{"another before", "<p>1 < 2</p><s><style type='text/css'>a{}</style >", hash("a{}")},
		{"nothing in it", "<style></style>", hash("")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := "default-src 'none'; style-src " + test.want + "; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
			if got := contentPolicy([]byte(test.page)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// FuzzContentPolicy: a site's own page, whatever is in it, gets a policy that
// allows no scripts and nothing from elsewhere.
func FuzzContentPolicy(f *testing.F) {
	f.Add("<style>a{}</style>")
	f.Add("<STYLE\n x>\r\n</style")
	f.Add("<<style/></style><style")
	form := regexp.MustCompile(`^default-src 'none'; style-src ('none'|'sha256-[A-Za-z0-9+/]{43}='( 'sha256-[A-Za-z0-9+/]{43}=')*); img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$`)
	f.Fuzz(func(t *testing.T, page string) {
		if got := contentPolicy([]byte(page)); !form.MatchString(got) {
			t.Fatalf("got %s", got)
		}
	})
}
