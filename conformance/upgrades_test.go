package conformance

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// webSocket is what opens a WebSocket over HTTP/1.1.
var webSocket = []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}

// h2c is what asks for cleartext HTTP/2.
var h2c = []string{"Connection", "Upgrade, HTTP2-Settings", "Upgrade", "h2c", "Http2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"}

// TestN01UnjudgedUpgrades: the next handler sees no upgrade that was not judged, also
// where the matcher names nothing and for a preflight that the upstream answers.
func TestN01UnjudgedUpgrades(t *testing.T) {
	w := newEnv(t)
	tests := []struct {
		name, site, matcher string
		r                   *http.Request
		want                string
	}{
		{"N-01 a public page", basicSite, "", get("/public/x", h2c...), ""},
		{"N-01 a known caller", basicSite, "", asUser(get("/mail", h2c...), "bob"), ""},
		{"N-01 beside websocket", basicSite, "", asUser(get("/mail", "Connection", "Upgrade", "Upgrade", "h2c, websocket", "Sec-Websocket-Version", "13", "Sec-Websocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), "bob"), "websocket"},
		{"a WebSocket", basicSite, "", asUser(get("/mail", webSocket...), "bob"), "websocket"},
		{"N-01 excluded by the matcher", basicSite, "/admin/*", get("/other", h2c...), ""},
		{"N-01 a preflight that passes", basicSite + "cors upstream\n", "", preflightOf(append(h2c, "X-Http-Method-Override", "DELETE")...), ""},
		{"S-07 a preflight that would be a WebSocket", basicSite + "cors upstream\n", "", preflightOf(webSocket...), ""},
		{"named by the site", basicSite + "upgrades tcp\n", "", asUser(get("/mail", "Connection", "Upgrade", "Upgrade", "TCP"), "bob"), "tcp"},
		{"not named", basicSite, "", asUser(get("/mail", "Connection", "Upgrade", "Upgrade", "tcp"), "bob"), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w.Match = ""
			if test.matcher != "" {
				w.Match = `[{"path": ["` + test.matcher + `"]}]`
			}
			h, _ := w.site(test.site)
			next := new(reached)
			if answer, err := ask(h, test.r, next); err != nil || answer.Code != 200 || next.Request == nil {
				t.Fatalf("%d %v %s", answer.Code, err, answer.Body)
			}
			got := next.Request.Header
			if got.Get("Upgrade") != test.want || got.Get("Http2-Settings") != "" || strings.Contains(strings.ToLower(got.Get("Connection")), "http2") || got.Get("X-Http-Method-Override") != "" {
				t.Errorf("the next handler gets %v", got)
			}
		})
	}
}

// TestS07HiddenMethod: a preflight that passes unjudged cannot hide another method in its
// path, for an application that decodes it again.
func TestS07HiddenMethod(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(basicSite + "cors upstream\n")
	for target, want := range map[string]int{"/mail%3f_method=DELETE": 400, "/mail%253f.method=DELETE": 400, "/mail%3fx%26_method%5b%5d=DELETE": 400, "/mail%3fmethod=x": 200, "/mail?_method=DELETE": 200} {
		r := preflightOf()
		r.URL, _ = r.URL.Parse(target)
		r.RequestURI = target
		next := new(reached)
		if answer, err := ask(h, r, next); err != nil || answer.Code != want || (next.Request != nil) != (want == 200) {
			t.Errorf("%s: %d %v, want %d", target, answer.Code, err, want)
		}
		if next.Request != nil && strings.Contains(next.Request.URL.RawQuery, "_method") {
			t.Errorf("%s: the next handler gets %s", target, next.Request.URL)
		}
	}
}

// preflightOf is a browser's preflight with more headers.
func preflightOf(header ...string) *http.Request {
	r := get("/mail", append([]string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}, header...)...)
	r.Method = http.MethodOptions
	return r
}

// connectTo is a CONNECT over HTTP/2 for a protocol; "" is a plain one.
func connectTo(protocol string) *http.Request {
	r := get("/mail", "Sec-Websocket-Version", "13")
	r.Method, r.Proto, r.ProtoMajor, r.ProtoMinor, r.ContentLength = http.MethodConnect, "HTTP/2.0", 2, 0, -1
	if protocol != "" {
		r.Header[":protocol"] = []string{protocol}
	}
	return r
}

// TestS07Connect: a CONNECT that carries what no policy sees is refused on every
// request of the site; one for a WebSocket is judged as a GET.
func TestS07Connect(t *testing.T) {
	w := newEnv(t)
	w.Write("get.yaml", "rules:\n  - allow: [{authenticated: true, methods: [GET], upgrades: [websocket]}, {roles: [admin]}]\n")
	site := strings.Replace(basicSite, "access.yaml", "get.yaml", 1) + "upgrades tcp\n"
	judged, _ := w.site(site)
	w.Match = `[{"path": ["/admin/*"]}]`
	elsewhere, _ := w.site(site)
	w.Match = `[{"method": ["GET"]}]`
	gets, _ := w.site(site)
	tests := []struct {
		name   string
		h      caddyhttp.MiddlewareHandler
		r      *http.Request
		status int
	}{
		{"plain", judged, asUser(connectTo(""), "alice"), 501},
		{"plain, of a stranger", judged, connectTo(""), 501},
		{"for h2c", judged, asUser(connectTo("h2c"), "alice"), 501},
		{"for UDP", judged, asUser(connectTo("connect-udp"), "alice"), 501},
		{"excluded by the matcher", elsewhere, connectTo("connect-udp"), 501},
		{"plain, excluded by the matcher", elsewhere, connectTo(""), 501},
		{"for a WebSocket, as a GET", judged, asUser(connectTo("websocket"), "bob"), 200},
		{"for a WebSocket, of a stranger", judged, connectTo("websocket"), 401},
		{"for a WebSocket, where the matcher names GET", gets, connectTo("websocket"), 401},
		{"for a protocol of the site", judged, asUser(connectTo("tcp"), "alice"), 200},
		{"for a protocol of the site, as a rule has it", judged, asUser(connectTo("tcp"), "bob"), 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			next := new(reached)
			recorder, err := ask(test.h, test.r, next)
			if err != nil || recorder.Code != test.status || (next.Request != nil) != (test.status == 200) {
				t.Errorf("%d %v %s", recorder.Code, err, recorder.Body)
			}
		})
	}
}

