package respheader

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestN04WithholdBody: however an answer begins, nothing of its body is sent, and its
// status and other headers are.
func TestN04WithholdBody(t *testing.T) {
	begin := map[string]func(http.ResponseWriter){
		"Write": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted); _, _ = io.WriteString(w, "secret") },
		"Copy": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusAccepted)
			_, _ = io.Copy(w, io.LimitReader(strings.NewReader("secret"), 9))
		},
		"Flush": func(w http.ResponseWriter) {
			w.WriteHeader(http.StatusAccepted)
			w.(http.Flusher).Flush()
			_, _ = io.WriteString(w, "secret")
		},
		"WriteHeader": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"Hijack": func(w http.ResponseWriter) {
			if connection, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_, _ = io.WriteString(connection, "HTTP/1.1 202 Accepted\r\nContent-Length: 6\r\n\r\nsecret")
				_ = connection.Close()
				return
			}
			w.WriteHeader(http.StatusAccepted)
		},
	}
	for name, begin := range begin {
		t.Run(name, func(t *testing.T) {
			server := serve(t, false, func(w http.ResponseWriter, _ *http.Request) {
				w.(*HeaderWriter).WithholdBody()
				for _, header := range []string{"ETag", "Content-Type", "Last-Modified", "Access-Control-Allow-Origin", "Allow"} {
					w.Header()[header] = []string{"x"}
				}
				w.Header().Set("Content-Length", "6")
				begin(w)
			})
			got, err := server.Client().Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer got.Body.Close()
			body, err := io.ReadAll(got.Body)
			if err != nil || len(body) > 0 || got.StatusCode != http.StatusAccepted {
				t.Errorf("%d %q %v", got.StatusCode, body, err)
			}
			if h := got.Header; h.Get("Etag")+h.Get("Content-Type")+h.Get("Last-Modified") != "" || h.Get("Access-Control-Allow-Origin") != "x" || h.Get("Allow") != "x" {
				t.Errorf("%v", h)
			}
		})
	}
}
