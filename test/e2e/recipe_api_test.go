//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/oidc/oidctest"
)

// bearer returns the Authorization of a token for the API of the recipes.
func bearer(p *oidctest.Provider, claims map[string]any) string {
	all := map[string]any{"iss": p.URL, "aud": "https://api.example.com", "sub": "svc", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix()}
	maps.Copy(all, claims)
	return "Bearer " + p.SignToken(map[string]any{"alg": "RS256", "typ": "at+jwt"}, all)
}

// TestE2ERecipeSPA runs docs/recipes/spa-api.md with what a browser sends.
func TestE2ERecipeSPA(t *testing.T) {
	provider, api := newProvider(t), newApp(t, nil)
	r := newRecipe(t, "spa-api", "localhost:9000", api.address, "https://id.example.com", provider.URL, "/srv/app", "files")
	r.env.Write("files/index.html", "<title>the app</title>")
	r.env.Write("files/app.js", "run()")
	r.serve()
	const app, target = "https://app.example.com", "https://api.example.com/items/1"
	browser, program := r.from(t, outside), r.from(t, outside)
	script := func(origin string, more ...string) []string {
		return append([]string{"Origin", origin, "Sec-Fetch-Mode", "cors", "Sec-Fetch-Site", "same-site", "Accept", "application/json"}, more...)
	}
	status, header, body := browser.ask("GET", target, script(app)...)
	var problem struct {
		LoginURL string `json:"login_url"`
	}
	if err := json.Unmarshal([]byte(body), &problem); err != nil || status != 401 || header.Get("Access-Control-Allow-Origin") != app || header.Get("Access-Control-Allow-Credentials") != "true" || problem.LoginURL == "" {
		t.Errorf("an anonymous script: %d %v %s", status, header, body)
	}
	if status, end, page := browser.open(app + "/items/1?tab=2"); status != 200 || end != app+"/items/1?tab=2" || !strings.Contains(page, "the app") {
		t.Fatalf("signing in: %d %s %s", status, end, page)
	}
	browser.open(app + "/.policy_auth/login?return_to=%2Fitems%2F1") // as api() does
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		header := browser.want(api, 200, method, target, script(app)...)
		if header.Get("Access-Control-Allow-Origin") != app {
			t.Errorf("%s: %v", method, header)
		}
	}
	browser.want(api, 403, "PUT", target, script("https://evil.example")...)
	browser.want(api, 403, "GET", "https://api.example.com/admin/", script(app)...)
	for origin, want := range map[string]int{app: 204, "https://evil.example": 403} {
		if got, _, _ := program.ask("OPTIONS", target, "Origin", origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type"); got != want {
			t.Errorf("a preflight of %s: %d, want %d", origin, got, want)
		}
	}
	program.ask("GET", target, "Authorization", bearer(provider, nil), "X-Auth-User", "root")
	if seen := api.last(); seen == nil || seen.Header.Get("X-Auth-User") != "svc" || seen.Header.Get("Authorization") != "" {
		t.Errorf("a program: %v", seen)
	}
	if status, _, body := browser.ask("GET", app+"/app.js"); status != 200 || body != "run()" {
		t.Errorf("a file of the app: %d %s", status, body)
	}
	program.want(api, 401, "GET", app+"/app.js")
}

// TestE2ERecipeMachineAPI runs docs/recipes/machine-api.md.
func TestE2ERecipeMachineAPI(t *testing.T) {
	provider, api := newProvider(t), newApp(t, nil)
	r := newRecipe(t, "machine-api", "localhost:9000", api.address, "https://id.example.com", provider.URL)
	key := strings.TrimSpace(policyAuth(t, r.Dir, "", "key", "add", "scanner-7", "--owner", "scanner-7", "--scopes", "orders.read", "--networks", lanHere))
	r.serve()
	const orders = "https://api.example.com/v1/orders/1"
	service, scanner := r.from(t, outside), r.from(t, atHome)
	reads := bearer(provider, map[string]any{"scope": "orders.read", "client_id": "svc"})
	service.want(api, 200, "GET", "https://api.example.com/healthz")
	if got := service.want(api, 401, "GET", orders).Values("WWW-Authenticate"); len(got) != 3 {
		t.Errorf("challenges %q", got)
	}
	service.want(api, 200, "GET", orders, "Authorization", reads)
	if got := service.want(api, 403, "POST", orders, "Authorization", reads).Get("WWW-Authenticate"); !strings.Contains(got, `error="insufficient_scope"`) || !strings.Contains(got, "orders.write") {
		t.Errorf("a token without the scope: %q", got)
	}
	service.want(api, 200, "PATCH", orders, "Authorization", bearer(provider, map[string]any{"scope": "orders.write"}))
	service.want(api, 401, "GET", orders, "Authorization", bearer(provider, map[string]any{"aud": "https://other.example.com"}))
	if !strings.Contains(r.logged(), `"reason":"token_audience"`) {
		t.Error("the log does not tell why")
	}
	service.want(api, 403, "GET", "https://api.example.com/v1/new", "Authorization", reads)
	service.want(api, 403, "GET", "https://api.example.com/v1/admin/", "Authorization", bearer(provider, map[string]any{"sub": "deployment", "sid": "1"}))
	service.want(api, 200, "GET", "https://api.example.com/v1/admin/", "Authorization", bearer(provider, map[string]any{"sub": "deployment", "client_id": "deployment"}))
	scanner.want(api, 200, "GET", orders, "X-API-Key", key)
	service.want(api, 401, "GET", orders, "X-API-Key", key)
	scanner.want(api, 400, "GET", orders, "X-API-Key", key, "Authorization", reads)
	if strings.Contains(r.logged(), key) {
		t.Error("the log holds the key")
	}
}

