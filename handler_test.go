package policyauth

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/internal/deny"
)

// TestUpstream: what the next handler is told (T-26, T-27, T-48, R-BR-13).
func TestUpstream(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "identity_headers {\n X-Auth-User username\n X-Auth-Roles roles\n }\n")
	next := new(reached)
	r := asUser(get("/", "X-Auth-User", "root", "X_Auth_Roles", "root", "X.Auth.User", "root", "Connection", "X-Auth-User"), "alice")
	if _, err := ask(h, r, next); err != nil {
		t.Fatal(err)
	}
	got := next.Request.Header
	if got.Get("X-Auth-User") != "alice" || got.Get("X-Auth-Roles") != "admin,member" || len(got["X-Auth-User"]) != 1 {
		t.Errorf("got %v", got)
	}
	for name, lines := range got {
		if strings.Contains(strings.Join(lines, ""), "root") || name == "Authorization" || name == "Connection" && lines[0] != "" {
			t.Errorf("%s: %q", name, lines)
		}
	}
	repl := next.Request.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if got := repl.ReplaceAll("{http.auth.user.id} {http.policy_auth.decision} {http.vars.policy_auth}", ""); got != "alice allow policy_auth" {
		t.Errorf("placeholders: %q", got)
	}
	next = new(reached)
	if _, err := ask(h, get("/public/", "X-Auth-User", "root"), next); err != nil || next.Request.Header.Get("X-Auth-User") != "" {
		t.Errorf("an anonymous caller's header came through: %v %v", next.Request.Header, err)
	}
}

// TestForwardCredentials: the accepted credential is passed on if the site says so.
func TestForwardCredentials(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "forward_credentials\n")
	next := new(reached)
	if _, err := ask(h, asUser(get("/"), "bob"), next); err != nil || next.Request.Header.Get("Authorization") == "" {
		t.Errorf("not passed on: %v", err)
	}
	other, _ := w.site(basicSite)
	next = new(reached)
	if _, err := ask(other, get("/public/", "Authorization", "Foo bar"), next); err != nil || next.Request.Header.Get("Authorization") != "Foo bar" {
		t.Error("a scheme that is not ours was touched")
	}
}

// TestErrorPaths: delegate, bare and conceal (R-403-3, R-PAGE-13, T-41).
func TestErrorPaths(t *testing.T) {
	w := newEnv(t)
	status := func(err error) int {
		if failure, ok := errors.AsType[caddyhttp.HandlerError](err); ok {
			return failure.StatusCode
		}
		return 0
	}
	t.Run("delegate", func(t *testing.T) {
		h, _ := w.site(basicSite + "error_pages delegate\n")
		r := get("/admin/secret.html")
		recorder, err := ask(h, r, new(reached))
		if status(err) != 401 || recorder.Body.Len() > 0 || recorder.Header().Get("WWW-Authenticate") == "" || recorder.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%v %v %q", err, recorder.Header(), recorder.Body)
		}
		if r.URL.Path != deny.Path {
			t.Errorf("a file server among the error routes would serve %s", r.URL.Path)
		}
	})
	t.Run("bare", func(t *testing.T) {
		h, _ := w.site(basicSite + "error_pages bare\n")
		recorder, err := ask(h, get("/"), new(reached))
		if err != nil || recorder.Code != 401 || recorder.Body.Len() > 0 {
			t.Errorf("%v %d %q", err, recorder.Code, recorder.Body)
		}
	})
	t.Run("conceal", func(t *testing.T) {
		h, _ := w.site(basicSite + "conceal\n")
		nothing := caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error {
			return caddyhttp.Error(http.StatusNotFound, errors.New("no such file"))
		})
		hidden, hiddenErr := ask(h, asUser(get("/admin/x"), "bob"), nothing)
		missing, missingErr := ask(h, asUser(get("/x"), "bob"), nothing)
		if status(hiddenErr) != 404 || status(missingErr) != 404 {
			t.Fatalf("%v, %v", hiddenErr, missingErr)
		}
		hidden.Header().Del("X-Request-Id")
		missing.Header().Del("X-Request-Id")
		var a, b bytes.Buffer
		_ = hidden.Header().Write(&a)
		_ = missing.Header().Write(&b)
		if a.String() != b.String() || !strings.Contains(a.String(), "no-store") {
			t.Errorf("told apart:\n%s\n%s", a.String(), b.String())
		}
		if recorder, _ := ask(h, get("/admin/x"), nothing); recorder.Code != 401 {
			t.Errorf("anonymous: %d", recorder.Code)
		}
	})
}

