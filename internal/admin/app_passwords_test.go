package admin

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/person"
)

// withPasswords opens a store of its own until the test ends, and returns its app passwords.
func withPasswords(t *testing.T) *apppassword.Passwords {
	t.Helper()
	root, err := json.Marshal(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	parent, err := caddy.ProvisionContext(&caddy.Config{StorageRaw: json.RawMessage(`{"module": "file_system", "root": ` + string(root) + `}`)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := caddy.NewContext(parent)
	t.Cleanup(cancel)
	own := &authn.Session{Store: &authn.SessionStore{Kind: "file", Path: filepath.Join(t.TempDir(), "store.db")}}
	if err := own.Provision(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Cleanup() })
	var found *apppassword.Passwords
	authn.AppPasswordRegistries(func(g *apppassword.Registry) {
		found = apppassword.New(g, apppassword.Config{Scopes: []string{"read"}})
	})
	return found
}

// made makes an app password for a user of a site.
func made(t *testing.T, in *apppassword.Passwords, id, username, issuer string) (secret string, p *apppassword.Password) {
	t.Helper()
	secret, p, err := in.Make(t.Context(), apppassword.Holder{
		Person: person.Person{Login: "oidc", Issuer: issuer, Subject: id}, Site: "app.example.com", SignedIn: time.Now(),
		Identity: &authenticator.Identity{Authenticated: true, Kind: authenticator.KindUser, ID: id, Username: username, Issuer: issuer},
	}, "phone of "+username, []string{"read"})
	if err != nil {
		t.Fatal(err)
	}
	return secret, p
}

// TestS18AdminList: S-18, S-17. App passwords are listed without the password and its hash,
// those of a user by ID or name whatever the issuer.
func TestS18AdminList(t *testing.T) {
	in := withPasswords(t)
	secret, _ := made(t, in, "1", "alice", "https://id.example.com")
	made(t, in, "2", "alice", "https://other.example.com")
	_, bob := made(t, in, "3", "bob", "https://id.example.com")
	for uri, names := range map[string]int{"": 3, "?user=": 3, "?user=alice": 2, "?user=1": 1, "?user=bob": 1, "?user=Alice": 0, "?user=mallory": 0} {
		status, body := call(t, "GET", appPasswordsPath+uri, "", "")
		var list []AppPassword
		if err := json.Unmarshal([]byte(body), &list); err != nil || status != 200 || len(list) != names {
			t.Errorf("%s: %d %s", uri, status, body)
		}
		if strings.Contains(body, secret[20:]) || strings.Contains(body, "hash") || strings.Contains(body, "null") && !strings.Contains(body, `"last_used":null`) {
			t.Errorf("%s: %s", uri, body)
		}
	}
	_, body := call(t, "GET", appPasswordsPath+"?user=bob", "", "")
	var list []AppPassword
	if err := json.Unmarshal([]byte(body), &list); err != nil {
		t.Fatal(err)
	}
	if got := list[0]; got.ID != bob.ID || got.Name != "phone of bob" || got.User != "3" || got.Username != "bob" || got.Issuer != "https://id.example.com" || got.Login != "oidc" ||
		got.Site != "app.example.com" || len(got.Scopes) != 1 || got.LastUsed != nil || !got.Expires.After(got.Created) {
		t.Errorf("%+v", got)
	}
	in.Touch(bob) // which is saved in the background
	for deadline := time.Now().Add(5 * time.Second); strings.Contains(body, `"last_used":null`); _, body = call(t, "GET", appPasswordsPath+"?user=bob", "", "") {
		if time.Now().After(deadline) {
			t.Fatalf("used: %s", body)
		}
	}
}

// TestS18AdminEnd: S-18, S-17. An operator ends one app password, those of a user, those of
// all users, and with the sessions of a user the app passwords, too.
func TestS18AdminEnd(t *testing.T) {
	in := withPasswords(t)
	for name, test := range map[string]struct {
		uri, answer string
		left        int // of alice, her namesake and bob
	}{
		"one":                  {appPasswordsPath + "/ID", `{"ended":1}`, 2},
		"an unknown one":       {appPasswordsPath + "/mfzwizltorsxg5cj", `{"ended":0}`, 3},
		"no id":                {appPasswordsPath + "/pa_x/../y", `{"ended":0}`, 3},
		"a user by name":       {appPasswordsPath + "?user=alice", `{"ended":2}`, 1},
		"a user by id":         {appPasswordsPath + "?user=1", `{"ended":1}`, 2},
		"all":                  {appPasswordsPath + "?all=true", `{"ended":3}`, 0},
		"sessions of a user":   {sessionsPath + "?user=alice", `{"ended":0,"app_passwords":2}`, 1},
		"sessions of all":      {sessionsPath + "?all=true", `{"ended":0,"app_passwords":3}`, 0},
		"one unknown session":  {sessionsPath + "/x", `{"ended":0}`, 3},
		"an unknown user":      {appPasswordsPath + "?user=mallory", `{"ended":0}`, 3},
		"nothing is said":      {appPasswordsPath, "set either user=", 3},
		"an empty user":        {appPasswordsPath + "?user=", "set either user=", 3},
		"a user and all users": {appPasswordsPath + "?user=alice&all=true", "set either user=", 3},
	} {
		var secrets []string
		secret, alice := made(t, in, "1", "alice", "https://id.example.com")
		secrets = append(secrets, secret)
		for id, username := range map[string]string{"2": "alice", "3": "bob"} {
			secret, _ := made(t, in, id, username, "https://other.example.com")
			secrets = append(secrets, secret)
		}
		status, body := call(t, "DELETE", strings.Replace(test.uri, "ID", alice.ID, 1), "", "")
		want := 200
		if strings.HasPrefix(test.answer, "set") {
			want = 400
		}
		if status != want || !strings.HasPrefix(body, test.answer) {
			t.Errorf("%s: %d %s", name, status, body)
		}
		left := 0
		for _, secret := range secrets {
			if _, _, err := in.Verify(t.Context(), secret, "app.example.com"); err == nil {
				left++
			}
		}
		if left != test.left {
			t.Errorf("%s: %d are left, want %d", name, left, test.left)
		}
		if _, err := in.EndUser(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
	}
	for uri, method := range map[string]string{appPasswordsPath: "POST", appPasswordsPath + "/x": "GET"} {
		if status, _ := call(t, method, uri, "", ""); status != 405 {
			t.Errorf("%s %s: %d", method, uri, status)
		}
	}
}

// TestS42ChangeHeader: S-42. What ends app passwords needs a header that a page of another
// site cannot send; what lists them does not.
func TestS42ChangeHeader(t *testing.T) {
	in := withPasswords(t)
	secret, p := made(t, in, "1", "alice", "https://id.example.com")
	for _, uri := range []string{"?user=alice", "?all=true", "/" + p.ID} {
		status, body := callWith(t, "DELETE", appPasswordsPath+uri, http.Header{}, "")
		if _, _, err := in.Verify(t.Context(), secret, "app.example.com"); status != 403 || !strings.Contains(body, ChangeHeader) || err != nil {
			t.Errorf("%s: %d %s, %v", uri, status, body, err)
		}
	}
	if status, _ := callWith(t, "GET", appPasswordsPath, http.Header{}, ""); status != 200 {
		t.Errorf("list: %d", status)
	}
}
