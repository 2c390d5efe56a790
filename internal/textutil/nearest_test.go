package textutil

import "testing"

func TestNearest(t *testing.T) {
	allowed := []string{"access", "allow_ambiguous_paths", "basic", "policies", "policy", "off", "idle", "url"}
	tests := []struct{ name, word, want string }{
		{"a letter is missing", "acces", "access"},
		{"upper case", "Basic", "basic"},
		{"with more behind", "basic_auth", "basic"},
		{"the nearer of two that begin alike", "policys", "policy"},
		{"nothing but a beginning", "allow", ""},
		{"too short to begin alike", "acl", ""},
		{"far", "completely", ""},
		{"the opposite of a short word", "on", ""},
		{"half of a short word is another", "idol", ""},
		{"a letter of a short word", "uri", "url"},
		{"letters changed places in a short word", "idel", "idle"},
		{"letters changed places in a long word", "acecss", "access"},
		{"two letters of a long word", "acces_", "access"},
		{"one letter", "o", ""},
		{"no letter", "", ""},
	}
	for _, test := range tests {
		if got := Nearest(test.word, allowed); got != test.want {
			t.Errorf("%s: %q, not %q", test.name, got, test.want)
		}
	}
}
