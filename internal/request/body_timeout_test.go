package request

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
)

// TestN11MovedDeadline: a body that trickles is late although Caddy's reader, which
// is nearer to the connection, moves its deadline before each read.
func TestN11MovedDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		ended := make(chan struct{})
		defer func() { _ = server.Close(); <-ended }()
		go func() {
			defer close(ended)
			for {
				if _, err := client.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		r, w := httptest.NewRequest("POST", "/", server), &connWriter{Conn: server}
		r.Body = &caddyhttp.IdleTimeoutReader{ReadCloser: r.Body, Ctrl: http.NewResponseController(w), Deadline: caddyhttp.IdleDeadline{Timeout: time.Minute}, Logger: zap.NewNop()}
		start, body := time.Now(), NewTimedBody(w, r)
		defer body.Stop()
		read, err := io.ReadAll(io.LimitReader(body, 1000))
		if took := time.Since(start); !errors.Is(err, os.ErrDeadlineExceeded) || !body.TimedOut() || took > 12*time.Second {
			t.Errorf("%d bytes are read after %s, %v", len(read), took, err)
		}
	})
}
