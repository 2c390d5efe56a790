package person

import "testing"

// TestS17Key: every part of a person counts, and no text can move from one part to
// another.
func TestS17Key(t *testing.T) {
	keys := map[string]Person{}
	for _, p := range []Person{
		{"form", "", "alice"},
		{"form", "", "bob"},
		{"form2", "", "alice"},
		{"form", "https://id.example.com", "alice"},
		{"form", "https://id.example.co", "malice"},
		{"form", "a", "lice"},
		{"", "form", "alice"},
		{"form", "alice", ""},
		{"form0:5:alice", "", ""},
	} {
		if other, twice := keys[p.Key()]; twice {
			t.Errorf("%v and %v are one", p, other)
		}
		keys[p.Key()] = p
	}
}
