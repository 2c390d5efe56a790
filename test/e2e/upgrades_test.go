//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// hypercornApp answers with its path and with who is calling, and opens each
// WebSocket.
const hypercornApp = `
async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "hello build"})
        return
    if scope["type"] != "http":
        return
    user = dict(scope["headers"]).get(b"x-auth-user", b"")
    body = scope["path"].encode() + b" as " + user + b" over " + scope["http_version"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
`

// startHypercorn runs Debian's Hypercorn, which upgrades to cleartext HTTP/2 by
// default, and returns its address.
func startHypercorn(t *testing.T, w *env) string {
	t.Helper()
	w.Write("app.py", hypercornApp)
	listen := "127.0.0.1:" + port(t)
	program, err := exec.LookPath("hypercorn")
	if err != nil {
		t.Fatal("this test needs Debian's python3-hypercorn")
	}
	cmd := exec.Command(program, "app:app", "-b", listen)
	cmd.Dir, cmd.Env = w.Dir, append(os.Environ(), "PYTHONPATH="+w.Dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	eventually(t, "Hypercorn listens", func() bool {
		connection, err := net.Dial("tcp", listen)
		if err == nil {
			_ = connection.Close()
		}
		return err == nil
	})
	return listen
}

// smuggle asks to upgrade to h2c and, if that is granted, for what is protected over
// the connection that it gets.
func smuggle(connection net.Conn, path, header string) (status int, answer string, err error) {
	_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := fmt.Fprintf(connection, "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path, header); err != nil {
		return 0, "", err
	}
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil {
		return 0, "", err
	}
	if response.StatusCode != http.StatusSwitchingProtocols {
		body := make([]byte, max(response.ContentLength, 0))
		_, err := io.ReadFull(response.Body, body)
		return response.StatusCode, string(body), err
	}
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		return 0, "", err
	}
	framer := http2.NewFramer(connection, reader)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", "/admin/secret"}, {"x-auth-user", "alice"}} {
		_ = encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]})
	}
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 3, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true})
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return response.StatusCode, answer, err
		}
		if data, ok := frame.(*http2.DataFrame); ok && data.StreamID == 3 {
			return response.StatusCode, string(data.Data()), nil
		}
	}
}

