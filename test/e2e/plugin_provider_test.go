//go:build e2e

package e2e

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"
)

// providerSite is a site with a module of Caddy's own authentication handler beside keys.
const providerSite = `http://127.0.0.1:%s {
	policy_auth {
		provider ticket {
			names %s
			map roles team
		}
		api_key {
			keys DIR/keys.yaml
		}
		access DIR/table.yaml
	}
	respond "{http.auth.user.id} by {http.auth.user.method}, {http.auth.user.roles}; cookies {http.auth.user.claims.cookies}; key {http.auth.user.claims.key}"
}
`

// testProviders: S-27. The callers of a module of another plugin, and of Caddy's http_basic,
// are callers like those of our own methods, and what the modules write is held back.
func testProviders(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: laptop, owner: laptop, hash: \"sha256:"+sha(canary)+"\"}\n")
	w.Write("table.yaml", "rules:\n  - paths: [/staff]\n    allow: [{roles: [blue]}]\n  - paths: [/*]\n    allow: [{authenticated: true}]\n")
	admin, tickets, passwords := "127.0.0.1:"+port(t), port(t), port(t)
	w.Write("Caddyfile", strings.ReplaceAll(fmt.Sprintf("{\n admin %s\n auto_https off\n}\n"+providerSite+providerSite, admin, tickets, "alice bob", passwords, "replaced"), "DIR", w.Dir))
	adapted, err := exec.Command(binary(t), "adapt", "--config", filepath.Join(w.Dir, "Caddyfile")).Output()
	if err != nil {
		t.Fatal(err)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(canary), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	// http_basic can only be configured in JSON.
	config := strings.Replace(string(adapted), `{"module":"ticket","names":["replaced"]}`, `{"module":"http_basic","accounts":[{"username":"alice","password":"`+string(hash)+`"}]}`, 1)
	if config == string(adapted) {
		t.Fatalf("no provider in %s", config)
	}
	w.Write("caddy.json", config)
	s := start(t, w.Dir, filepath.Join(w.Dir, "caddy.json"), admin)

	const ours = "__Host-policy_auth=ours; policy_auth=ours; "
	basic := func(password string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+password))
	}
	sites := map[string]string{"ticket": tickets, "basic": passwords}
	for _, test := range []struct {
		name, site, method, path string
		status                   int
		body, challenge          string
		header                   []string
	}{
		{"a ticket, without our cookies", "ticket", "GET", "/", 200, "alice by provider:ticket, red,blue; cookies other=1; ticket=alice; key ", "", []string{"Cookie", ours + "other=1; ticket=alice"}},
		{"another ticket, a mapped role", "ticket", "GET", "/staff", 200, "bob by provider:ticket, red,blue", "", []string{"Cookie", "ticket=bob"}},
		{"a wrong ticket", "ticket", "GET", "/", 401, "", `Ticket realm="gate"`, []string{"Cookie", "ticket=carol"}},
		{"no ticket", "ticket", "GET", "/", 401, "", `Ticket realm="gate"`, nil},
		{"a key", "ticket", "GET", "/", 200, "laptop by api_key", "", []string{"X-Api-Key", canary}},
		{"a key beside a ticket", "ticket", "GET", "/staff", 403, "", "", []string{"X-Api-Key", canary, "Cookie", "ticket=alice"}},
		{"a wrong key beside a ticket", "ticket", "GET", "/", 401, "", "", []string{"X-Api-Key", "wrong", "Cookie", "ticket=alice"}},
		{"a change by another site", "ticket", "POST", "/", 403, "", "", []string{"Cookie", "ticket=alice", "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
		{"a change by the site itself", "ticket", "POST", "/", 200, "alice by provider:ticket", "", []string{"Cookie", "ticket=alice", "Sec-Fetch-Site", "same-origin"}},
		{"a password", "basic", "GET", "/", 200, "alice by provider:http_basic, ", "", []string{"Authorization", basic(canary)}},
		{"no role of a password", "basic", "GET", "/staff", 403, "", "", []string{"Authorization", basic(canary)}},
		{"a wrong password", "basic", "GET", "/", 401, "", `Basic realm="restricted"`, []string{"Authorization", basic("wrong")}},
		{"no password", "basic", "GET", "/", 401, "", `Basic realm="restricted"`, nil},
		{"a password by another site", "basic", "POST", "/", 403, "", "", []string{"Authorization", basic(canary), "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}},
		{"a password beside a key", "basic", "GET", "/", 200, "laptop by api_key", "", []string{"Authorization", basic(canary), "X-Api-Key", canary}},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, answer, body := do(t, test.method, "http://127.0.0.1:"+sites[test.site]+test.path, "", test.header...)
			if status != test.status || status == http.StatusOK && !strings.HasPrefix(body, test.body) {
				t.Errorf("%d %s", status, body)
			}
			if challenges := strings.Join(answer["Www-Authenticate"], ", "); !strings.Contains(challenges, test.challenge) {
				t.Errorf("challenges %q", challenges)
			}
			if answer.Get("X-Ticket")+answer.Get("Location") != "" || strings.Contains(answer.Get("Set-Cookie"), "ticket") || strings.Contains(body, "buy a ticket") {
				t.Errorf("the module's own answer: %v %s", answer, body)
			}
		})
	}
	log := s.logged()
	for _, want := range []string{`"reason":"cross_site"`, `"reason":"credentials_invalid"`, `"reason":"credentials_missing"`} {
		if !strings.Contains(log, want) {
			t.Errorf("the log has no %s", want)
		}
	}
}
