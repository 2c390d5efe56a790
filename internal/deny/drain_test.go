package deny

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// denying starts a server that denies requests as a site does, behind a reader of
// the body that net/http does not know, and returns its address.
func denying(t *testing.T, read *atomic.Int64) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &counted{ReadCloser: r.Body}
		r.Body = body
		sending := hangUp(w, r, false)
		w.Header().Set("Content-Length", "6")
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, "denied")
		if sending {
			drain(w, r, netip.MustParseAddr("192.0.2.1"))
		}
		read.Store(body.read)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

type counted struct {
	io.ReadCloser
	read int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.read += int64(n)
	return n, err
}

// put sends a body, of length bytes or in chunks, and reads the answer only then.
func put(t *testing.T, address string, length int64, chunked bool) (string, error) {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	framing := fmt.Sprintf("Content-Length: %d", length)
	if chunked {
		framing = "Transfer-Encoding: chunked"
	}
	if _, err = fmt.Fprintf(connection, "PUT / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n", framing); err != nil {
		return "", err
	}
	block := make([]byte, 64<<10)
	for sent := int64(0); sent < length; sent += int64(len(block)) {
		if chunked {
			_, _ = fmt.Fprintf(connection, "%x\r\n", len(block))
		}
		if _, err = connection.Write(block); err != nil {
			return "", err
		}
		if chunked {
			_, _ = io.WriteString(connection, "\r\n")
		}
	}
	if chunked {
		_, _ = io.WriteString(connection, "0\r\n\r\n")
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(response.Body)
	return fmt.Sprint(response.StatusCode, " ", string(body), " ", response.Close), err
}

// TestN20LargePut: a client that reads no answer before it has sent everything gets
// it; its connection ends, unless the body is short.
func TestN20LargePut(t *testing.T) {
	for name, test := range map[string]struct {
		length  int64
		chunked bool
		closes  bool
	}{
		"N-20 large":              {8 << 20, false, true},
		"N-20 large, in chunks":   {8 << 20, true, true},
		"N-20 small, in chunks":   {128 << 10, true, false},
		"N-20 small":              {128 << 10, false, false},
		"N-20 just over the rest": {320 << 10, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			var read atomic.Int64
			address := denying(t, &read)
			for range 5 {
				if got, err := put(t, address, test.length, test.chunked); err != nil || got != fmt.Sprint("401 denied ", test.closes) {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}

// TestN20DrainIsBounded: a client that goes on sending, or that stops, is left after a
// while, and no network takes all places.
func TestN20DrainIsBounded(t *testing.T) {
	var read atomic.Int64
	address := denying(t, &read)
	start := time.Now()
	if got, err := put(t, address, 1<<30, false); err == nil || time.Since(start) > 10*time.Second {
		t.Errorf("a client that sends a gigabyte: %q, %v after %s", got, err, time.Since(start))
	}
	if read.Load() > maxDrained+64<<10 {
		t.Errorf("%d bytes were read away", read.Load())
	}
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	start = time.Now()
	_, _ = fmt.Fprintf(connection, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\nx", 1<<20)
	reader := bufio.NewReader(connection)
	if response, err := http.ReadResponse(reader, nil); err != nil || time.Since(start) > drainPause/2 {
		t.Errorf("a client that stops: %+v, %v after %s", response, err, time.Since(start))
	}
	if _, err := io.Copy(io.Discard, reader); err != nil || time.Since(start) > 3*drainPause {
		t.Errorf("its connection ends with %v after %s", err, time.Since(start))
	}
	client, places := netip.MustParseAddr("192.0.2.1"), int64(0)
	for draining.Acquire(client, 1) {
		places++
	}
	if places > maxDraining/2 || !draining.Acquire(netip.MustParseAddr("203.0.113.1"), 1) {
		t.Errorf("one client takes %d places", places)
	}
	draining.Release(netip.MustParseAddr("203.0.113.1"), 1)
	draining.Release(client, places)
}

// TestN20Linger: where nothing is read away, the connection does not end at once: a
// client that is still sending is not reset before it can read the answer.
func TestN20Linger(t *testing.T) {
	client, places := netip.MustParseAddr("192.0.2.1"), int64(0)
	for draining.Acquire(client, 1) {
		places++
	}
	defer draining.Release(client, places)
	var read atomic.Int64
	connection, err := net.Dial("tcp", denying(t, &read))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_, _ = fmt.Fprintf(connection, "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", 1<<20)
	for range 5 {
		if _, err := connection.Write(make([]byte, 1<<10)); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, nil)
	if err != nil || response.StatusCode != http.StatusUnauthorized {
		t.Fatalf("%+v, %v", response, err)
	}
	if _, err := io.Copy(io.Discard, reader); err != nil || read.Load() != 0 { // the handler has returned
		t.Errorf("the connection ends with %v, %d bytes were read", err, read.Load())
	}
}
