package pages

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

// keepingWriter is a response whose connection is gone while it still reads the body, as
// HTTP/2 does.
type keepingWriter struct {
	header http.Header
	body   []byte
}

func (w *keepingWriter) Header() http.Header         { return w.header }
func (w *keepingWriter) WriteHeader(int)             {}
func (w *keepingWriter) Write(p []byte) (int, error) { w.body = p; return 0, errors.New("gone") }

// TestUnsentBody: T-45. The memory of a body that was not sent holds no other's answer.
func TestUnsentBody(t *testing.T) {
	p := open(t, Config{})
	for range 20 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		w := &keepingWriter{header: http.Header{}}
		if err := p.Write(w, r, Denial{Status: http.StatusForbidden, RequestID: requestID, MaxAge: -1}); err == nil {
			t.Fatal("no error")
		}
		before := bytes.Clone(w.body)
		_ = p.Write(httptest.NewRecorder(), r, Denial{Status: http.StatusNotFound, RequestID: "another", Message: "another's", MaxAge: -1})
		if !bytes.Equal(before, w.body) {
			t.Fatalf("the body is %s, was %s", w.body, before)
		}
	}
}
