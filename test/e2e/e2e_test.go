//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/policyauth/caddy-policy-auth/test/testenv"
)

// TestMain runs the tests in the project's folder, whose examples they start.
func TestMain(m *testing.M) {
	if err := os.Chdir("../.."); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// binary is the Caddy to drive.
func binary(t testing.TB) string {
	t.Helper()
	path := os.Getenv("POLICY_AUTH_CADDY")
	if path == "" {
		t.Fatal("POLICY_AUTH_CADDY does not name a caddy")
	}
	return path
}

// server is a running Caddy.
type server struct {
	t     testing.TB
	cmd   *exec.Cmd
	admin string
	stop  func() // ends it; further calls do nothing
	mu    sync.Mutex
	log   bytes.Buffer
}

// Write takes the server's log.
func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// logged returns the server's log once it has been quiet for a moment: its lines come
// through a pipe, and some after the answer that they are about.
func (s *server) logged() string {
	log := s.written()
	for range 20 {
		time.Sleep(20 * time.Millisecond)
		more := s.written()
		if len(more) == len(log) {
			break
		}
		log = more
	}
	return log
}

// written returns what has been read of the server's log.
func (s *server) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.String()
}

// start runs Caddy in a directory until the test ends, and waits for its admin API.
func start(t testing.TB, dir, config, admin string) *server {
	t.Helper()
	s := &server{t: t, admin: "http://" + admin}
	s.cmd = exec.Command(binary(t), "run", "--config", config)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = dir, s, s
	s.cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir())
	if os.Getenv("XDG_DATA_HOME") == "" {
		s.cmd.Env = append(s.cmd.Env, "XDG_DATA_HOME="+t.TempDir())
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = s.cmd.Wait(); close(exited) }()
	s.stop = sync.OnceFunc(func() {
		_ = s.cmd.Process.Signal(os.Interrupt)
		select {
		case <-exited:
		case <-time.After(10 * time.Second):
			_ = s.cmd.Process.Kill()
			<-exited
		}
	})
	t.Cleanup(func() {
		s.stop()
		if t.Failed() {
			t.Log(s.logged())
		}
	})
	for range 100 {
		if response, err := http.Get(s.admin + "/config/"); err == nil {
			_ = response.Body.Close()
			return s
		}
		select {
		case <-exited:
			t.Fatalf("the server did not start:\n%s", s.logged())
		case <-time.After(100 * time.Millisecond):
		}
	}
	t.Fatal("the server did not start in time")
	return nil
}

// allocated returns how many bytes the server's heap has after a collection.
func (s *server) allocated() (n int) {
	s.t.Helper()
	_, _, body := do(s.t, "GET", s.admin+"/debug/pprof/heap?gc=1&debug=1", "")
	_, rest, _ := strings.Cut(body, "# HeapAlloc = ")
	_, _ = fmt.Sscan(rest, &n)
	return n
}

// port returns an unused port of the loopback interface.
func port(t testing.TB) string {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		number := listener.Addr().(*net.TCPAddr).Port
		_ = listener.Close()
		if _, given := ports.LoadOrStore(number, true); !given {
			return strconv.Itoa(number)
		}
	}
}

// ports are those that port has returned, so that it returns none twice.
var ports sync.Map

// serve runs Caddy with one site on loopback and returns it with its URL. DIR
// stands for the env's directory.
func (w *env) serve(site string) (*server, string) {
	w.T.Helper()
	admin, listen := "127.0.0.1:"+port(w.T), port(w.T)
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n}\nhttp://127.0.0.1:%s {\n%s\n}\n", admin, listen, strings.ReplaceAll(site, "DIR", w.Dir)))
	return start(w.T, w.Dir, "Caddyfile", admin), "http://127.0.0.1:" + listen
}

// do sends a request, without following redirects, and returns status, header and
// body. An answer of ours has to keep the rules.
func do(t testing.TB, method, url, user string, header ...string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if user != "" {
		r.SetBasicAuth(user, canary)
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if wrong := inspect(response.StatusCode, response.Header); isOurs(response.Header) && wrong != nil {
		t.Errorf("%s %s: %v", method, url, wrong)
	}
	return response.StatusCode, response.Header, string(body)
}

// isOurs reports whether an answer is a refusal and not the upstream's.
func isOurs(h http.Header) bool { return h.Get("X-Request-Id") != "" }

// eventually waits until a condition holds, at most half a minute.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for range 600 {
		if condition() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("it never came to pass that %s", what)
}