// workflowStep is a step of the recipe's workflow that works with policies.
var workflowStep = regexp.MustCompile(`(?m)^\s+- run: \./caddy (policy-auth .*)$`)

// read returns a file of the recipe.
func (r *recipe) read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(r.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// steps runs those of the workflow and returns what fails.
func (r *recipe) steps(t *testing.T) (failed []string) {
	t.Helper()
	found := workflowStep.FindAllStringSubmatch(r.read(t, "workflow.yaml"), -1)
	if len(found) != 3 {
		t.Errorf("%d steps", len(found))
	}
	for _, step := range found {
		cmd := exec.Command(binary(t), strings.Fields(step[1])...)
		cmd.Dir = r.Dir
		if output, err := cmd.CombinedOutput(); err != nil {
			failed = append(failed, step[1]+": "+string(output))
		}
	}
	return failed
}

// TestE2ERecipePolicyRepository runs the steps of the workflow in
// docs/recipes/policy-repository.md, and its site while policies are changed.
func TestE2ERecipePolicyRepository(t *testing.T) {
	provider, app := newProvider(t, "blue"), newApp(t, nil)
	r := newRecipe(t, "policy-repository", "localhost:9000", app.address, "https://id.example.com", provider.URL)
	if failed := r.steps(t); failed != nil {
		t.Errorf("the steps fail: %q", failed)
	}
	r.serve()
	browser := r.from(t, outside)
	const plan = "https://teams.example.com/teams/blue/plan"
	if status, end, _ := browser.open(plan); status != 200 || end != plan {
		t.Fatalf("a member: %d %s", status, end)
	}
	browser.want(app, 403, "PUT", plan)
	browser.want(app, 403, "GET", "https://teams.example.com/teams/red/plan")
	browser.want(app, 200, "GET", "https://teams.example.com/")

	good := r.read(t, "policies/authz.rego")
	r.env.Write("policies/authz.rego", strings.Replace(good, "helpers.is_method(\"GET\")\n", "", 1)) // members write
	eventually(t, "the change is noticed", func() bool { return strings.Contains(r.logged(), "policies not taken") })
	browser.want(app, 403, "PUT", plan)
	if len(r.steps(t)) == 0 {
		t.Error("no step fails for a policy that lets members write")
	}
	r.env.Write("policies/authz.rego", strings.Replace(good, `"-owners"`, `"-owner"`, 1))
	r.env.Write("policies/authz_test.rego", strings.Replace(r.read(t, "policies/authz_test.rego"), `"blue-owners"`, `"blue-owner"`, 1))
	provider.Set(func(p *oidctest.Provider) { p.Claims["groups"] = []string{"blue-owner"} })
	owner := r.from(t, outside)
	eventually(t, "a good change counts", func() bool { status, _, _ := owner.open(plan); return status == 200 })
	explain := exec.Command(binary(t), strings.Fields("policy-auth explain --policies policies --access access.yaml PUT "+plan+" --as bob --group blue")...)
	explain.Dir = r.Dir
	if output, err := explain.CombinedOutput(); explain.ProcessState.ExitCode() != 1 || !strings.Contains(string(output), "denied") {
		t.Errorf("explain: %v\n%s", err, output)
	}
}

// TestE2ERecipeSPABrowser runs the site and the script of docs/recipes/spa-api.md in a
// real browser: the script calls the API, and signs in again when the session has ended.
func TestE2ERecipeSPABrowser(t *testing.T) {
	provider, api := newProvider(t), newApp(t, nil)
	const app = "https://app.example.test:HTTPS_PORT"
	r := newRecipe(t, "spa-api", "localhost:9000", api.address, "https://id.example.com", provider.URL, "/srv/app", "files",
		"https://app.example.com", app, "https://api.example.com", "https://api.example.test:HTTPS_PORT", "example.com", "example.test")
	r.env.Write("files/index.html", "<title>the app</title><p>the app</p>")
	r.serve()
	site := strings.Replace(app, "HTTPS_PORT", r.port, 1)
	b := openWindow(t)
	b.visit(site + "/items/1")
	b.wantText("the app")
	const call = `return import("/api.js").then(m => m.api("/items/1", {method: "PUT", headers: {"Content-Type": "application/json"}})).then(a => a.status)`
	if got := b.run(call); got != 200.0 {
		t.Fatalf("a script that is signed in: %v", got)
	}
	if got := b.run(`return fetch("` + strings.Replace(site, "app.", "api.", 1) + `/items/1").then(a => a.status)`); got != 401.0 {
		t.Errorf("a script that leaves out the cookie: %v", got)
	}
	end := exec.Command(binary(t), "policy-auth", "session", "end", "--all", "--address", strings.TrimPrefix(r.admin, "http://"))
	if output, err := end.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	asked := len(provider.Asked())
	eventually(t, "the page signs in again", func() bool { // on which the document changes, also while a script runs
		_ = b.try("POST", "/execute/sync", map[string]any{"script": call, "args": []any{}}, nil)
		return len(provider.Asked()) > asked
	})
	b.wantText("the app")
	if b.url() != site+"/items/1" {
		t.Errorf("back at %s", b.url())
	}
	if got := b.run(call); got != 200.0 {
		t.Errorf("a script that signed in again: %v", got)
	}
}
