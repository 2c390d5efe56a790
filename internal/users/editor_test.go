package users

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	oneHash     = "$2a$08$aaaaaaaaaaaaaaaaaaaaaeaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	anotherHash = "$2a$08$bbbbbbbbbbbbbbbbbbbbbebbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	twoUsers    = `# who may sign in
users:
  # the boss
  alice:
    password: "` + oneHash + `" # since May
    roles: [admin]
  bob: {password: "` + oneHash + `", disabled: true}
`
)

// TestEditUsers: what is changed is changed, and the rest stays as it stood,
// with its comments and in its order.
func TestEditUsers(t *testing.T) {
	tests := []struct {
		name string
		edit func(UsersEditor) error
		old  string // is replaced …
		new  string // … by this; both empty for an error
	}{
		{"nothing", func(UsersEditor) error { return nil }, "users:", "users:"},
		{"a user more", func(e UsersEditor) error {
			return e.Add(UserEntry{Name: "carol", Hash: anotherHash, Roles: []string{"member", "true"}, Groups: []string{"staff"}, Email: "carol@example.com", Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)})
		}, "disabled: true}\n", "disabled: true}\n  carol:\n    password: \"" + anotherHash + "\"\n    roles: [member, \"true\"]\n    groups: [staff]\n    email: carol@example.com\n    expires: 2030-01-02T03:04:05Z\n"},
		{"a name that looks like a number", func(e UsersEditor) error { return e.Add(UserEntry{Name: "0123", Hash: oneHash}) },
			"disabled: true}\n", "disabled: true}\n  \"0123\":\n    password: \"" + oneHash + "\"\n"},
		{"a user less", func(e UsersEditor) error { return e.Remove("bob") }, "  bob: {password: \"" + oneHash + "\", disabled: true}\n", ""},
		{"disabled", func(e UsersEditor) error { return e.Disable("alice", true) }, "roles: [admin]\n", "roles: [admin]\n    disabled: true\n"},
		{"disabled twice", func(e UsersEditor) error { return e.Disable("bob", true) }, "users:", "users:"},
		{"enabled", func(e UsersEditor) error { return e.Disable("bob", false) }, ", disabled: true", ""},
		{"enabled twice", func(e UsersEditor) error { return e.Disable("alice", false) }, "users:", "users:"},
		{"a password", func(e UsersEditor) error { return e.SetHash("alice", anotherHash) }, oneHash + "\" # since", anotherHash + "\" # since"},
		{"one that is there", func(e UsersEditor) error { return e.Add(UserEntry{Name: "alice", Hash: oneHash}) }, "", ""},
		{"a name that cannot be one", func(e UsersEditor) error { return e.Add(UserEntry{Name: "a:b", Hash: oneHash}) }, "", ""},
		{"nobody to remove", func(e UsersEditor) error { return e.Remove("carol") }, "", ""},
		{"nobody to disable", func(e UsersEditor) error { return e.Disable("carol", true) }, "", ""},
		{"nobody with a password", func(e UsersEditor) error { return e.SetHash("", oneHash) }, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			editor, err := EditUsers("users.yaml", []byte(twoUsers))
			if err != nil {
				t.Fatal(err)
			}
			if err := test.edit(editor); err != nil {
				if test.old != "" {
					t.Error(err)
				}
				return
			}
			got, err := editor.Bytes()
			if err != nil || test.old == "" {
				t.Fatalf("got %s, %v", got, err)
			}
			if diff := cmp.Diff(strings.Replace(twoUsers, test.old, test.new, 1), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEditUsersRefused: a file is never left that a server would refuse.
func TestEditUsersRefused(t *testing.T) {
	for name, content := range map[string]string{"users.yaml": "users:\n  bob:\n    pasword: x\n", "htpasswd": "bob:" + oneHash + "\n", "empty.yaml": ""} {
		if _, err := EditUsers(name, []byte(content)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	last, err := EditUsers("users.yaml", []byte("users: {bob: {password: \""+oneHash+"\"}}\n"))
	if err != nil || last.Remove("bob") != nil {
		t.Fatal(err)
	}
	if content, err := last.Bytes(); err == nil {
		t.Errorf("a file without users: %s", content)
	}
	bad, err := EditUsers("users.yaml", nil)
	if err != nil || bad.Add(UserEntry{Name: "bob", Hash: "plain"}) != nil {
		t.Fatal(err)
	}
	if content, err := bad.Bytes(); err == nil {
		t.Errorf("a password that is no hash: %s", content)
	}
}

// TestEditNew: a file that is not there yet is made.
func TestEditNew(t *testing.T) {
	people, err := EditUsers("users.yaml", nil)
	if err != nil || people.Add(UserEntry{Name: "alice", Hash: oneHash}) != nil {
		t.Fatal(err)
	}
	keys, err := EditKeys("keys.yaml", nil)
	if err != nil || keys.Add(KeyEntry{ID: "ci", Owner: "build", Hash: "sha256:" + strings.Repeat("0", 64)}) != nil {
		t.Fatal(err)
	}
	gotUsers, err := people.Bytes()
	if err != nil {
		t.Error(err)
	}
	gotKeys, err := keys.Bytes()
	if err != nil {
		t.Error(err)
	}
	const want = "users:\n  alice:\n    password: \"" + oneHash + "\"\nkeys:\n  - id: ci\n    hash: \"sha256:0000000000000000000000000000000000000000000000000000000000000000\"\n    owner: build\n"
	if diff := cmp.Diff(want, string(gotUsers)+string(gotKeys)); diff != "" {
		t.Error(diff)
	}
}

// TestEditKeys: a key is added with its hash alone, counts at once, and no more
// when it is revoked; its id is never given again.
func TestEditKeys(t *testing.T) {
	const first = "# for machines\nkeys:\n  - id: old # to be replaced\n    hash: \"sha256:1111111111111111111111111111111111111111111111111111111111111111\"\n    owner: build\n"
	secret, hash, err := GenerateAPIKey("ci")
	if err != nil {
		t.Fatal(err)
	}
	editor, err := EditKeys("keys.yaml", []byte(first))
	if err != nil {
		t.Fatal(err)
	}
	if err := editor.Add(KeyEntry{ID: "ci", Owner: "build", Hash: hash, Roles: []string{"deployer"}, Scopes: []string{"deploy"}, Networks: []string{"10.0.0.0/8"}}); err != nil {
		t.Fatal(err)
	}
	verify := func() string {
		content, err := editor.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(content), secret) || !strings.HasPrefix(string(content), first) {
			t.Errorf("got %s", content)
		}
		list, err := ParseAPIKeys("keys.yaml", content)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := NewAPIKeys(list...)
		if err != nil {
			t.Fatal(err)
		}
		_, reason := keys.Verify(secret, netip.MustParseAddr("10.0.0.1"), time.Now())
		return string(reason)
	}
	if got := verify(); got != "" {
		t.Errorf("a new key: %s", got)
	}
	if editor.Add(KeyEntry{ID: "ci", Owner: "build", Hash: hash}) == nil || editor.Revoke("none") == nil {
		t.Error("a key that is there was added, or one that is not was revoked")
	}
	if err := editor.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	if got := verify(); got != "account_disabled" {
		t.Errorf("a revoked key: %q", got)
	}
	if editor.Remove("none") == nil {
		t.Error("a key that is not there was removed")
	}
	if err := editor.Remove("ci"); err != nil {
		t.Fatal(err)
	}
	if got := verify(); got != "credentials_invalid" {
		t.Errorf("a removed key: %q", got)
	}
}
