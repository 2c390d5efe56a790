//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// acceptKey answers a handshake's key (RFC 6455, section 4.2.2).
func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// frame returns a short text as one frame (RFC 6455, section 5.2); a client's is masked.
func frame(text string, masked bool) []byte {
	if !masked {
		return append([]byte{0x81, byte(len(text))}, text...)
	}
	mask := [4]byte{1, 2, 3, 4}
	sent := append([]byte{0x81, 0x80 | byte(len(text))}, mask[:]...)
	for i := range len(text) {
		sent = append(sent, text[i]^mask[i%4])
	}
	return sent
}

// readFrame reads the text of one short frame.
func readFrame(r io.Reader) (string, error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	var mask [4]byte
	if head[1]&0x80 != 0 {
		if _, err := io.ReadFull(r, mask[:]); err != nil {
			return "", err
		}
	}
	text := make([]byte, head[1]&0x7f)
	_, err := io.ReadFull(r, text)
	for i := range text {
		text[i] ^= mask[i%4]
	}
	return string(text), err
}

// webSocket is the upstream's end: it speaks first and then repeats what it hears.
func webSocket(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Api-Key") != "" || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	connection, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	_, _ = fmt.Fprintf(connection, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n%s",
		acceptKey(r.Header.Get("Sec-Websocket-Key")), frame("hello "+r.Header.Get("X-Auth-User"), false))
	for {
		text, err := readFrame(buffered)
		if err != nil {
			return
		}
		_, _ = connection.Write(frame("echo "+text, false))
	}
}

// talk has a conversation with the upstream's end of a WebSocket.
func talk(t *testing.T, reader io.Reader, writer io.Writer) {
	t.Helper()
	if text, err := readFrame(reader); err != nil || text != "hello build" {
		t.Fatalf("%q %v", text, err)
	}
	for i := range 5 {
		if _, err := writer.Write(frame(fmt.Sprint(i), true)); err != nil {
			t.Fatal(err)
		}
		if text, err := readFrame(reader); err != nil || text != fmt.Sprint("echo ", i) {
			t.Fatalf("%q %v", text, err)
		}
	}
}

// TestE2EWebSocket: T-59, issue 4, point 8. A WebSocket is refused before it is
// one, and flows in both directions once allowed.
func TestE2EWebSocket(t *testing.T) {
	v := newPipeline(t)
	for name := range pipelineSites {
		t.Run(name, func(t *testing.T) {
			key := base64.StdEncoding.EncodeToString([]byte("sixteen bytes ..."[:16]))
			ask := func(more string) (*http.Response, *bufio.Reader, io.Writer) {
				connection, reader := v.connect(t)
				if _, err := fmt.Fprintf(connection, "GET /ws HTTP/1.1\r\nHost: %s\r\nOrigin: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\nX-Auth-User: root\r\n%s\r\n", pipelineHost(name), origin, key, more); err != nil {
					t.Fatal(err)
				}
				response, err := http.ReadResponse(reader, nil)
				if err != nil {
					t.Fatal(err)
				}
				return response, reader, connection
			}
			hits := v.hits.Load()
			response, _, _ := ask("")
			_ = response.Body.Close()
			if response.StatusCode != http.StatusUnauthorized || response.Header.Get("Upgrade") != "" || v.hits.Load() != hits {
				t.Errorf("a stranger: %d %v", response.StatusCode, response.Header)
			}
			response, reader, writer := ask("X-Api-Key: " + canary + "\r\n")
			if response.StatusCode != http.StatusSwitchingProtocols || response.Header.Get("Sec-Websocket-Accept") != acceptKey(key) {
				t.Fatalf("%d %v", response.StatusCode, response.Header)
			}
			talk(t, reader, writer)
		})
	}
}

// tunnel is a stream that an extended CONNECT (RFC 8441) opened: reading it
// gives what the server sends, writing to it sends.
type tunnel struct {
	*http2.Framer
	unread []byte
}

