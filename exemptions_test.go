package policyauth

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestNoExemption: T-06. Nothing that a client says of itself exempts it: no
// user agent of a health check, no header of an internal network or of another
// access layer, alone or all together, whatever the path and the method.
func TestNoExemption(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	claims := [][2]string{
		{"User-Agent", "GoogleHC/1.0"}, {"User-Agent", "kube-probe/1.34"}, {"User-Agent", "ELB-HealthChecker/2.0"}, {"User-Agent", "Amazon-Route53-Health-Check-Service"},
		{"User-Agent", "Blackbox Exporter/0.27"}, {"User-Agent", "Caddy Health Checker"}, {"X-Health-Check", "1"},
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-Ip", "127.0.0.1"}, {"Forwarded", "for=127.0.0.1"}, {"True-Client-Ip", "127.0.0.1"}, {"Cf-Connecting-Ip", "127.0.0.1"},
		{"X-Internal", "true"}, {"X-Auth-Request-User", "alice"}, {"X-Forwarded-User", "alice"}, {"Remote-User", "alice"}, {"X-Auth-Skip", "1"},
		{"X-Original-Url", "/public/"}, {"X-Rewrite-Url", "/public/"}, {"X-Forwarded-Uri", "/public/"}, {"X-Forwarded-Method", "OPTIONS"},
		{"Sec-Purpose", "prefetch"}, {"Upgrade", "websocket"}, {"X-Requested-With", "XMLHttpRequest"}, {"Referer", "https://localhost/public/"},
	}
	var all []string
	for _, claim := range claims {
		all = append(all, claim[0], claim[1])
	}
	together := append([][2]string{{"all of them"}}, claims...)
	for i, claim := range together {
		header := claim[:]
		if i == 0 {
			header = all
		}
		for _, target := range []string{"/", "/healthz", "/ping", "/ready", "/metrics", "/.well-known/health", "/robots.txt"} {
			for _, method := range []string{"GET", "HEAD", "OPTIONS"} {
				r := get(target, header...)
				r.Method = method
				next := new(reached)
				recorder, err := ask(h, r, next)
				if err != nil {
					t.Fatal(err)
				}
				if recorder.Code != 401 || next.Request != nil {
					t.Errorf("%s %s with %q: %d", method, target, claim, recorder.Code)
				}
			}
		}
	}
}

// TestOmitted: T-11. A block that omits a method, or says less, takes nothing
// away from another one: what a narrower block does not say does not disable what
// the wider one asks for, whichever comes first. A block that says nothing is an
// error.
func TestOmitted(t *testing.T) {
	const openSite = "access DIR/all.yaml\n"
	tests := []struct{ name, first, second string }{
		{"a second block without the method", keySite, openSite},
		{"a first block without the method", openSite, keySite},
		{"a second block with another method", keySite, basicSite},
		{"the same block twice", keySite, keySite},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, test.first, test.second)
			next := new(reached)
			if recorder := p.ask(t, get("/"), next); recorder.Code < 401 || recorder.Code > 403 || next.Request != nil {
				t.Errorf("a stranger: %d", recorder.Code)
			}
		})
	}
	if _, err := newEnv(t).provision(""); err == nil || !strings.Contains(err.Error(), "no method of authentication and no rules") {
		t.Errorf("a block that says nothing: %v", err)
	}
}

// TestVersionOfOPA: T-10. OPA is one whose bundles cannot be passed off with
// another file for the signatures, and whose index and type checker decide as
// the policies say: 1.22.2 or later.
func TestVersionOfOPA(t *testing.T) {
	for _, file := range []string{"go.mod", "tools/go.mod"} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var major, minor, patch int
		line := regexp.MustCompile(`github\.com/open-policy-agent/opa v[0-9.]+`).Find(content)
		if _, err := fmt.Sscanf(string(line), "github.com/open-policy-agent/opa v%d.%d.%d", &major, &minor, &patch); err != nil {
			t.Fatalf("%s: %q: %v", file, line, err)
		}
		if (major*1000+minor)*1000+patch < 1_022_002 {
			t.Errorf("%s has OPA %d.%d.%d", file, major, minor, patch)
		}
	}
}
