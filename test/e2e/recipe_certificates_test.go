//go:build e2e

package e2e

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/clientcert/certtest"
)

// shell runs one of a recipe's scripts in its folder.
func (r *recipe) shell(script string, args ...string) {
	r.T.Helper()
	cmd := exec.Command("sh", append([]string{script}, args...)...)
	cmd.Dir = r.Dir
	if output, err := cmd.CombinedOutput(); err != nil {
		r.T.Fatalf("%s: %v\n%s", script, err, output)
	}
}

// withCertificate returns a visitor that sends a certificate.
func (r *recipe) withCertificate(t *testing.T, certificate tls.Certificate) *visitor {
	t.Helper()
	v := r.from(t, outside)
	v.client.Transport.(*http.Transport).TLSClientConfig.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &certificate, nil
	}
	return v
}

// issued makes a certificate as the recipe does.
func (r *recipe) issued(name string) tls.Certificate {
	r.T.Helper()
	r.shell("issue.sh", name)
	pair, err := tls.LoadX509KeyPair(filepath.Join(r.Dir, name+".pem"), filepath.Join(r.Dir, name+".key"))
	if err != nil {
		r.T.Fatal(err)
	}
	return pair
}

// TestE2ERecipeMutualTLS runs docs/recipes/mutual-tls.md with the authority and the
// certificates that its commands make.
//
// R-MT-4, R-403-5, S-20
func TestE2ERecipeMutualTLS(t *testing.T) {
	service := newApp(t, nil)
	r := newRecipe(t, "mutual-tls", "localhost:9000", service.address)
	r.shell("authority.sh")
	build, laptop, lost := r.issued("build.example.com"), r.issued("laptop.example.com"), r.issued("lost.example.com")
	foreign := certtest.New(t, "Example client CA").Issue(t, clientName)
	r.serve()
	const site = "https://machines.example.com"
	for name, test := range map[string]struct {
		v                       *visitor
		health, reports, deploy int
	}{
		"build":                {r.withCertificate(t, build), 200, 200, 200},
		"laptop":               {r.withCertificate(t, laptop), 200, 200, 403},
		"a name without rules": {r.withCertificate(t, lost), 200, 403, 403},
		"another authority":    {r.withCertificate(t, foreign), 200, 403, 403},
		"none":                 {r.from(t, outside), 200, 403, 403},
	} {
		t.Log(name)
		test.v.want(service, test.health, "GET", site+"/healthz")
		test.v.want(service, test.reports, "GET", site+"/reports/today")
		test.v.want(service, test.deploy, "POST", site+"/deploy/now")
	}
	for _, text := range []string{`"reason":"certificate_required"`, `"reason":"policy_denied"`, `"certificate":"`} {
		r.wantLogged(text)
	}

	curl := func(args ...string) string {
		cmd := exec.Command("curl", append([]string{"-sk", "--connect-to", "::127.0.0.1:" + r.port, site + "/reports/today"}, args...)...)
		cmd.Dir = r.Dir
		output, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("curl: %v", err)
		}
		return string(output)
	}
	if got := curl("--cert", "build.example.com.pem", "--key", "build.example.com.key"); got != "the application" {
		t.Errorf("curl with a certificate: %s", got)
	}
	if reached := service.last(); reached == nil || reached.Header.Get("X-Auth-User") != "build.example.com" {
		t.Errorf("the application got %v", reached)
	}
	if got := curl(); got == "the application" {
		t.Errorf("curl without: %s", got)
	}

	table, err := os.ReadFile(filepath.Join(r.Dir, "access.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	r.env.Write("access.yaml", "blocked: {users: [laptop.example.com]}\n"+string(table))
	stolen, other := r.withCertificate(t, laptop), r.withCertificate(t, build)
	eventually(t, "a stolen certificate is blocked", func() bool {
		status, _, _ := stolen.ask("GET", site+"/reports/today")
		return status == http.StatusForbidden
	})
	stolen.want(service, 403, "GET", site+"/healthz")
	other.want(service, 200, "GET", site+"/reports/today")

	shown := exec.Command("openssl", "x509", "-in", "build.example.com.pem", "-noout", "-dates", "-ext", "subjectAltName,extendedKeyUsage")
	shown.Dir = r.Dir
	if output, err := shown.CombinedOutput(); err != nil || !strings.Contains(string(output), "DNS:build.example.com") || !strings.Contains(string(output), "TLS Web Client Authentication") {
		t.Errorf("%v %s", err, output)
	}
}
