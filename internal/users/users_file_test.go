package users

import (
	"strings"
	"testing"
)

// userWith is a users.yaml whose one user has a further line.
func userWith(line string) string {
	return "users:\n  alice:\n    password: \"" + testHash + "\"\n    " + line + "\n"
}

// TestFieldsWithoutValue: T-07, T-61, T-63. A field that lost its value, as when
// a file was cut off or a template left a gap, never means the wider thing.
func TestFieldsWithoutValue(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"disabled, cut off", "disabled:", "users.yaml:4: user alice: disabled has no value"},
		{"disabled, null", "disabled: null", "disabled has no value"},
		{"disabled, tilde", "disabled: ~", "disabled has no value"},
		{"disabled, tagged", "disabled: !!null true", "disabled has no value"},
		{"disabled, by another name", "{? disabled : }", "users.yaml"},
		{"disabled, text", `disabled: "true"`, "users.yaml:4: user alice: disabled: want true or false"},
		{"disabled, empty text", `disabled: ""`, "users.yaml:4: user alice: disabled: want true or false"},
		{"disabled, a list", "disabled: [true]", "users.yaml:4: user alice: disabled: want true or false"},
		{"disabled, a number", "disabled: 1", "users.yaml:4: user alice: disabled: want true or false"},
		{"expires, cut off", "expires:", "expires has no value"},
		{"expires, empty", `expires: ""`, "users.yaml:4: user alice: expires: want a time, such as 2027-01-01"},
		{"expires, the zero time", "expires: 0001-01-01T00:00:00Z", "no time to expire at"},
		{"expires, the zero time as text", `expires: "0001-01-01T00:00:00Z"`, "no time to expire at"},
		{"expires, a number", "expires: 1893456000", "want a time"},
		{"expires, no such day", "expires: 2030-02-31", "want a time"},
		{"expires, a word", "expires: tomorrow", "want a time"},
		{"email_verified, another word", "email_verified: maybe", "email_verified: want true or false"},
		{"roles, a word", "roles: admin", "users.yaml:4: user alice: roles: want a list of words, such as [one, another]"},
		{"roles, cut off", "roles:", "roles has no value"},
		{"roles, a mapping", "roles: {admin: true}", "want a list"},
		{"roles, lists in a list", "roles: [[admin]]", "want a list"},
		{"claims, a list", "claims: [a]", "cannot unmarshal"},
		{"claims, not in JSON", "claims: {a: .nan}", "user alice: claims: want strings, numbers"},
		{"claims, numbers as keys", "claims: {a: {1: b}}", "user alice: claims: want strings, numbers"},
		{"claims, a key twice", "claims: {a: 1, a: 2}", "already defined"},
		{"claims in themselves", "claims: &c {a: *c}", "contains itself"},
		{"merged", "<<: {disabled: false}", "a key has to be a word"},
		{"a list for a key", "? [disabled]\n    : true", "a key has to be a word"},
		{"an alias for a key", "name: &d disabled\n    *d : true", "a key has to be a word"},
		{"an unknown key", "admin: true", `unknown key "admin"; allowed: password name roles`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			users, err := ParseUsers("users.yaml", []byte(userWith(test.line)))
			if err == nil {
				t.Fatalf("it was taken: %+v", users[0])
			}
			if !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "users.yaml") {
				t.Errorf("%q lacks %q", err, test.want)
			}
		})
	}
	alias := "users:\n  a: {password: \"" + testHash + "\", claims: {gap: &gap }}\n  b: {password: \"" + testHash + "\", disabled: *gap}\n"
	if _, err := ParseUsers("users.yaml", []byte(alias)); err == nil || !strings.Contains(err.Error(), "disabled has no value") {
		t.Errorf("an alias of nothing: %v", err)
	}
}

