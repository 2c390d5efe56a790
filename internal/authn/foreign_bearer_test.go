package authn

import "testing"

// TestS25Owns: what may be a token of an issuer of ours is never another's.
func TestS25Owns(t *testing.T) {
	f := &foreignBearers{issuers: []string{foldIssuer("https://ID.example.com/")}}
	const header = "eyJhbGciOiJIUzI1NiJ9." // {"alg":"HS256"}
	tests := []struct {
		name, raw string
		want      bool
	}{
		{"no dot", "abc", true},
		{"one dot", "a.b", true},
		{"four parts", "a.b.c.d", true},
		{"six parts", "a.b.c.d.e.f", true},
		{"three unreadable parts", "a.b.c", false},
		{"five parts", "a.b.c.d.e", false},
		{"no issuer", header + "e30.AA", false},
		{"another issuer", header + "eyJpc3MiOiJhIn0.AA", true},                                    // {"iss":"a"}
		{"two issuers", header + "eyJpc3MiOiJhIiwiaXNzIjoiYiJ9.AA", false},                         // {"iss":"a","iss":"b"}
		{"ours", header + "eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIn0.AA", false},                 // https://id.example.com
		{"ours with slashes", header + "eyJpc3MiOiJodHRwczovL2lkLkVYQU1QTEUuY29tLy8ifQ.AA", false}, // https://id.EXAMPLE.com//
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := f.owns(test.raw); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
