package users

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// testHash is a cheap hash of testPassword.
var testHash = func() string {
	hash, err := bcrypt.GenerateFromPassword([]byte(testPassword), minCost)
	if err != nil {
		panic(err)
	}
	return string(hash)
}()

const testPassword = "test-material-only"

const testArgon2id = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQxMjM0NTY3OA$3rF2mPq0b9jW5o2kq5c1bq3zF6X0m3YqVbqz0rE1c2A"

// TestParseUsers: all fields of users.yaml.
func TestParseUsers(t *testing.T) {
	users, err := ParseUsers("users.yaml", []byte("users:\n  alice:\n    password: \""+testHash+"\"\n    name: Alice\n    roles: [admin]\n    groups: [staff]\n"+
		"    email: alice@example.com\n    email_verified: true\n    expires: 2030-01-02T03:04:05Z\n    claims: {team: blue, n: 12345678901234567890, f: 1.5, l: [a, 1, true, null], o: {k: v}}\n"+
		"  bob:\n    password: \""+testArgon2id+"\"\n    disabled: true\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(users) != 2 || users[0].Name != "alice" || users[1].Name != "bob" || !users[1].Disabled {
		t.Fatalf("got %+v", users)
	}
	id := users[0].Identity
	expires := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	if !id.Authenticated || id.Kind != authenticator.KindUser || id.ID != "alice" || id.Username != "alice" || id.Name != "Alice" || id.Issuer != "" || id.Method != "basic" ||
		id.Roles[0] != "admin" || id.Groups[0] != "staff" || id.Email != "alice@example.com" || id.ExpiresAt != expires.Unix() || !users[0].Expires.Equal(expires) {
		t.Errorf("got %+v", id)
	}
	encoded, err := json.Marshal(id.Claims)
	if err != nil || string(encoded) != `{"email_verified":true,"f":1.5,"l":["a",1,true,null],"n":12345678901234567890,"o":{"k":"v"},"team":"blue"}` {
		t.Errorf("claims %s %v", encoded, err)
	}
}

// TestParseUsersErrors: T-07, T-08, T-61. A file that is cut off or misspelt is
// not taken, and the error says where and never repeats a password.
func TestParseUsersErrors(t *testing.T) {
	entry := "    password: \"" + testHash + "\"\n"
	tests := []struct {
		name, file, content, want string
	}{
		{"empty", "users.yaml", "", "users.yaml: the file is empty"},
		{"comments", "users.yaml", "# x\n", "the file is empty"},
		{"cut off", "users.yaml", "users:\n", "users.yaml:1: users: want a mapping"},
		{"no users", "users.yaml", "users: {}\n", "no user is in it"},
		{"htpasswd by another name", "users.yaml", "alice:" + testHash + "\n", "users.yaml:1: the file: want users: and the users below; the name of an htpasswd file does not end in .yaml"},
		{"a list", "users.yaml", "users: [{name: alice}]\n", "users.yaml:1: users: want a mapping, such as name: value"},
		{"another key", "users.yaml", "user: {}\n", `unknown key "user"; did you mean users?; allowed: users`},
		{"misspelt", "users.yaml", "users:\n  a:\n" + entry + "    disbled: true\n", `users.yaml:4: user a: unknown key "disbled"; did you mean disabled?`},
		{"twice", "users.yaml", "users:\n  a:\n" + entry + "  a:\n" + entry, `users.yaml:4: users: "a" is duplicated`},
		{"a field twice", "users.yaml", "users:\n  a:\n" + entry + entry, `"password" is duplicated`},
		{"a plain password", "users.yaml", "users:\n  a: {password: " + testPassword + "}\n", "users.yaml:2: user a: the password is not a hash"},
		{"no password", "users.yaml", "users:\n  a: {roles: [x]}\n", "not a hash"},
		{"a wrong type", "users.yaml", "users:\n  a:\n" + entry + "    disabled: maybe\n", "users.yaml:4: user a: disabled"},
		{"a bad time", "users.yaml", "users:\n  a:\n" + entry + "    expires: soon\n", "users.yaml:4: user a: expires"},
		{"two documents", "users.yaml", "users:\n  a:\n" + entry + "---\n", "the file has more than one YAML document"},
		{"a colon in a name", "users.yaml", "users:\n  \"a:b\":\n" + entry, "a name with a colon cannot be sent by Basic"},
		{"an empty name", "users.yaml", "users:\n  \"\":\n" + entry, "at least one character"},
		{"a control character", "users.yaml", "users:\n  \"a\\tb\":\n" + entry, "control characters"},
		{"an alias", "users.yaml", "users:\n  a: &a\n" + entry + "  b: *a\n", "users.yaml:4: user b: want a mapping"},
		{"htpasswd, empty", ".htpasswd", "# nobody\n\n", "no user is in it"},
		{"htpasswd, no colon", ".htpasswd", "alice\n", ".htpasswd:1: want name:hash"},
		{"htpasswd, SHA-1", ".htpasswd", "a:" + testHash + "\nb:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=\n", ".htpasswd:2: user b: the password is not a hash"},
		{"htpasswd, apr1", ".htpasswd", "a:$apr1$abc$xyz\n", "not a hash of bcrypt or argon2id"},
		{"htpasswd, twice", ".htpasswd", "a:" + testHash + "\na:" + testHash + "\n", ".htpasswd:2: user a is there twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			users, err := ParseUsers(test.file, []byte(test.content))
			if err == nil {
				t.Fatalf("it was taken: %+v", users)
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q lacks %q", err, test.want)
			}
			if strings.Contains(err.Error(), testPassword) || strings.Contains(err.Error(), testHash) {
				t.Errorf("the error holds a secret: %v", err)
			}
		})
	}
}

