package authn

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/login"
	"github.com/policyauth/caddy-policy-auth/internal/oidc"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// TestUserChanges: those who follow users hear of each change with the users before and
// after it, until they let go, and not of a file that is not taken.
func TestUserChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	user := func(name string) string {
		return "users:\n  " + name + ":\n    password: $2a$10$t/Lje1VoPZn2HZ2/swfTPOpYOuxznHlveiTs978lYhxJp.3pI10Ye\n"
	}
	write(user("alice"))
	v, err := openBasic([]string{path}, nil, *defaultThrottle())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = v.Close() }()
	var heard []string
	tell := func(before, after *users.Users) {
		heard = append(heard, before.All()[0].Name+" "+after.All()[0].Name)
		if v.Load() != after {
			t.Error("the new users are not in use")
		}
	}
	first, second := v.changes.follow(tell), v.changes.follow(tell)
	for _, name := range []string{"bob", "bob: [", "carol"} {
		write(user(name))
		_ = v.Reload()
		second()
	}
	first()
	write(user("dave"))
	_ = v.Reload()
	if want := []string{"alice bob", "alice bob", "bob carol"}; !slices.Equal(heard, want) {
		t.Errorf("%q, want %q", heard, want)
	}
}

// TestS18DisabledBetween: S-18. App passwords of a user who is disabled in the file stay
// ended when the user is enabled again, although none was used meanwhile.
func TestS18DisabledBetween(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.yaml")
	write := func(more string) {
		text := "users:\n"
		for _, name := range []string{"alice", "bob"} {
			text += "  " + name + ":\n    password: $2a$10$t/Lje1VoPZn2HZ2/swfTPOpYOuxznHlveiTs978lYhxJp.3pI10Ye\n" + more
			more = ""
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	l := &LoginForm{Users: []string{path}}
	if err := l.Provision(caddy.Context{}); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Cleanup() }()
	in, sealer := store.NewMemory(nil), store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)
	s := &Session{registry: session.NewRegistry(in, sealer), passwords: apppassword.NewRegistry(in, sealer), methods: map[string]login.Method{l.form.ID(): l.form}}
	a, site := new(AppPasswords), new(login.Site)
	a.readFrom(nil)
	chain, err := NewChain([]Method{{Name: appPasswordMethod, Authenticator: a}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	BindAppPasswords(chain, s, site, zap.NewNop())
	secrets := map[string]string{}
	for _, name := range []string{"alice", "bob"} {
		secrets[name], _, err = site.AppPasswords.Make(t.Context(), apppassword.Holder{
			Person: person.Person{Login: l.form.ID(), Subject: name}, Site: "app.example.com", SignedIn: time.Now(), Identity: l.form.Users().Get(name).Identity,
		}, "phone", nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	v, release, err := acquireBasic(l.Users, nil, *l.Throttle)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	for _, more := range []string{"    disabled: true\n", ""} {
		write(more)
		if err := v.Reload(); err != nil {
			t.Fatal(err)
		}
	}
	for name, ended := range map[string]bool{"alice": true, "bob": false} {
		if _, _, err := site.AppPasswords.Verify(t.Context(), secrets[name], "app.example.com"); (err != nil) != ended {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOfflineAccessWarning: a site whose app passwords may end early gets a warning.
func TestOfflineAccessWarning(t *testing.T) {
	for name, test := range map[string]struct {
		config   oidc.Config
		settings AppPasswords
		warned   bool
	}{
		"the default":              {oidc.Config{}, AppPasswords{}, true},
		"other scopes":             {oidc.Config{Scopes: []string{"openid", "groups"}}, AppPasswords{}, true},
		"offline_access":           {oidc.Config{Scopes: []string{"openid", "offline_access"}}, AppPasswords{}, false},
		"as Google wants it":       {oidc.Config{Parameters: map[string][]string{"access_type": {"offline"}}}, AppPasswords{}, false},
		"sign_in_within":           {oidc.Config{}, AppPasswords{SignInWithin: 1}, false},
		"another value for Google": {oidc.Config{Parameters: map[string][]string{"access_type": {"online"}}}, AppPasswords{}, true},
	} {
		test.config.Issuer, test.config.ClientID, test.config.Keys = "https://id.example.com", "app", placeholderKeys(false)
		provider, err := oidc.New(test.config)
		if err != nil {
			t.Fatal(err)
		}
		core, logs := observer.New(zap.WarnLevel)
		test.settings.warnNoOfflineAccess(&login.OIDC{MethodName: "oidc", Provider: provider}, zap.New(core))
		if got := logs.All(); len(got) == 1 && strings.Contains(got[0].Message, "offline_access") != test.warned || len(got) > 1 || len(got) == 0 && test.warned {
			t.Errorf("%s: %v", name, got)
		}
		_ = provider.Close()
	}
}

// TestIgnores: only what begins with pa_ is an app password, also in an encoding that Basic
// does not have but that a lenient reader understands.
func TestIgnores(t *testing.T) {
	a := new(AppPasswords)
	for _, test := range []struct {
		scheme, value string
		ignored       bool
	}{
		{"bearer", "pa_x", false}, {"bearer", "PA_x", true}, {"bearer", "token", true},
		{"basic", "YTpwYV94", false},          // a:pa_x
		{"basic", "YTpwYV94eA==", false},      // a:pa_xx
		{"basic", "YTpwYV94eB==", false},      // unused bits
		{"basic", "YTpwYV94eA", false},        // no padding
		{"basic", "YTpwYV94eA== junk", false}, // what a decoder reads before it fails
		{"basic", "cGFfeDp5", true},           // pa_x:y
		{"basic", "", true},
	} {
		source := bearerSources[0]
		if test.scheme == "basic" {
			source = basicSources[0]
		}
		if got := a.ignores(source, test.value); got != test.ignored {
			t.Errorf("%s %s: %t", test.scheme, test.value, got)
		}
	}
}