// TestFieldsWithValue: what YAML calls true is true, and times are times.
func TestFieldsWithValue(t *testing.T) {
	for _, line := range []string{"disabled: true", "disabled: yes", "disabled: on", "disabled: True", "disabled: !!bool true", `"disabled": true`, "? disabled\n    : true"} {
		users, err := ParseUsers("users.yaml", []byte(userWith(line)))
		if err != nil || !users[0].Disabled {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, line := range []string{"expires: 2030-01-02", "expires: 2030-01-02T00:00:00Z", `expires: "2030-01-02T00:00:00Z"`, "expires: 2030-01-02T01:00:00+01:00"} {
		users, err := ParseUsers("users.yaml", []byte(userWith(line)))
		if err != nil || users[0].Expires.Unix() != 1893542400 || users[0].Identity.ExpiresAt != 1893542400 {
			t.Errorf("%s: %v", line, err)
		}
	}
}

// TestCutOff: T-61. Wherever a file of users is cut off, nobody who is disabled
// or expired comes back.
func TestCutOff(t *testing.T) {
	whole := "users:\n  alice:\n    password: \"" + testHash + "\"\n    disabled: true\n    roles: [admin]\n" +
		"  bob: {password: \"" + testHash + "\", expires: 2020-01-01T00:00:00Z}\n"
	taken := 0
	for end := range len(whole) {
		users, err := ParseUsers("users.yaml", []byte(whole[:end]))
		if err != nil {
			continue
		}
		taken++
		for _, user := range users {
			cut := len("users:\n  alice:\n    password: \"" + testHash + "\"\n")
			if !user.Disabled && user.Expires.IsZero() && end > cut+len("    disabled") {
				t.Errorf("cut off at %d: %+v", end, user)
			}
		}
	}
	if taken == 0 {
		t.Error("nothing was taken at all")
	}
}

// TestNames: R-BA-3, R-BA-4, R-BA-6. Which names a user may have.
func TestNames(t *testing.T) {
	tests := []struct {
		name, user, want string // want "" for an error
	}{
		{"plain", "alice", "alice"},
		{"with signs", "alice.b-c_d+e@example.com", "alice.b-c_d+e@example.com"},
		{"case is kept", "Alice", "Alice"},
		{"composed", "caf\u00e9", "caf\u00e9"},
		{"decomposed", "cafe\u0301", "caf\u00e9"},
		{"full width", "\uff41\uff4c", "al"},
		{"digits", "1234", "1234"},
		{"as long as allowed", strings.Repeat("x", maxName), strings.Repeat("x", maxName)},
		{"too long", strings.Repeat("x", maxName+1), ""},
		{"empty", "", ""},
		{"a colon", "a:b", ""},
		{"a space", "a b", ""},
		{"NUL", "a\x00", ""},
		{"a line break", "a\nb", ""},
		{"not UTF-8", "a\xff", ""},
		{"text that runs backwards", "a\u202eb", ""},
		{"a joiner that is not seen", "a\u200db", ""},
		{"a byte order mark", "\ufeffalice", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			user, err := NewUser(test.user, testHash)
			switch {
			case test.want == "" && err == nil:
				t.Errorf("taken as %q", user.Name)
			case test.want != "" && (err != nil || user.Name != test.want || user.Identity.ID != test.want):
				t.Errorf("got %+v, %v", user, err)
			}
		})
	}
}

// TestHtpasswdOddities: T-07, T-08. What is no line of name and hash is an error
// with its line.
func TestHtpasswdOddities(t *testing.T) {
	good := "alice:" + testHash + "\n"
	tests := []struct{ name, content, want string }{
		{"cut off in a hash", good + "bob:" + testHash[:40], "htpasswd:2: user bob: the password is not a hash"},
		{"a third column", "alice:" + testHash + ":comment\n", "htpasswd:1: user alice: the password is not a hash"},
		{"a byte order mark", "\ufeff" + good, "htpasswd:1: user"},
		{"no name", ":" + testHash + "\n", "htpasswd:1: user \"\": a name has at least one character"},
		{"a line without end", strings.Repeat("x", 1<<17), "htpasswd: bufio.Scanner: token too long"},
		{"the same name, otherwise composed", "caf\u00e9:" + testHash + "\ncafe\u0301:" + testHash + "\n", "htpasswd:2: user caf\u00e9 is there twice"},
		{"YAML by another name", userWith("disabled: true"), "htpasswd:1: user users: the password is not a hash"},
		{"a bearable cost", strings.Replace(good, "$08$", "$31$", 1), "bcrypt's cost is 31, want 8 to 16"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			users, err := ParseUsers("htpasswd", []byte(test.content))
			if err == nil {
				t.Fatalf("it was taken: %+v", users[0])
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), testHash) {
				t.Errorf("%q lacks %q, or holds a hash", err, test.want)
			}
		})
	}
}

func BenchmarkParseUsers(b *testing.B) {
	content := []byte(userWith("roles: [admin]"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseUsers("users.yaml", content); err != nil {
			b.Fatal(err)
		}
	}
}