// TestParseHtpasswd: the files of htpasswd -B.
func TestParseHtpasswd(t *testing.T) {
	users, err := ParseUsers("htpasswd", []byte("# people\nalice:"+testHash+"\n\nbob:"+strings.Replace(testHash, "$2a$", "$2y$", 1)+"\r\n"))
	if err != nil || len(users) != 2 || users[1].Name != "bob" {
		t.Errorf("got %+v, %v", users, err)
	}
}

// TestCheckHash: R-BA-8 and the bounds of the work that a file may ask for.
func TestCheckHash(t *testing.T) {
	argon := func(params string) string { return strings.Replace(testArgon2id, "m=64,t=1,p=1", params, 1) }
	tests := map[string]bool{
		testHash: true, testArgon2id: true,
		strings.Replace(testHash, "$08$", "$07$", 1): false, strings.Replace(testHash, "$08$", "$31$", 1): false, strings.Replace(testHash, "$08$", "$16$", 1): true,
		argon("m=1048576,t=16,p=16"): true, argon("m=1048577,t=1,p=1"): false, argon("m=64,t=0,p=1"): false, argon("m=64,t=1,p=0"): false,
		argon("m=64,t=17,p=1"): false, argon("m=64,t=1,p=17"): false, argon("m=7,t=1,p=1"): false, argon("m=99999999,t=1,p=1"): false,
		testHash[:59]: false, testHash + "x": false, "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$abc": false, "": false, "secret": false, "{SHA}x": false,
		strings.Replace(testArgon2id, "c29tZXNhbHQxMjM0NTY3OA", "c29tZQAAA", 1): false,
	}
	for hash, want := range tests {
		if err := CheckHash(hash); (err == nil) != want {
			t.Errorf("%s: %v", hash, err)
		}
	}
}

// TestNormalize: R-BA-6, names that look and mean the same are the same.
func TestNormalize(t *testing.T) {
	composed, decomposed := "caf\u00e9", "cafe\u0301"
	a, ok1 := Normalize(composed)
	b, ok2 := Normalize(decomposed)
	if !ok1 || !ok2 || a != b {
		t.Errorf("%q %q", a, b)
	}
	if upper, _ := Normalize("Alice"); upper != "Alice" {
		t.Errorf("case was changed: %q", upper)
	}
	for _, name := range []string{"a b", "a\x00", "\xff", "a\u202eb"} {
		if got, ok := Normalize(name); ok {
			t.Errorf("%q became %q", name, got)
		}
	}
	one, err := NewUser(composed, testHash)
	if err != nil {
		t.Fatal(err)
	}
	two, err := NewUser(decomposed, testHash)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewUsers(one, two); err == nil {
		t.Error("two users of one name")
	}
}

// FuzzParseUsers: no file panics the parsers, and every user that is taken has a
// name and a hash that can be compared (T-66).
func FuzzParseUsers(f *testing.F) {
	f.Add("users:\n  a: {password: \""+testHash+"\"}\n", true)
	f.Add("a:"+testHash+"\n", false)
	f.Add("users: &a {b: *a}", true)
	f.Fuzz(func(t *testing.T, content string, yaml bool) {
		name := "htpasswd"
		if yaml {
			name = "users.yaml"
		}
		users, err := ParseUsers(name, []byte(content))
		if err != nil {
			return
		}
		for _, user := range users {
			if user.Name == "" || strings.Contains(user.Name, ":") || CheckHash(user.Hash) != nil || user.Identity.ID == "" {
				t.Errorf("taken: %+v", user)
			}
		}
	})
}