// TestE2EWalkthrough does what the README's walk-through says, in a copy of the
// project, and compares what it promises with what happens.
func TestE2EWalkthrough(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	s := start(t, dir, "examples/quickstart/Caddyfile", "localhost:2019")
	steps := 0
	for _, block := range testenv.Blocks(t, ".", "console", "") {
		for _, step := range strings.Split("\n"+block, "\n$ ")[1:] {
			command, promised, _ := strings.Cut(step, "\n")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			bash := exec.CommandContext(ctx, "bash", "-c", command)
			bash.Dir = dir
			output, _ := bash.CombinedOutput()
			cancel()
			got := strings.ReplaceAll(string(output), "\r", "")
			for line := range strings.SplitSeq(strings.TrimSpace(promised), "\n") {
				if !strings.Contains(got, line) {
					t.Errorf("$ %s\npromises %q, got:\n%s", command, line, got)
				}
			}
			steps++
		}
	}
	if steps < 15 {
		t.Errorf("only %d steps", steps)
	}
	if page := browse(t, "http://localhost:8082/"); !strings.Contains(page, `401 Bearer realm="restricted"`) || !strings.Contains(page, `"class":"sign_in_needed"`) {
		t.Errorf("a script of an allowed origin could not read its own 401:\n%s", page)
	}
	for _, secret := range []string{"builder", "wonderland", "nonsense"} {
		if strings.Contains(strings.ReplaceAll(s.logged(), "build-server", ""), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}

// browse opens a page in a real browser, lets its script run and returns what
// the page then holds.
func browse(t testing.TB, url string, flags ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	page, err := exec.CommandContext(ctx, "chromium", append(flags, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(),
		"--ignore-certificate-errors", "--host-resolver-rules=MAP *.test 127.0.0.1", // for sites of names that only a test knows
		"--disable-features=IsolateOrigins,site-per-process,TrackingProtection3pcd", "--disable-site-isolation-trials",
		"--virtual-time-budget=30000", "--dump-dom", url)...).Output()
	if err != nil {
		t.Fatalf("chromium: %v", err)
	}
	return html.UnescapeString(string(page))
}

// TestE2EReadmeCaddyfiles runs each Caddyfile of the manual, on loopback.
func TestE2EReadmeCaddyfiles(t *testing.T) {
	siteForm := regexp.MustCompile(`(?m)^(localhost|[a-z]+\.example\.com) \{`)
	for i, content := range testenv.Blocks(t, ".", "caddyfile", "") {
		t.Run(strconv.Itoa(i+1), func(t *testing.T) {
			admin, listen := "127.0.0.1:"+port(t), port(t)
			config := filepath.Join(t.TempDir(), "Caddyfile")
			content = strings.ReplaceAll(content, "/etc/caddy/", "examples/reference/")
			content = "{\n admin " + admin + "\n auto_https off\n}\n" + siteForm.ReplaceAllString(content, "http://127.0.0.1:"+listen+" {")
			if err := os.WriteFile(config, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			s := start(t, ".", config, admin)
			if status, header, _ := do(t, "GET", "http://127.0.0.1:"+listen+"/?access_token="+canary+"&page=2", ""); status != 401 || header.Get("WWW-Authenticate") == "" {
				t.Errorf("status %d, header %v", status, header)
			}
			if !strings.Contains(content, "format filter") {
				return
			}
			eventually(t, "an access log without the token", func() bool {
				return strings.Contains(s.logged(), "access_token=REDACTED") && strings.Contains(s.logged(), "page=2")
			})
			if strings.Contains(s.logged(), canary) {
				t.Error("the log holds the token of the query")
			}
		})
	}
}

// TestE2EDecisionLog: the decision log of docs/observing.md, from the running server.
func TestE2EDecisionLog(t *testing.T) {
	w := newEnv(t)
	admin, listen := "127.0.0.1:"+port(t), port(t)
	global := strings.Replace(testenv.Blocks(t, ".", "caddyfile", "global")[0], "{\n", "{\n admin "+admin+"\n auto_https off\n", 1)
	w.Write("Caddyfile", global+"http://127.0.0.1:"+listen+" {\npolicy_auth {\n"+strings.ReplaceAll(basicSite, "DIR", w.Dir)+"}\nrespond protected\n}\n")
	start(t, w.Dir, "Caddyfile", admin)
	if status, _, _ := do(t, "GET", "http://127.0.0.1:"+listen+"/admin/", "bob"); status != 403 {
		t.Fatal(status)
	}
	eventually(t, "a line in the decision log", func() bool {
		content, err := os.ReadFile(filepath.Join(w.Dir, "decisions.log"))
		var line struct{ Result struct{ Allow *bool } }
		return err == nil && json.Unmarshal(content, &line) == nil && line.Result.Allow != nil && !*line.Result.Allow && !strings.Contains(string(content), canary)
	})
}

// TestE2EWorkedExamples plays the examples of requirements.md, section 7, that need no
// sign-in page.
func TestE2EWorkedExamples(t *testing.T) {
	w := newEnv(t)
	_, url := w.serve("policy_auth {\n" + jwtSite + basicSite + "}\nrespond protected")
	status, header, body := do(t, "GET", url+"/mail", "", "Accept", "text/html,application/xhtml+xml,*/*;q=0.8", "Sec-Fetch-Mode", "navigate")
	if status != 401 || !strings.HasPrefix(header.Get("Content-Type"), "text/html") || !strings.Contains(body, "<html lang=\"en\">") || strings.Contains(body, "protected") {
		t.Errorf("mail without login, as a page: %d %s", status, body)
	}
	status, header, _ = do(t, "GET", url+"/mail", "", "Accept", "application/json")
	if status != 401 || header.Get("Content-Type") != "application/problem+json" || len(header["Www-Authenticate"]) != 3 {
		t.Errorf("mail without login, as a program: %d %v", status, header)
	}
	if status, _, _ = do(t, "GET", url+"/", "eve"); status != 401 {
		t.Errorf("wrong details: %d", status)
	}
	if status, _, _ = do(t, "GET", url+"/", "bob"); status != 200 {
		t.Errorf("the right ones at once after that: %d", status)
	}
	for name, token := range map[string]string{
		"expired":  jwtOf(t, map[string]any{"exp": time.Now().Add(-time.Hour).Unix()}),
		"tampered": jwtOf(t, nil) + "x",
	} {
		status, header, _ = do(t, "GET", url+"/", "", "Authorization", "Bearer "+token)
		if status != 401 || !strings.Contains(strings.Join(header["Www-Authenticate"], " "), `error="invalid_token"`) {
			t.Errorf("%s token: %d %v", name, status, header)
		}
	}
	status, header, _ = do(t, "GET", url+"/admin/", "", "Authorization", "Bearer "+jwtOf(t, nil))
	if status != 403 || header.Get("WWW-Authenticate") != "" {
		t.Errorf("a member's token on the admin page: %d %v", status, header)
	}
	if status, header, body = do(t, "HEAD", url+"/", ""); status != 401 || body != "" || header.Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d %v %q", status, header, body)
	}
	// R-401-9
	if status, _, _ = do(t, "GET", url+"/", "", "If-None-Match", "*", "Range", "bytes=0-1"); status != 401 {
		t.Errorf("conditional: %d", status)
	}
}

// TestE2EEdits changes rules and users while the server runs: an edit counts at
// once, a broken one changes nothing and is shown with file and line, and so is
// a directory that is gone (T-07, T-60, T-61).
func TestE2EEdits(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if \"member\" in input.identity.roles\n")
	s, url := w.serve("policy_auth {\nbasic {\n users DIR/users.yaml\n }\n policies DIR/policies\n}\nrespond protected")
	is := func(want int) func() bool {
		return func() bool { status, _, _ := do(t, "GET", url+"/", "bob"); return status == want }
	}
	shown := func() string { _, _, body := do(t, "GET", s.admin+"/policy_auth/policies", ""); return body }
	if !is(200)() {
		t.Fatal("a member is refused")
	}
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if \"admin\" in input.identity.roles\n")
	eventually(t, "the edit counts", is(403))
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if {\n")
	eventually(t, "the broken edit is shown", func() bool { return strings.Contains(shown(), "authz.rego:4") })
	if !is(403)() || !strings.Contains(s.logged(), "policies not taken; the last good ones stay in use") {
		t.Error("a broken edit changed something, or was not logged")
	}
	if status, _, _ := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 422 {
		t.Errorf("a reload of broken policies: %d", status)
	}
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if \"member\" in input.identity.roles\n")
	if status, _, _ := do(t, "POST", s.admin+"/policy_auth/policies/reload", ""); status != 200 || !is(200)() {
		t.Errorf("a reload of mended policies: %d", status)
	}
	if err := os.RemoveAll(w.Dir + "/policies"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal is shown", func() bool { return strings.Contains(shown(), "no such file or directory") })
	if !is(200)() {
		t.Error("removing the directory changed the answers")
	}
	content, err := os.ReadFile(w.Dir + "/users.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w.Write("users.yaml", strings.Replace(string(content), "  bob:\n", "  bob:\n    disabled: true\n", 1))
	eventually(t, "a disabled user is refused", is(401))
	w.Write("users.yaml", "users:\n  bob:\n    pasword: x\n")
	eventually(t, "the broken users are logged", func() bool { return strings.Contains(s.logged(), "did you mean password?") })
	if status, _, _ := do(t, "GET", s.admin+"/policy_auth/policies/reload", ""); status != 405 {
		t.Errorf("GET of the reload: %d", status)
	}
	// T-50
	if status, _, _ := do(t, "GET", url+"/policy_auth/policies", ""); status != 401 {
		t.Errorf("the admin endpoint through the site: %d", status)
	}
}

// TestE2EReloads loads two hundred configurations; goroutines, open files and
// memory stay flat, and the metrics go on counting (T-62, T-69).
func TestE2EReloads(t *testing.T) {
	w := newEnv(t)
	s, url := w.serve("policy_auth {\n" + basicSite + "cors {\n origins https://app.example.com\n }\n}\nrespond protected\nmetrics /metrics")
	goroutines := func() int {
		_, _, body := do(t, "GET", s.admin+"/debug/pprof/goroutine?debug=1", "")
		n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(strings.SplitN(body, "\n", 2)[0], "goroutine profile: total")))
		return n
	}
	files := func() int {
		entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
		return len(entries)
	}
	memory := s.allocated
	_, _, config := do(t, "GET", s.admin+"/config/", "")
	send := func(method, url, body string) (int, string) {
		for try := 1; ; try++ { // a connection that waits at the old listener breaks when that is closed
			r, err := http.NewRequest(method, url, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/json")
			r.SetBasicAuth("bob", canary)
			var content []byte
			response, err := http.DefaultTransport.RoundTrip(r)
			if err == nil {
				content, err = io.ReadAll(response.Body)
				_ = response.Body.Close()
			}
			if err == nil {
				return response.StatusCode, string(content)
			}
			if try == 5 {
				t.Fatal(err)
			}
		}
	}
	reload := func(i int) {
		changed := strings.Replace(config, `"body":"protected"`, fmt.Sprintf(`"body":"protected %d"`, i), 1)
		if status, body := send("POST", s.admin+"/load", changed); status != 200 {
			t.Fatalf("load %d: %d %s", i, status, body)
		}
		if status, body := send("GET", url+"/", ""); status != 200 || body != fmt.Sprintf("protected %d", i) {
			t.Fatalf("after load %d: %d %s", i, status, body)
		}
	}
	for i := range 5 {
		reload(i)
	}
	last := 0
	eventually(t, "no goroutine of the first reloads is left", func() bool {
		now := goroutines()
		rests := now == last
		last = now
		return rests
	})
	const leeway = 4 << 20 // a leak of 20 kB a reload is more
	beforeGoroutines, beforeFiles, beforeMemory := goroutines(), files(), memory()
	for i := range 200 {
		reload(i)
	}
	eventually(t, "goroutines, files and memory are as before", func() bool {
		return goroutines() <= beforeGoroutines+3 && files() <= beforeFiles+3 && 0 < beforeMemory && memory() <= beforeMemory+leeway
	})
	t.Logf("goroutines %d → %d, files %d → %d, bytes %d → %d", beforeGoroutines, goroutines(), beforeFiles, files(), beforeMemory, memory())
	_, _, metrics := do(t, "GET", s.admin+"/metrics", "")
	if !strings.Contains(metrics, `caddy_policy_auth_decisions_total{decision="allow",reason=""} 20`) {
		t.Error("the metrics do not count over reloads")
	}
}

// TestE2EIssuer points a site at an issuer: its keys are found with the first
// token, a new one with the first token that it signed, and they outlive the
// issuer and a restart (R-JWK-4 to R-JWK-6, R-JWK-8, R-401-6, T-58).
func TestE2EIssuer(t *testing.T) {
	type published struct{ private *ecdsa.PrivateKey }
	var (
		mu   sync.Mutex
		keys = map[string]published{}
	)
	issuer := httptest.NewUnstartedServer(nil)
	issuer.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch r.URL.Path {
		case "/realm/.well-known/openid-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"issuer": issuer.URL + "/realm", "jwks_uri": issuer.URL + "/realm/keys"})
		case "/realm/keys":
			set := []map[string]string{{"kty": "OKP", "crv": "X25519", "kid": "junk", "x": "AAAA"}}
			for kid, key := range keys {
				point, _ := key.private.PublicKey.Bytes()
				encode := base64.RawURLEncoding.EncodeToString
				set = append(set, map[string]string{"kty": "EC", "crv": "P-256", "kid": kid, "use": "sig", "x": encode(point[1:33]), "y": encode(point[33:])})
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"keys": set})
		default:
			http.NotFound(w, r)
		}
	})
	issuer.Start()
	defer issuer.Close()
	publish := func(kid string) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		keys = map[string]published{kid: {private}}
	}
	token := func(kid string) string {
		mu.Lock()
		defer mu.Unlock()
		unsigned := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"iss": issuer.URL + "/realm", "aud": "api", "sub": "svc", "exp": time.Now().Add(time.Hour).Unix()})
		unsigned.Header["kid"] = kid
		signed, err := unsigned.SignedString(keys[kid].private)
		if err != nil {
			t.Fatal(err)
		}
		return "Bearer " + signed
	}
	w := newEnv(t)
	data := t.TempDir()
	t.Setenv("XDG_DATA_HOME", data)
	site := "policy_auth {\njwt " + issuer.URL + "/realm {\n audience api\n }\n}\nrespond protected"
	s, url := w.serve(site)
	status := func(authorization string) int {
		code, _, _ := do(t, "GET", url+"/", "", "Authorization", authorization)
		return code
	}
	publish("one")
	first := token("one")
	if got := status(first); got != 200 {
		t.Fatalf("the first token: %d\n%s", got, s.logged())
	}
	if _, _, body := do(t, "GET", s.admin+"/policy_auth/keys", ""); !strings.Contains(body, `"kid":"one"`) || !strings.Contains(body, issuer.URL+"/realm/keys") || strings.Contains(body, `"x"`) {
		t.Errorf("the admin API shows %s", body)
	}
	if !strings.Contains(s.logged(), "left out") {
		t.Error("the junk key is not logged")
	}
	issuer.Close()
	s.stop()
	if s, url = w.serve(site); status(first) != 200 {
		t.Errorf("after a restart without the issuer: %d", status(first))
	}
	s.stop()
	if err := os.RemoveAll(data); err != nil {
		t.Fatal(err)
	}
	_, url = w.serve(site)
	code, header, _ := do(t, "GET", url+"/", "", "Authorization", first)
	if code != 503 || header.Get("Retry-After") == "" || header.Get("WWW-Authenticate") != "" {
		t.Errorf("without keys: %d %v", code, header)
	}
}