// TestOpaqueTarget: T-12, T-22, T-54. A request target that is no path is judged
// as none: the upstream would read it as one.
func TestOpaqueTarget(t *testing.T) {
	w := newEnv(t)
	w.Write("open.yaml", "rules:\n  - paths: [/admin/*]\n    allow: [{roles: [admin]}]\n  - allow: [{anyone: true}]\n")
	h, _ := w.site("access DIR/open.yaml\n")
	r := get("/")
	r.URL.Scheme, r.URL.Opaque, r.URL.Path = "http", "x:/admin/secret", ""
	next := new(reached)
	recorder, err := ask(h, r, next)
	if next.Request != nil || recorder.Code == 200 && err == nil {
		t.Errorf("it was let through: %d %v", recorder.Code, err)
	}
}

// TestN10ReservedHeader: a policy that allows a request and sets or removes an
// identity header is a faulty policy: the request is denied, not forwarded.
func TestN10ReservedHeader(t *testing.T) {
	w := newEnv(t)
	for _, decision := range []string{`{"allow": true, "headers": {"x_auth_user": "admin"}}`, `{"allow": true, "request_headers_to_remove": ["X-Auth-User"]}`} {
		w.Write("policies/policy.rego", "package caddy.authz\n\nallow := "+decision+"\n")
		h, logs := w.site("basic {\n users DIR/users.yaml\n }\n policies DIR/policies\n identity_headers {\n X-Auth-User username\n }\n")
		next := new(reached)
		answer, err := ask(h, asUser(get("/mail"), "bob"), next)
		if statusOf(answer, err) != 500 || next.Request != nil {
			t.Errorf("%s: %d, reached %v", decision, answer.Code, next.Request != nil)
		}
		if logs.FilterField(zap.String("reason", "policy_error")).Len() == 0 {
			t.Errorf("%s: the log says %v", decision, logs.All())
		}
	}
}

// upload is a next handler that reads the whole body.
type upload struct{ body string }

func (u *upload) ServeHTTP(w http.ResponseWriter, r *http.Request) error {
	content, err := io.ReadAll(r.Body)
	u.body = string(content)
	return err
}

// TestBody: T-46. A policy sees the whole body or the request is refused, and
// the next handler gets every byte of it.
func TestBody(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", "package caddy.authz\n\nallow if not input.request.body.admin\n")
	w.Write("aware/authz.rego", "package caddy.authz\n\nallow if input.request.body_truncated\n\nallow if input.request.body.ok\n")
	tests := []struct {
		name, policies, contentType, body string
		status                            int
	}{
		{"allowed", "p", "application/json", `{"x": 1}`, 200},
		{"none", "p", "application/json", "", 200},
		{"denied", "p", "application/json", `{"admin": true}`, 403},
		{"denied, in two spellings", "p", "application/json", `{"admin": true, "admin": false}`, 400},
		{"too large", "p", "application/json", `{"x": "` + strings.Repeat("y", 100) + `", "admin": true}`, 413},
		{"no JSON", "p", "application/json", `{"admin": true`, 400},
		{"as gRPC", "p", "application/grpc", `{"admin": true}`, 415},
		{"aware", "aware", "application/json", `{"ok": true}`, 200},
		{"aware, too large", "aware", "application/json", strings.Repeat("y", 100), 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site("policies DIR/" + test.policies + "\n body {\n max_size 64B\n }\n")
			r := httptest.NewRequest("POST", "/", strings.NewReader(test.body))
			r.Header.Set("Content-Type", test.contentType)
			r.Header.Set("Accept", "application/problem+json")
			next := new(upload)
			recorder, err := ask(h, r, next)
			if err != nil || recorder.Code != test.status {
				t.Fatalf("%d %v", recorder.Code, err)
			}
			if test.status == 200 && next.body != test.body {
				t.Errorf("the next handler gets %q", next.body)
			}
			refusals := logs.FilterMessage("request refused").All()
			if test.status == 200 || test.status == 403 {
				return
			}
			if len(refusals) != 1 || !strings.HasPrefix(refusals[0].ContextMap()["codes"].(string), "body_") || refusals[0].ContextMap()["reason"] != "body_refused" {
				t.Errorf("log %v", refusals)
			}
			want := map[int]string{413: "too_large"}[test.status]
			if body := recorder.Body.String(); !strings.Contains(body, `"class":"`+cmp.Or(want, "bad_body")+`"`) {
				t.Errorf("answer %s", body)
			}
		})
	}
}

// TestBodyUnread: a body is not touched unless a policy reads it.
func TestBodyUnread(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite)
	r := asUser(httptest.NewRequest("POST", "/", iotest.ErrReader(io.ErrClosedPipe)), "bob")
	if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != 200 {
		t.Errorf("%d %v", recorder.Code, err)
	}
}