// TestS03EarlyData: what may have been sent again reaches neither the next handler
// nor the site's own pages.
func TestS03EarlyData(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(strings.Replace(formSite, "access DIR/access.yaml", "access DIR/access.yaml\n cors upstream", 1))
	early := func(r *http.Request) *http.Request {
		r.TLS = &tls.ConnectionState{}
		return r
	}
	options := preflightOf()
	tests := []struct {
		name   string
		r      *http.Request
		status int
	}{
		{"S-03 a POST", early(post("/public/x")), 425},
		{"S-03 signing in", early(post("/.policy_auth/login")), 425},
		{"S-03 signing out", early(post("/.policy_auth/logout")), 425},
		{"S-03 a preflight that passes", early(options), 425},
		{"S-03 of which a proxy says so", post("/public/x", "Early-Data", "1"), 425},
		{"a GET", early(get("/public/x")), 200},
		{"the page of signing in", early(get("/.policy_auth/login")), 200},
	}
	for _, test := range tests {
		next := new(reached)
		recorder, err := ask(h, test.r, next)
		if err != nil || recorder.Code != test.status || test.status == 425 && (next.Request != nil || len(recorder.Header()["Set-Cookie"]) > 0) {
			t.Errorf("%s: %d %v %v", test.name, recorder.Code, err, recorder.Header())
		}
	}
}
