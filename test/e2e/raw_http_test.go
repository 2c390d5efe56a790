//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http/httpguts"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// answer is what came back over a wire.
type answer struct {
	status int
	header http.Header
	body   string
}

// wire sends a request whose target and host are what they are, byte for byte. An
// error means that the server, or the protocol, does not even read it.
type wire struct {
	name string
	send func(address string, q query) (answer, error)
}

// query is a request for a wire.
type query struct {
	method, target, host string
	header               []string // names and values
}

// wires are the versions of HTTP.
var wires = []wire{{"h1", inspected(overHTTP1)}, {"h2", inspected(overHTTP2)}, {"h3", inspected(overHTTP3)}}

// inspected ends the tests at an answer of ours that breaks the rules.
func inspected(send func(string, query) (answer, error)) func(string, query) (answer, error) {
	return func(address string, q query) (answer, error) {
		got, err := send(address, q)
		if wrong := inspect(got.status, got.header); err == nil && isOurs(got.header) && wrong != nil {
			panic(wrong)
		}
		return got, err
	}
}

// dial opens a connection to a server whose certificate nobody checks.
func dial(address, protocol string) (*tls.Conn, error) {
	dialer := &net.Dialer{Timeout: 5 * time.Second}
	connection, err := tls.DialWithDialer(dialer, "tcp", address, &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: []string{protocol}})
	if err != nil {
		return nil, err
	}
	return connection, connection.SetDeadline(time.Now().Add(10 * time.Second))
}

func overHTTP1(address string, q query) (answer, error) {
	q.header = append([]string{"Connection", "close"}, q.header...)
	return overVersion("HTTP/1.1", address, q)
}

// overVersion asks in a version of HTTP that has a request line.
func overVersion(version, address string, q query) (answer, error) {
	connection, err := dial(address, "http/1.1")
	if err != nil {
		return answer{}, err
	}
	defer connection.Close()
	var request strings.Builder
	fmt.Fprintf(&request, "%s %s %s\r\n", q.method, q.target, version)
	if q.host != "" || version != "HTTP/1.0" {
		fmt.Fprintf(&request, "Host: %s\r\n", q.host)
	}
	for i := 0; i+1 < len(q.header); i += 2 {
		fmt.Fprintf(&request, "%s: %s\r\n", q.header[i], q.header[i+1])
	}
	if _, err := io.WriteString(connection, request.String()+"\r\n"); err != nil {
		return answer{}, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), &http.Request{Method: q.method})
	return read(response, err)
}

// read takes a response apart.
func read(response *http.Response, err error) (answer, error) {
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

func overHTTP2(address string, q query) (answer, error) {
	connection, err := dial(address, "h2")
	if err != nil {
		return answer{}, err
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		return answer{}, err
	}
	framer := http2.NewFramer(connection, connection)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := append([]string{":method", q.method, ":scheme", "https", ":authority", q.host, ":path", q.target}, q.header...)
	for i := 0; i+1 < len(fields); i += 2 {
		if err := encoder.WriteField(hpack.HeaderField{Name: strings.ToLower(fields[i]), Value: fields[i+1]}); err != nil {
			return answer{}, err
		}
	}
	if err := framer.WriteSettings(); err != nil {
		return answer{}, err
	}
	if err := framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		return answer{}, err
	}
	return readFrames(framer)
}

// readFrames reads the answer to the first stream.
func readFrames(framer *http2.Framer) (answer, error) {
	got := answer{header: http.Header{}}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return answer{}, err
		}
		switch frame := frame.(type) {
		case *http2.MetaHeadersFrame:
			for _, field := range frame.Fields {
				if field.Name == ":status" {
					got.status, _ = strconv.Atoi(field.Value)
				} else {
					got.header.Add(field.Name, field.Value)
				}
			}
		case *http2.DataFrame:
			got.body += string(frame.Data())
		case *http2.RSTStreamFrame:
			return got, fmt.Errorf("the stream was reset: %s", frame.ErrCode)
		case *http2.GoAwayFrame:
			return got, fmt.Errorf("the connection was ended: %s", frame.ErrCode)
		}
		if stream := frame.Header(); stream.StreamID == 1 && stream.Flags.Has(http2.FlagDataEndStream) {
			return got, nil
		}
	}
}

// overHTTP3 sends what its library can say: a target that begins with a slash.
func overHTTP3(address string, q query) (answer, error) {
	if !strings.HasPrefix(q.target, "/") || !httpguts.ValidHostHeader(q.host) {
		return answer{}, errors.New("the library does not send this")
	}
	transport := &http3.Transport{TLSClientConfig: &tls.Config{ServerName: "localhost", InsecureSkipVerify: true}}
	defer transport.Close()
	r := &http.Request{
		Method: q.method, Host: q.host, Header: http.Header{},
		URL: &url.URL{Scheme: "https", Host: address, Opaque: "//" + q.host + q.target},
	}
	for i := 0; i+1 < len(q.header); i += 2 {
		r.Header[q.header[i]] = append(r.Header[q.header[i]], q.header[i+1])
	}
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	return read(response, err)
}

// serveTLS runs Caddy with sites over TLS and returns it and each site's address.
// SITE is the host of a site; DIR is the env's directory.
func (w *env) serveTLS(global string, sites ...string) (*server, []string) {
	w.T.Helper()
	admin := "127.0.0.1:" + port(w.T)
	config := "{\n admin " + admin + "\n skip_install_trust\n auto_https disable_redirects\n" + global + "\n}\n"
	var addresses []string
	for _, site := range sites {
		listen := port(w.T)
		addresses = append(addresses, "127.0.0.1:"+listen)
		config += "https://localhost:" + listen + ", https://:" + listen + " {\n tls internal\n" + strings.ReplaceAll(site, "DIR", w.Dir) + "\n}\n"
	}
	w.Write("Caddyfile", config)
	s := start(w.T, w.Dir, "Caddyfile", admin)
	for _, address := range addresses {
		eventually(w.T, "a certificate for "+address, func() bool {
			for _, wire := range wires {
				if _, err := wire.send(address, query{"GET", "/", "localhost", nil}); err != nil {
					return false
				}
			}
			return true
		})
	}
	return s, addresses
}

// as returns the header of a user.
func as(name string) []string {
	if name == "" {
		return nil
	}
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(name, canary)
	return []string{"Authorization", r.Header.Get("Authorization")}
}

// refusedBy reports whether a wire or the server's own reading refused a request.
func refusedBy(t testing.TB, wire, target string, err error) bool {
	t.Helper()
	if err != nil && strings.Contains(err.Error(), "timeout") {
		t.Errorf("%s %q: %v", wire, target, err)
	}
	return err != nil
}
