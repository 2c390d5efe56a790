package deny

import (
	"net/http/httptest"
	"testing"
)

// TestHangUp: R-401-10, R-401-11. Only a client that waits before it sends its
// body, or that announces a large one, loses its connection; there is either over
// HTTP/1.1 alone.
func TestHangUp(t *testing.T) {
	tests := []struct {
		name, expect, want string
		length             int64
		version            int
		abandoned, sending bool
	}{
		{"waiting", "100-continue", "close", 5, 1, false, false},
		{"waiting, in another case", "100-Continue", "close", 5, 1, false, false},
		{"not waiting", "", "", 5, 1, false, false},
		{"waiting, HTTP/2", "100-continue", "", 5, 2, false, false},
		{"as large as is read away", "", "", maxUnread, 1, false, false},
		{"larger", "", "close", maxUnread + 1, 1, false, true},
		{"larger, HTTP/2", "", "", maxUnread + 1, 2, false, false},
		{"of unknown length", "", "", -1, 1, false, false},
		{"N-11 given up", "", "close", 5, 1, true, false},
		{"N-11 given up, HTTP/2", "", "", 5, 2, true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("PUT", "/", nil)
			r.ProtoMajor, r.ContentLength = test.version, test.length
			r.Header.Set("Expect", test.expect)
			recorder := httptest.NewRecorder()
			sending := hangUp(recorder, r, test.abandoned)
			h := recorder.Header()
			if sending != test.sending {
				t.Errorf("sending: %v", sending)
			}
			if got := h.Get("Connection"); got != test.want {
				t.Errorf("Connection is %q, want %q", got, test.want)
			}
		})
	}
}
