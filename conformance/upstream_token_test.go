package conformance

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// TestS23UpstreamToken: S-23. The next handler gets the provider's token of a session alone;
// a client's own value never reaches it, and nothing of the token reaches log or page.
func TestS23UpstreamToken(t *testing.T) {
	for header, line := range map[string]string{"Authorization": "upstream_token access", "X-Access-Token": "upstream_token access x-access-token"} {
		w := newEnv(t)
		w.Match = `[{"not": [{"path": ["/free/*"]}]}]`
		fake := oidctest.New(t)
		token := ""
		fake.Set(func(f *oidctest.Provider) {
			f.Tokens = func(_ string, answer map[string]any) { token = answer["access_token"].(string) }
		})
		users := "basic {\n users DIR/users.yaml\n }\n"
		h, logs := w.site(oidcSite(fake, "") + users + line + "\nme\ncors upstream\n")
		p := visitor(t, h)
		p.SignInAt("/mail")
		sent := func(r *http.Request, forged ...string) string {
			t.Helper()
			for _, value := range forged {
				r.Header[header], r.Header[strings.ToLower(header)] = []string{value}, []string{value}
			}
			next := new(reached)
			p.Ask(r, next)
			if next.Request == nil {
				t.Fatalf("%s: not passed on", r.URL)
			}
			var all []string
			for name, values := range next.Request.Header {
				if strings.EqualFold(name, header) {
					all = append(all, values...)
				}
			}
			return strings.Join(all, "|")
		}
		want := token
		if header == "Authorization" {
			want = "Bearer " + token
		}
		const forged = "Custom forged"
		if got := sent(get("/mail"), forged); got != want || token == "" {
			t.Errorf("%s: a session: %q, want %q", header, got, want)
		}
		if got := sent(get("/free/x"), forged); got != "" {
			t.Errorf("%s: a request that the matcher excludes: %q", header, got)
		}
		preflight := get("/mail", "Origin", origin, "Access-Control-Request-Method", "PUT")
		preflight.Method = http.MethodOptions
		if got := sent(preflight, forged); got != "" {
			t.Errorf("%s: a preflight: %q", header, got)
		}
		if recorder := p.Ask(get("/.policy_auth/me"), new(reached)); recorder.Code != 200 || strings.Contains(recorder.Body.String(), token) {
			t.Errorf("%d %s", recorder.Code, recorder.Body)
		}
		p.Cookies = map[string]string{}
		if got := sent(get("/public/x"), forged); got != "" {
			t.Errorf("%s: an anonymous caller: %q", header, got)
		}
		if got := sent(asUser(get("/mail"), "alice")); got != "" {
			t.Errorf("%s: a password: %q", header, got)
		}
		for _, entry := range logs.TakeAll() {
			if text := fmt.Sprint(entry.Message, entry.ContextMap()); strings.Contains(text, token) {
				t.Errorf("the log has the token: %s", text)
			}
		}
	}
}

// TestS23UpstreamTokenNested: S-23. Behind a policy_auth that consumed the client's own
// credential in the same header, the next handler gets the token, also through a third one,
// and never the credential.
func TestS23UpstreamTokenNested(t *testing.T) {
	for name, third := range map[string]string{"two handlers": "", "three handlers": basicSite} {
		w := newEnv(t)
		fake := oidctest.New(t)
		token := ""
		fake.Set(func(f *oidctest.Provider) {
			f.Tokens = func(_ string, answer map[string]any) { token = answer["access_token"].(string) }
		})
		first, _ := w.site(basicSite)
		second, _ := w.site(oidcSite(fake, "") + "upstream_token access\n")
		handlers := []caddyhttp.MiddlewareHandler{first, second}
		if third != "" {
			last, _ := w.site(third)
			handlers = append(handlers, last)
		}
		p := visitor(t, second)
		p.SignInAt("/mail")
		p.H = chained(handlers)
		for _, want := range []string{"Bearer " + token, ""} {
			if want == "" {
				p.Cookies = map[string]string{}
			}
			next := new(reached)
			if recorder := p.Ask(asUser(get("/public/mail"), "alice"), next); next.Request == nil {
				t.Fatalf("%s: %d %s", name, recorder.Code, recorder.Body)
			}
			if got := strings.Join(next.Request.Header["Authorization"], "|"); got != want || token == "" {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// chained passes a request through several handlers.
type chained []caddyhttp.MiddlewareHandler

func (c chained) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if len(c) == 0 {
		return next.ServeHTTP(w, r)
	}
	return c[0].ServeHTTP(w, r, caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		return c[1:].ServeHTTP(w, r, next)
	}))
}

// TestS23UpstreamTokenErrors: S-23. What cannot be with upstream_token.
func TestS23UpstreamTokenErrors(t *testing.T) {
	w, fake := newEnv(t), oidctest.New(t)
	w.Write("keys.yaml", "keys:\n  - {id: a, hash: \"sha256:"+sha(canary)+"\", owner: a}\n")
	for want, block := range map[string]string{
		"upstream_token: needs login oidc":     formSite + "upstream_token access\n",
		"remove one of the two":                oidcSite(fake, "") + "upstream_token access\nforward_credentials\n",
		"is one of identity_headers":           oidcSite(fake, "") + "upstream_token access\nidentity_headers {\n authorization id\n }\n",
		"reads its credential from the header": oidcSite(fake, "") + keySite + "upstream_token access x_api_key\n",
	} {
		if _, err := w.Provision(block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
