package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// apiKey is a key of keys, which has one of each kind.
const apiKey = canary + "-0123456789abcdef"

// keys gives the environment a keys.yaml and returns the block that reads it.
func (w *env) keys(from string) string {
	w.Write("keys.yaml", "keys:\n  - {id: ci, owner: build, hash: \"sha256:"+sha(apiKey)+"\"}\n  - {id: off, owner: build, disabled: true, hash: \"sha256:"+sha(apiKey+"-off")+"\"}\n")
	return "api_key {\n keys DIR/keys.yaml\n " + from + "\n }\n"
}

// TestAPIKey: all of keys.yaml through the handler.
//
// R-KEY-1, R-KEY-3, R-KEY-4
func TestAPIKey(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n"+
		"  - {id: ci, owner: build, roles: [admin], hash: \"sha256:"+sha(canary)+"\"}\n"+
		"  - {id: old, owner: build, expires: 2001-01-01T00:00:00Z, hash: \"sha256:"+sha(canary+"-old")+"\"}\n"+
		"  - {id: off, owner: build, disabled: true, hash: \"sha256:"+sha(canary+"-off")+"\"}\n"+
		"  - {id: far, owner: build, networks: [203.0.113.0/24], hash: \"sha256:"+sha(canary+"-far")+"\"}\n"+
		"  - {id: weak, owner: build, hash: \"sha256:"+sha(canary+"-weak")+"\"}\n")
	h, logs := w.site("api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n")
	for key, want := range map[string]int{canary: 200, canary + "-old": 401, canary + "-off": 401, canary + "-far": 401, canary + "-none": 401, "": 401, canary + "-weak": 403} {
		next := new(reached)
		recorder, err := ask(h, get("/admin/", "X-API-Key", key), next)
		if err != nil || recorder.Code != want {
			t.Errorf("%s: %d, want %d", key, recorder.Code, want)
		}
		if want == 401 && recorder.Header().Get("WWW-Authenticate") != `ApiKey realm="restricted", header="X-API-Key"` {
			t.Errorf("challenge %q", recorder.Header()["Www-Authenticate"])
		}
		if next.Request != nil && next.Request.Header.Get("X-API-Key") != "" {
			t.Error("the key reached the upstream")
		}
	}
	for _, entry := range logs.All() {
		for _, field := range entry.Context {
			if strings.Contains(field.String, canary) {
				t.Errorf("the log holds a key: %v", field)
			}
		}
	}
	if recorder, _ := ask(h, get("/", "X-API-Key", canary, "X-API-Key", canary), new(reached)); recorder.Code != 400 {
		t.Errorf("two keys: %d", recorder.Code)
	}
	if recorder, _ := ask(h, get("/?X-API-Key="+canary+"&api_key="+canary), new(reached)); recorder.Code != 401 {
		t.Errorf("a key in the query: %d", recorder.Code)
	}
}

// TestThrottled: R-BA-9 through the handler; the right password does not help
// once too many were wrong.
func TestThrottled(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site("basic {\n users DIR/users.yaml\n throttle 3 5m\n }\n access DIR/access.yaml\n")
	for i := range 5 {
		r := get("/")
		r.SetBasicAuth("bob", "wrong")
		want := 401
		if i >= 3 {
			want = 429
		}
		recorder, _ := ask(h, r, new(reached))
		if recorder.Code != want {
			t.Errorf("try %d: %d, want %d", i+1, recorder.Code, want)
		}
	}
	recorder, _ := ask(h, asUser(get("/"), "bob"), new(reached))
	if recorder.Code != 429 || recorder.Header().Get("Retry-After") == "" {
		t.Errorf("the right password: %d %v", recorder.Code, recorder.Header())
	}
	if recorder, _ := ask(h, asUser(get("/"), "alice"), new(reached)); recorder.Code != 200 {
		t.Errorf("another user: %d", recorder.Code)
	}
}

// TestInsecureTransport: R-HTTP-5, through the handler.
func TestInsecureTransport(t *testing.T) {
	w := newEnv(t)
	for block, want := range map[string]int{basicSite: 403, basicSite + "insecure_http\n": 200} {
		h, logs := w.site(block)
		r := asUser(get("http://example.com/"), "bob")
		r.RemoteAddr = "203.0.113.9:1234"
		recorder, _ := ask(h, r, new(reached))
		if recorder.Code != want {
			t.Errorf("%d, want %d", recorder.Code, want)
		}
		for _, entry := range logs.All() {
			if hint, _ := entry.ContextMap()["hint"].(string); want == 403 && !strings.Contains(hint, "insecure_http") {
				t.Errorf("the log gives no hint: %v", entry)
			}
			for _, field := range entry.Context {
				if strings.Contains(field.String, canary) {
					t.Errorf("the log holds the password: %v", field)
				}
			}
		}
	}
}

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

// TestN14DefaultStore: a site with basic alone keeps the networks that its users
// sign in from in a store below Caddy's data directory. It is opened at its first
// use, and signing in does without it if it cannot be.
func TestN14DefaultStore(t *testing.T) {
	for _, broken := range []bool{false, true} {
		data := t.TempDir()
		t.Setenv("XDG_DATA_HOME", data)
		path := filepath.Join(data, "caddy", "policy_auth", "store.db")
		if broken {
			if err := os.MkdirAll(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		w := newEnv(t)
		h, _ := w.site(basicSite)
		if _, err := os.Stat(path); err == nil && !broken {
			t.Error("a configuration that is only loaded makes a store")
		}
		if recorder, err := ask(h, asUser(get("/"), "alice"), new(reached)); err != nil || recorder.Code != 200 {
			t.Errorf("broken: %v, got %d %v", broken, recorder.Code, err)
		}
		if info, err := os.Stat(path); err != nil || !broken && !info.Mode().IsRegular() {
			t.Errorf("no store: %v", err)
		}
	}
}