// TestE2EErrorRoutes: a file server among the error routes never serves what
// was refused (T-41, T-59), also where refusals are concealed.
func TestE2EErrorRoutes(t *testing.T) {
	for _, mode := range []string{"error_pages delegate", "conceal"} {
		t.Run(mode, func(t *testing.T) {
			w := newEnv(t)
			w.Write("site/admin/secret.html", "protected")
			_, url := w.serve("policy_auth {\n" + basicSite + mode + "\n}\nroot DIR/site\nfile_server\nhandle_errors {\n file_server\n}")
			for user, want := range map[string]int{"": 401, "bob": 403, "alice": 200} {
				if mode == "conceal" && user == "bob" {
					want = 404
				}
				status, header, body := do(t, "GET", url+"/admin/secret.html", user)
				if status != want && !(want != 200 && status == 404) || strings.Contains(body, "protected") != (want == 200) {
					t.Errorf("%q: %d %q", user, status, body)
				}
				if status == 401 && header.Get("WWW-Authenticate") == "" {
					t.Error("a 401 without a challenge")
				}
			}
		})
	}
}

// TestE2EValidate: caddy validate finds mistakes offline and says where (T-08).
func TestE2EValidate(t *testing.T) {
	w := newEnv(t)
	w.Write("authz.rego", "package caddy.authz\n\nallow if input.identity.authenticated == nope\n")
	for block, want := range map[string]string{
		basicSite:                           "Valid configuration",
		"basic {\n users DIR/none.yaml\n }": "none.yaml: no such file or directory",
		"policies DIR/authz.rego":           "authz.rego:3",
		"jwt any {\n secret {env.NO_SUCH_VARIABLE}\n audience any\n }": "secret",
		"acces DIR/access.yaml": "did you mean access?",
		"basic {\n users DIR/users.yaml\n }\n login url https://login.example.com/": "login url has no {return_to}",
	} {
		w.Write("Caddyfile", "http://127.0.0.1:1 {\npolicy_auth {\n"+strings.ReplaceAll(block, "DIR", w.Dir)+"\n}\n}\n")
		validate := exec.Command(binary(t), "validate", "--config", "Caddyfile")
		validate.Dir = w.Dir
		output, err := validate.CombinedOutput()
		valid := slices.Contains([]string{"Valid configuration", "login url has no {return_to}"}, want)
		if !strings.Contains(string(output), want) || (err == nil) != valid {
			t.Errorf("%s: %v\n%s", block, err, output)
		}
	}
}