// dialTunnel asks for a WebSocket over HTTP/2 and returns the answer's status.
func dialTunnel(connection net.Conn, host, key string) (int, *tunnel, error) {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, field := range [][2]string{
		{":method", http.MethodConnect},
		{":protocol", "websocket"},
		{":scheme", "http"},
		{":authority", host},
		{":path", "/ws"},
		{"origin", origin},
		{"sec-websocket-version", "13"},
		{"x-auth-user", "root"},
		{"x-api-key", key},
	} {
		if field[1] == "" {
			continue
		}
		if err := encoder.WriteField(hpack.HeaderField{Name: field[0], Value: field[1]}); err != nil {
			return 0, nil, err
		}
	}
	if _, err := io.WriteString(connection, http2.ClientPreface); err != nil {
		return 0, nil, err
	}
	t := &tunnel{Framer: http2.NewFramer(connection, connection)}
	t.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if err := t.WriteSettings(); err != nil {
		return 0, nil, err
	}
	if err := t.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		return 0, nil, err
	}
	for {
		frame, err := t.ReadFrame()
		if err != nil {
			return 0, nil, err
		}
		if headers, ok := frame.(*http2.MetaHeadersFrame); ok {
			status, err := strconv.Atoi(headers.PseudoValue("status"))
			return status, t, err
		}
	}
}

func (t *tunnel) Read(p []byte) (int, error) {
	for len(t.unread) == 0 {
		frame, err := t.ReadFrame()
		if err != nil {
			return 0, err
		}
		if data, ok := frame.(*http2.DataFrame); ok {
			t.unread = bytes.Clone(data.Data())
		}
		if stream := frame.Header(); stream.StreamID == 1 && stream.Flags.Has(http2.FlagDataEndStream) && len(t.unread) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, t.unread)
	t.unread = t.unread[n:]
	return n, nil
}

func (t *tunnel) Write(p []byte) (int, error) { return len(p), t.WriteData(1, false, p) }

// TestE2EExtendedConnect: T-59, issue 4, point 8. The same over HTTP/2 (RFC
// 8441), where a WebSocket is a CONNECT with a body in each direction. The
// frames are written here, since net/http's client sends no extended CONNECT.
func TestE2EExtendedConnect(t *testing.T) {
	t.Setenv("GODEBUG", "http2xconnect=1") // off in Go unless asked for
	v := newPipeline(t)
	for name := range pipelineSites {
		t.Run(name, func(t *testing.T) { v.extended(t, pipelineHost(name)) })
	}
}

func (v *pipeline) extended(t *testing.T, host string) {
	ask := func(key string) (int, *tunnel) {
		connection, _ := v.connect(t)
		status, stream, err := dialTunnel(connection, host, key)
		if err != nil {
			t.Fatal(err)
		}
		return status, stream
	}
	hits := v.hits.Load()
	if status, _ := ask(""); status != http.StatusUnauthorized || v.hits.Load() != hits {
		t.Errorf("a stranger: %d", status)
	}
	status, stream := ask(canary)
	if status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	talk(t, stream, stream)
}

// TestE2E_N19PolicyReadsBody: on a site whose policy reads the body, a WebSocket has
// none (null) and flows; a request with a body that is no JSON is still refused.
func TestE2E_N19PolicyReadsBody(t *testing.T) {
	w := newEnv(t)
	upstream := httptest.NewServer(http.HandlerFunc(webSocket))
	defer upstream.Close()
	w.Write("policies/authz.rego", "package caddy.authz\n\nallow if {\n\tinput.request.websocket\n\tinput.request.body == null\n}\n\nallow if input.request.body.ok\n")
	s, address := w.serve("policy_auth {\n policies DIR/policies\n}\nreverse_proxy " + upstream.URL)
	connection, err := net.Dial("tcp", strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	key := base64.StdEncoding.EncodeToString([]byte("sixteen bytes ..."[:16]))
	if _, err := fmt.Fprintf(connection, "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", key); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	answer, err := http.ReadResponse(reader, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(answer, err, s.logged())
	}
	if text, err := readFrame(reader); err != nil || text != "hello " {
		t.Errorf("%q %v", text, err)
	}
	if status, _, _ := do(t, "POST", address+"/ws", "", "Content-Type", "text/plain"); status == 200 {
		t.Errorf("a text: %d", status)
	}
}
