//go:build e2e

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
	"time"
)

// visitor is a client of a recipe's site. Its address is one of this machine.
type visitor struct {
	t      *testing.T
	client *http.Client
}

// from returns a visitor with an empty cookie jar whose connections come from an
// address, such as 127.0.0.2 for one in the local network.
func (r *recipe) from(t *testing.T, address string) *visitor {
	t.Helper()
	return newVisitor(t, address, r.port)
}

// newVisitor returns a visitor that reaches every host at a port of this machine.
func newVisitor(t *testing.T, address, port string) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, // the certificate is of Caddy's own authority
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if host, _, _ := net.SplitHostPort(to); net.ParseIP(host) == nil {
				to = "127.0.0.1:" + port
			}
			return dialer.DialContext(ctx, network, to)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &visitor{t, &http.Client{
		Jar: jar, Transport: transport, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// ask sends a request, whose certificate may not be there yet, and returns status,
// header and body.
func (v *visitor) ask(method, address string, header ...string) (int, http.Header, string) {
	v.t.Helper()
	return v.send(method, address, "", header...)
}

func (v *visitor) send(method, address, body string, header ...string) (int, http.Header, string) {
	v.t.Helper()
	var answer *http.Response
	eventually(v.t, address+" is answered", func() bool {
		r, err := http.NewRequest(method, address, strings.NewReader(body))
		if err != nil {
			v.t.Fatal(err)
		}
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		answer, err = v.client.Do(r)
		return err == nil
	})
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(content)
}

// page is the Accept and Sec-Fetch-Mode of a browser that opens a page.
var page = []string{"Accept", "text/html", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document", "Sec-Fetch-Site", "none"}

// open opens a page as a browser does, follows redirects and returns where it ends.
func (v *visitor) open(address string) (status int, end, body string) {
	v.t.Helper()
	for range 10 {
		code, header, content := v.ask("GET", address, page...)
		to, err := url.Parse(header.Get("Location"))
		if code < 300 || code > 399 || err != nil {
			return code, address, content
		}
		base, err := url.Parse(address)
		if err != nil {
			v.t.Fatal(err)
		}
		address = base.ResolveReference(to).String()
	}
	v.t.Fatal("more than ten redirects, the last to " + address)
	return 0, "", ""
}

// want asks, and holds the status and whether the application was reached.
func (v *visitor) want(a *app, status int, method, address string, header ...string) http.Header {
	v.t.Helper()
	a.last()
	got, answer, body := v.ask(method, address, header...)
	if reached := a.last() != nil; got != status || reached != (status < 300) {
		v.t.Errorf("%s %s %v: %d, want %d; the application was reached: %v\n%s", method, address, header, got, status, reached, body)
	}
	return answer
}

// upgrade asks for a WebSocket and holds the status; an open one has to speak.
func (v *visitor) upgrade(status int, address string, header ...string) {
	v.t.Helper()
	to, err := url.Parse(address)
	if err != nil {
		v.t.Fatal(err)
	}
	r := &http.Request{Method: "GET", URL: to, Host: to.Host, Header: http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := v.client.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != status {
		v.t.Errorf("WebSocket %s %v: %d, want %d", address, header, answer.StatusCode, status)
	} else if status == http.StatusSwitchingProtocols {
		if text, err := readFrame(answer.Body); err != nil || !strings.HasPrefix(text, "hello") {
			v.t.Errorf("WebSocket %s: %q %v", address, text, err)
		}
	}
}

// signInByForm signs in on the page of a site.
func (v *visitor) signInByForm(site, name, password string) {
	v.t.Helper()
	_, _, form := v.open(site + "/")
	token := formToken.FindStringSubmatch(form)
	if token == nil {
		v.t.Fatal(form)
	}
	answer := url.Values{"username": {name}, "password": {password}, "token": {token[1]}}
	status, header, _ := v.send("POST", site+"/.policy_auth/login", answer.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Origin", site)
	if status != 303 {
		v.t.Fatalf("%s is not signed in: %d %v", name, status, header)
	}
}