// TestE2E_N01Upgrades: no tunnel that policies cannot see into opens, for any caller, in
// whatever spelling, with or without TLS.
func TestE2E_N01Upgrades(t *testing.T) {
	w := newEnv(t)
	upstream := startHypercorn(t, w)
	direct, err := net.Dial("tcp", upstream)
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	const settings = "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"
	const whole = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + settings
	if status, answer, err := smuggle(direct, "/healthz", whole); status != 101 || answer != "/admin/secret as alice over 2" {
		t.Fatalf("the upstream itself opens no tunnel: %d %q %v", status, answer, err)
	}
	site := "policy_auth {\n" + basicSite + "identity_headers {\n X-Auth-User id\n }\n}\nreverse_proxy " + upstream
	excluded := "policy_auth /admin/* {\n" + basicSite + "identity_headers {\n X-Auth-User id\n }\n}\nreverse_proxy " + upstream
	passing := "policy_auth {\n cors upstream\n " + basicSite + "}\nreverse_proxy " + upstream
	_, addresses := w.serveTLS("", site, excluded, passing)
	bob := as("bob")[0] + ": " + as("bob")[1] + "\r\n"
	tests := map[string]struct{ site, header, want string }{
		"the public page":              {addresses[0], whole, "/public/x as  over 1.1"},
		"Connection: Upgrade alone":    {addresses[0], "Connection: Upgrade\r\nUpgrade: h2c\r\n" + settings, "/public/x as  over 1.1"},
		"without settings":             {addresses[0], "Connection: Upgrade\r\nUpgrade: h2c\r\n", "/public/x as  over 1.1"},
		"a low-privileged caller":      {addresses[0], whole + bob, "/public/x as bob over 1.1"},
		"in capitals, in two lines":    {addresses[0], "Connection: upgrade\r\nUpgrade: foo\r\nUpgrade: H2C\r\n" + settings, "/public/x as  over 1.1"},
		"beside websocket":             {addresses[0], "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c, websocket\r\n" + settings, "/public/x as  over 1.1"},
		"excluded by the matcher":      {addresses[1], whole, "/public/x as  over 1.1"},
		"excluded, with a header":      {addresses[1], whole + "X-Auth-User: alice\r\n", "/public/x as  over 1.1"},
		"a protocol in the same token": {addresses[0], "Connection: Upgrade\r\nUpgrade: websocket/h2c, h2c;q=1\r\n", "/public/x as  over 1.1"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			connection, err := dial(test.site, "http/1.1")
			if err != nil {
				t.Fatal(err)
			}
			defer connection.Close()
			status, answer, err := smuggle(connection, "/public/x", test.header)
			if status != 200 || answer != test.want || err != nil {
				t.Errorf("%d %q %v", status, answer, err)
			}
		})
	}
	t.Run("a preflight that passes", func(t *testing.T) {
		connection, err := dial(addresses[2], "http/1.1")
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_, _ = fmt.Fprintf(connection, "OPTIONS /x HTTP/1.1\r\nHost: localhost\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: PUT\r\n%s\r\n", whole)
		if response, err := http.ReadResponse(bufio.NewReader(connection), nil); err != nil || response.StatusCode != 200 {
			t.Errorf("%v %v", response, err)
		}
	})
	t.Run("a WebSocket still opens", func(t *testing.T) {
		connection, err := tls.Dial("tcp", addresses[0], &tls.Config{ServerName: "localhost", InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer connection.Close()
		_ = connection.SetDeadline(time.Now().Add(5 * time.Second))
		_, _ = fmt.Fprintf(connection, "GET /public/ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: h2c, WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
		reader := bufio.NewReader(connection)
		response, err := http.ReadResponse(reader, nil)
		if err != nil || response.StatusCode != 101 {
			t.Fatalf("%v %v", response, err)
		}
		if text, err := readFrame(reader); err != nil || text != "hello build" {
			t.Errorf("%q %v", text, err)
		}
	})
}

// TestE2E_S07Connect: CONNECT over each version of HTTP.
func TestE2E_S07Connect(t *testing.T) {
	t.Setenv("GODEBUG", "http2xconnect=1")
	w := newEnv(t)
	w.Write("get.yaml", "rules:\n  - allow: [{anyone: true, methods: [GET]}]\n")
	_, addresses := w.serveTLS("", "policy_auth {\n access DIR/get.yaml\n}\nrespond {http.request.method}", "policy_auth /admin/* {\n access DIR/get.yaml\n}\nrespond {http.request.method}")
	for i, address := range addresses {
		for _, protocol := range []string{"connect-udp", "h2c", "WebSocket", "connect-ip"} {
			for version, send := range map[string]func(string, string) (int, error){"h2": connectHTTP2, "h3": connectHTTP3} {
				if status, err := send(address, protocol); err != nil || status != 501 {
					t.Errorf("site %d, %s, %s: %d %v", i, version, protocol, status, err)
				}
			}
		}
		for version, send := range map[string]func(string, string) (int, error){"h1": connectHTTP1, "h2": connectHTTP2, "h3": connectHTTP3} {
			if status, err := send(address, ""); err != nil || status != 501 && status != 400 {
				t.Errorf("site %d, %s, plain: %d %v", i, version, status, err)
			}
		}
		for version, send := range map[string]func(string, string) (int, error){"h2": connectHTTP2, "h3": connectHTTP3} {
			if status, err := send(address, "websocket"); err != nil || status != 200 {
				t.Errorf("site %d, %s, a WebSocket is no GET: %d %v", i, version, status, err)
			}
		}
	}
}

// connectHTTP1 sends a plain CONNECT.
func connectHTTP1(address, _ string) (int, error) {
	got, err := overHTTP1(address, query{"CONNECT", "localhost:443", "localhost", nil})
	return got.status, err
}

// connectHTTP2 sends a CONNECT for a protocol, or a plain one, over HTTP/2.
func connectHTTP2(address, protocol string) (int, error) {
	connection, err := dial(address, "h2")
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	var block strings.Builder
	encoder := hpack.NewEncoder(&block)
	fields := []string{":method", "CONNECT", ":authority", "localhost"}
	if protocol != "" {
		fields = append(fields, ":scheme", "https", ":path", "/ws", ":protocol", protocol, "sec-websocket-version", "13")
	}
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	_, _ = io.WriteString(connection, http2.ClientPreface)
	framer := http2.NewFramer(connection, connection)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	_ = framer.WriteSettings()
	_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte(block.String()), EndHeaders: true, EndStream: true})
	got, err := readFrames(framer)
	return got.status, err
}

// connectHTTP3 sends a CONNECT for a protocol, or a plain one, over HTTP/3.
func connectHTTP3(address, protocol string) (int, error) {
	transport := &http3.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}}
	defer transport.Close()
	r := &http.Request{
		Method: http.MethodConnect, Host: "localhost", Proto: protocol, URL: &url.URL{Scheme: "https", Host: address, Path: "/ws"},
		Header: http.Header{"Sec-Websocket-Version": {"13"}},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	response, err := transport.RoundTrip(r.WithContext(ctx))
	if err != nil {
		return 0, err
	}
	_ = response.Body.Close()
	return response.StatusCode, nil
}

// TestE2E_S03EarlyData: early data of which a proxy tells is refused over each version of
// HTTP, unless it is safe.
func TestE2E_S03EarlyData(t *testing.T) {
	w := newEnv(t)
	_, addresses := w.serveTLS("", "policy_auth {\n"+basicSite+"}\nrespond ok")
	for _, wire := range wires {
		for method, want := range map[string]int{"POST": 425, "DELETE": 425, "OPTIONS": 425, "GET": 200, "HEAD": 200} {
			got, err := wire.send(addresses[0], query{method, "/public/x", "localhost", []string{"Early-Data", "1"}})
			if err != nil || got.status != want {
				t.Errorf("%s, %s: %d %v", wire.name, method, got.status, err)
			}
		}
	}
}
