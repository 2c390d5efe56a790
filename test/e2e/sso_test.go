//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
	"github.com/policyauth/caddy-policy-auth/internal/store/redistest"
)

// TestE2ESSO runs examples/sso as it is: its Caddyfile twice, on one Redis and
// with a provider. Signed in at one site of one machine is signed in at the
// other site and on the other machine; signed out is signed out of all (R-SES-5).
func TestE2ESSO(t *testing.T) {
	redis, provider := redistest.New(t), oidctest.New(t)
	provider.ClientID = "web"
	provider.Claims["preferred_username"] = "test-user2"
	for name, value := range map[string]string{"ISSUER": provider.URL, "OIDC_SECRET": provider.ClientSecret, "REDIS_URL": redis.URL()} {
		t.Setenv(name, value)
	}
	t.Setenv("XDG_DATA_HOME", t.TempDir()) // they share Caddy's storage
	var ports []string
	var servers []*server
	for range 2 {
		ports = append(ports, port(t))
		admin := "127.0.0.1:" + port(t)
		t.Setenv("PORT", ports[len(ports)-1])
		t.Setenv("ADMIN", admin)
		servers = append(servers, start(t, ".", "examples/sso/Caddyfile", admin))
	}
	person := newFollower(t)
	for _, listen := range ports {
		for _, site := range []string{"app", "wiki"} {
			eventually(t, "the site has its certificate", func() bool {
				response, err := newFollower(t).Head("https://" + site + ".sso.localhost:" + listen + "/.policy_auth/nothing")
				if err == nil {
					_ = response.Body.Close()
				}
				return err == nil
			})
		}
	}
	for _, visit := range []struct{ site, path, want string }{
		{"app", "/a?b=c", "The application, for user-1."},
		{"wiki", "/", "The wiki, for user-1."},
		{"wiki", "/admin/", ""},
	} {
		for _, listen := range ports {
			at := fmt.Sprintf("https://%s.sso.localhost:%s%s", visit.site, listen, visit.path)
			status, end, page := person.open(at, nil)
			if visit.want == "" {
				if status != http.StatusForbidden {
					t.Errorf("%s: status %d: %s", at, status, page)
				}
			} else if status != http.StatusOK || end != at || page != visit.want {
				t.Errorf("%s: status %d at %s: %s", at, status, end, page)
			}
		}
	}
	if n := len(provider.Asked()); n != 1 {
		t.Errorf("signed in %d times", n)
	}
	if status, _, page := person.open("https://wiki.sso.localhost:"+ports[1]+"/.policy_auth/logout", strings.NewReader("")); status != http.StatusOK {
		t.Errorf("signing out: status %d: %s", status, page)
	}
	// Whoever comes now is sent to the provider, which here signs in without a word.
	person.open("https://app.sso.localhost:"+ports[0]+"/", nil)
	if n := len(provider.Asked()); n != 2 {
		t.Errorf("after signing out, signed in %d times", n)
	}
	if status, _, answer := do(t, "DELETE", servers[0].admin+"/policy_auth/sessions?user=test-user2", ""); status != http.StatusOK {
		t.Errorf("the operator: %d: %s", status, answer)
	}
	eventually(t, "the other machine asks again as well", func() bool {
		person.open("https://wiki.sso.localhost:"+ports[1]+"/", nil)
		return len(provider.Asked()) == 3
	})
}

// follower is a browser as far as cookies and redirects go, for whom every host
// is this machine and every certificate is good.
type follower struct {
	t testing.TB
	*http.Client
}

func newFollower(t testing.TB) *follower {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			_, listen, _ := net.SplitHostPort(address)
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+listen)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &follower{t, &http.Client{Jar: jar, Transport: transport}}
}

// open follows a link, or sends a form if there is one, until there are no more
// redirects; it returns the status, the last address and the page.
func (f *follower) open(at string, form io.Reader) (status int, end, page string) {
	f.t.Helper()
	method := "GET"
	if form != nil {
		method = "POST"
	}
	r, err := http.NewRequest(method, at, form)
	if err != nil {
		f.t.Fatal(err)
	}
	for name, value := range map[string]string{"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"} {
		r.Header.Set(name, value)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := f.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return response.StatusCode, response.Request.URL.String(), string(content)
}

// TestE2ESSOCommands: the containers of examples/sso run the commands that its
// Caddyfile tells, so that what is tested for the one holds for the other.
func TestE2ESSOCommands(t *testing.T) {
	content, err := os.ReadFile("examples/sso/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Command     string
			Environment map[string]string
		}
	}
	if err := yaml.Unmarshal(content, &compose); err != nil {
		t.Fatal(err)
	}
	caddyfile, err := os.ReadFile("examples/sso/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	if len(compose.Services) != 4 {
		t.Errorf("%d services", len(compose.Services))
	}
	for name, service := range compose.Services {
		words := []string{service.Command}
		for key, value := range service.Environment {
			words = append(words, key+"="+value)
		}
		found := false
		for line := range strings.Lines(string(caddyfile)) {
			all := strings.HasPrefix(line, "#\t")
			for _, word := range words {
				all = all && strings.Contains(line, word)
			}
			found = found || all
		}
		if !found {
			t.Errorf("%s: no command in the Caddyfile's head has %q", name, words)
		}
	}
}