// TestDecisionEffects: what an allow does to the request beside its headers.
func TestDecisionEffects(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", `package caddy.authz

allow := {
	"allow": true,
	"query_parameters_to_remove": ["debug"],
	"query_parameters_to_set": {"tenant": "blue"},
	"dynamic_metadata": {"tenant": {"name": "{env.HOME}"}},
	"cache": {"ttl": "5s"},
}
`)
	h, _ := w.site("policies DIR/p\n")
	var query, name string
	next := caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
		query = r.URL.RawQuery
		name = r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer).ReplaceAll("{http.policy_auth.vars.tenant.name}", "")
		return nil
	})
	if recorder, err := ask(h, get("/?debug=1&a=2&tenant=red"), next); err != nil || recorder.Code != 200 || query != "a=2&tenant=blue" || name != "{env.HOME}" {
		t.Errorf("%d %v, %s, %s", recorder.Code, err, query, name)
	}
}

// stored is a next handler that lets caches keep its answer.
type stored struct{ control string }

func (s stored) ServeHTTP(w http.ResponseWriter, _ *http.Request) error {
	if s.control != "" {
		w.Header().Set("Cache-Control", s.control)
	}
	_, err := w.Write([]byte("one caller's"))
	return err
}

// TestPrivate: R-CACHE-3, R-CACHE-4, R-CACHE-5, T-42. Shared caches keep no answer that
// was made for one caller, unless Authorization protects it.
func TestPrivate(t *testing.T) {
	const key = canary + "-of-sufficient-length-0123456789"
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, hash: \"sha256:"+sha(key)+"\", owner: ci}\n")
	methods := "basic {\n users DIR/users.yaml\n }\n api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n" +
		"jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from cookie token\n }\n"
	query := "jwt https://id.example.com {\n secret " + jwtSecret + "\n audience api\n from query t\n }\n"
	byKey, byCookie := get("/", "X-API-Key", key), get("/", "Cookie", "token="+jwtOf(t, nil))
	tests := []struct {
		name, block    string
		r              *http.Request
		upstream, want string
		vary           string
	}{
		{"a key", methods, byKey, "", "private", "X-Api-Key"},
		{"a key, public", methods, byKey, "public, max-age=60", "private, max-age=60", "X-Api-Key"},
		{"a key, not stored", methods, byKey, "no-store", "no-store", "X-Api-Key"},
		{"a key, shared", methods + "shared_cache\n", byKey, "public", "public", "X-Api-Key"},
		{"a cookie", methods, byCookie, "max-age=60", "private, max-age=60", "Cookie"},
		{"a query", query, get("/?t=" + jwtOf(t, nil)), "public", "private", ""},
		{"a query, shared", query + "shared_cache\n", get("/?t=" + jwtOf(t, nil)), "public", "private", ""},
		{"a password", methods, asUser(get("/"), "bob"), "", "", ""},
		{"a password, public", methods, asUser(get("/"), "bob"), "public", "public", ""},
		{"anonymous", methods, get("/public/"), "public", "public", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			h, logs := w.site(test.block)
			for range 2 {
				recorder, err := ask(h, test.r.Clone(t.Context()), stored{test.upstream})
				if err != nil || recorder.Code != 200 || recorder.Header().Get("Cache-Control") != test.want || recorder.Header().Get("Vary") != test.vary {
					t.Errorf("%d %v, %v", recorder.Code, err, recorder.Header())
				}
			}
			const warning = "the next handler allows shared caches to store responses to authenticated callers; write shared_cache if this is intended"
			want := 0
			if test.name == "a password, public" {
				want = 1
			}
			if got := logs.FilterMessage(warning).Len(); got != want {
				t.Errorf("warned %d times, want %d", got, want)
			}
		})
	}
}

// TestPrivateError: R-CACHE-3, R-PAGE-13. What the site's error routes answer is
// one caller's too.
func TestPrivateError(t *testing.T) {
	const key = canary + "-of-sufficient-length-0123456789"
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - {id: ci, hash: \"sha256:"+sha(key)+"\", owner: ci}\n")
	h, _ := w.site("api_key {\n keys DIR/keys.yaml\n }\n access DIR/access.yaml\n cors {\n origins https://spa.example\n }\n")
	failing := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		return caddyhttp.Error(http.StatusNotFound, errors.New("not there"))
	})
	recorder, err := ask(h, get("/", "X-API-Key", key, "Origin", "https://spa.example"), failing)
	if err == nil || recorder.Header().Get("Cache-Control") != "private" || recorder.Header().Get("Access-Control-Allow-Origin") != "https://spa.example" {
		t.Errorf("%v %v", err, recorder.Header())
	}
}

// connection is what a web server's own writer is to handlers: it can take a
// file from the system's hands, be flushed and be taken over.
type connection struct {
	*httptest.ResponseRecorder
	taken    int64 // by ReadFrom
	informed []int // statuses of 1xx
	hijacked bool
}

// ReadFrom implements io.ReaderFrom.
func (c *connection) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.Copy(c.Body, r)
	c.taken += n
	return n, err
}

// WriteHeader implements http.ResponseWriter.
func (c *connection) WriteHeader(status int) {
	if status < http.StatusOK && status != http.StatusSwitchingProtocols {
		c.informed = append(c.informed, status)
		return
	}
	c.ResponseRecorder.WriteHeader(status)
}

// Hijack implements http.Hijacker.
func (c *connection) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c.hijacked = true
	client, server := net.Pipe()
	_ = client.Close()
	return server, bufio.NewReadWriter(bufio.NewReader(server), bufio.NewWriter(server)), nil
}

// streamModes are ways to configure a site that concern what its answers look like.
var streamModes = map[string]string{"plain": "", "cors": corsSite, "cors upstream": "cors upstream\n"}

// TestReadFrom: a file behind the handler is handed to
// the server's writer as a whole, so that it can use sendfile, with what belongs
// to it unchanged.
func TestReadFrom(t *testing.T) {
	for name, mode := range streamModes {
		t.Run(name, func(t *testing.T) {
			w := newEnv(t)
			content := strings.Repeat("protected ", 10_000)
			w.Write("site/large.txt", content)
			server := w.Server(strings.ReplaceAll("{\nauto_https off\n}\nhttp://site.example.com:8080 {\nroot DIR/site\npolicy_auth {\n"+basicSite+mode+"}\nfile_server\n}\n", "DIR", w.Dir))
			c := &connection{ResponseRecorder: httptest.NewRecorder()}
			r := asUser(get("http://site.example.com/large.txt", "Origin", origin), "alice")
			r.RemoteAddr = "127.0.0.1:1234"
			server.ServeHTTP(c, r)
			if c.Code != http.StatusOK || c.Body.String() != content || c.taken != int64(len(content)) {
				t.Errorf("%d, %d bytes of which %d by ReadFrom", c.Code, c.Body.Len(), c.taken)
			}
			if h := c.Header(); h.Get("Content-Length") != fmt.Sprint(len(content)) || h.Get("Etag") == "" || h.Get("Accept-Ranges") != "bytes" {
				t.Errorf("header %v", h)
			}
		})
	}
}

// TestController: what the next handler does with the
// server's writer reaches it: early hints, Flush, Hijack and an answer without a
// status; and the CORS headers are there when they are sent.
func TestController(t *testing.T) {
	tests := []struct {
		name  string
		next  func(http.ResponseWriter) error
		holds func(*connection) bool
	}{
		{"flush by the controller", func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
			func(c *connection) bool { return c.Flushed && c.Code == http.StatusOK }},
		{"early hints", func(w http.ResponseWriter) error {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusProcessing)
			w.WriteHeader(http.StatusCreated)
			_, err := io.WriteString(w, "done")
			return err
		}, func(c *connection) bool {
			return fmt.Sprint(c.informed) == "[103 102]" && c.Code == http.StatusCreated && c.Body.String() == "done"
		}},
		{"hijack", func(w http.ResponseWriter) error {
			taken, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				err = taken.Close()
			}
			return err
		}, func(c *connection) bool { return c.hijacked && !c.Flushed && c.Body.Len() == 0 }},
		{"writes and flushes by turns", func(w http.ResponseWriter) error {
			for range 3 {
				if _, err := io.WriteString(w, "x"); err != nil {
					return err
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
			}
			return nil
		}, func(c *connection) bool { return c.Body.String() == "xxx" && c.Flushed }},
		{"copy", func(w http.ResponseWriter) error {
			_, err := io.Copy(w, io.MultiReader(bytes.NewReader([]byte("a")), strings.NewReader("b")))
			return err
		}, func(c *connection) bool { return c.Body.String() == "ab" }},
		{"trailers", func(w http.ResponseWriter) error {
			w.Header().Set("Trailer", "X-Checksum")
			_, err := io.WriteString(w, "x")
			w.Header().Set("X-Checksum", "1")
			w.Header().Set(http.TrailerPrefix+"X-Late", "2")
			return err
		}, func(c *connection) bool {
			trailer := c.Result().Trailer
			return trailer.Get("X-Checksum") == "1" && trailer.Get("X-Late") == "2"
		}},
	}
	w := newEnv(t)
	for name, mode := range streamModes {
		h, _ := w.site(basicSite + mode)
		for _, test := range tests {
			t.Run(name+", "+test.name, func(t *testing.T) {
				c := &connection{ResponseRecorder: httptest.NewRecorder()}
				next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error { return test.next(w) })
				if err := askOn(c, h, asUser(get("/", "Origin", origin), "alice"), next); err != nil {
					t.Fatal(err)
				}
				if !test.holds(c) {
					t.Errorf("%+v", c)
				}
				if name == "cors" && !c.hijacked && c.Result().Header.Get("Access-Control-Allow-Origin") != origin {
					t.Errorf("header %v", c.Result().Header)
				}
			})
		}
	}
}
