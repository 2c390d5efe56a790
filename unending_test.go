package policyauth

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

// TestN11Unending: where a handler before this one hides read deadlines, one warning
// says that connections outlast their answers.
func TestN11Unending(t *testing.T) {
	w := newEnv(t)
	w.Write("p/authz.rego", "package caddy.authz\n\nallow if input.request.body.ok\n")
	h, logs := w.site("policies DIR/p\n")
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			client, server := net.Pipe()
			defer client.Close()
			r := httptest.NewRequest("POST", "/", server)
			r.ContentLength = 100
			r.Header.Set("Content-Type", "application/json")
			if recorder, err := ask(h, r, new(reached)); err != nil || recorder.Code != http.StatusRequestTimeout {
				t.Errorf("%d %v", recorder.Code, err)
			}
		})
	}
	const warning = "a client that sends no body keeps its HTTP/1.1 connection"
	if got := logs.FilterMessageSnippet(warning).Len(); got != 1 {
		t.Errorf("%d warnings", got)
	}
}
