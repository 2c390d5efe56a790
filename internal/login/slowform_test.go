package login

import (
	"errors"
	"net"
	"net/http/httptest"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestN11SlowForm: a form that does not arrive is not waited for.
func TestN11SlowForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := net.Pipe()
		defer client.Close()
		r := httptest.NewRequest("POST", LoginPath, server)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		v, start := &Request{W: httptest.NewRecorder(), R: r}, time.Now()
		if err := v.readForm(); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 10*time.Second {
			t.Errorf("N-11 %v after %s", err, time.Since(start))
		}
	})
}
