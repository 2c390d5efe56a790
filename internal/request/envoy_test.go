package request

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestEnvoyCredentials: T-25, T-45. The document of opa-envoy-plugin has credentials only on
// request, and no forwarding header of an untrusted peer.
func TestEnvoyCredentials(t *testing.T) {
	const secret, forged = "canary-4711-test-material-only", "203.0.113.99"
	for _, trusted := range []bool{false, true} {
		for _, credentials := range []bool{false, true} {
			r := httptest.NewRequest("GET", "/a?key="+secret, nil)
			r.Header.Set("Authorization", "Bearer "+secret)
			r.Header.Set("X-Key", secret)
			r.Header.Set("X-Real-Ip", forged)
			meta := Metadata{ID: func() string { return "id" }, TrustedProxy: trusted, ClientIP: "192.0.2.1"}
			req := New(r, meta, &Config{CredentialHeaders: []string{"X-Key"}, CredentialParameters: []string{"key"}})
			document := fmt.Sprint(req.Envoy(req.Readings()[0], nil, credentials))
			want := 0
			if credentials {
				want = 4 // Authorization, X-Key, the path and parsed_query
			}
			if got := strings.Count(document, secret); got < want || want == 0 && got > 0 {
				t.Errorf("credentials %v: the document has %d of them:\n%s", credentials, got, document)
			}
			if got := strings.Contains(document, forged); got != trusted {
				t.Errorf("trusted %v: X-Real-IP is in the document: %v", trusted, got)
			}
		}
	}
}