// TestE2EModules: the binary has the modules, and its JSON is what the
// configuration said (T-65).
func TestE2EModules(t *testing.T) {
	output, err := exec.Command(binary(t), "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"http.handlers.policy_auth", "admin.api.policy_auth", "http.policy_auth.authenticators.jwt", "http.policy_auth.authenticators.basic", "http.policy_auth.authenticators.api_key"} {
		if !strings.Contains("\n"+string(output), "\n"+name+"\n") {
			t.Errorf("no module %s", name)
		}
	}
	w := newEnv(t)
	w.Write("first.yaml", "rules:\n  - paths: [/*]\n    allow: [{authenticated: true}]\n")
	s, url := w.serve("policy_auth {\nbasic {\n users DIR/users.yaml\n }\n access DIR/first.yaml\n identity_headers {\n X-First username\n }\n}\npolicy_auth /admin/* {\n" + basicSite + "identity_headers {\n X-First username\n X-Second id\n }\n}\nrespond \"{header.X-First} {header.X-Second} {header.Authorization}\"")
	for path, want := range map[string]string{"/": "alice  ", "/admin/": "alice alice "} {
		if status, _, body := do(t, "GET", url+path, "alice", "X-First", "root", "X-Second", "root"); status != 200 || body != want {
			t.Errorf("two handlers, %s: %d %q", path, status, body)
		}
	}
	if status, _, _ := do(t, "GET", url+"/admin/", "bob"); status != 403 {
		t.Errorf("the second handler did not refuse: %d", status)
	}
	if !strings.Contains(s.logged(), "passed through two policy_auth handlers") {
		t.Error("no warning about two handlers")
	}
	var config map[string]any
	_, _, body := do(t, "GET", s.admin+"/config/", "")
	if err := json.Unmarshal([]byte(body), &config); err != nil {
		t.Error(err)
	}
}
