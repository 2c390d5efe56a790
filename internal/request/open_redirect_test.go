package request

import "testing"

// TestN08LocalPath: after dots are resolved and at every decoding, a path stays on its
// origin, or it is none to send people to.
func TestN08LocalPath(t *testing.T) {
	for path, want := range map[string]bool{
		"/": true, "/a/b": true, "/a/../b": true, "/a//b": true, "/100%25": true, "/a%20b": true, "/%C3%A9": true, "/a%2525b": true, "/a/%2e%2e/b": true,
		"/x/..//evil.example": false, "/x/%2e%2e//evil.example": false, "/x/..%2f/evil.example": false, "/x/%252e%252e%252f%252fevil.example": false,
		"/.//evil.example": false, "/a/b/../..//evil.example": false, "/x/../%2fevil.example": false, "//evil.example": false, "/%2fevil.example": false,
		"/%5cevil.example": false, `/\evil.example`: false, "/%20/evil.example": false, "": false, "evil": false, "/%zz": false, "/%00": false,
		"/own/x": false, "/x/../own/x": false, "/%256fwn/x": false, "/owned": true, "/%25252525252561": false,
	} {
		if got := IsLocalPath(path, "/own/"); got != want {
			t.Errorf("%s: %t", path, got)
		}
	}
}
