package headers

import "testing"

// TestBelongsToConnection: no spelling of a header of the connection slips through.
func TestBelongsToConnection(t *testing.T) {
	for name, want := range map[string]bool{
		"Host": true, "content-length": true, "Transfer_Encoding": true, "TRANSFER-ENCODING": true, "keep.alive": true, "Upgrade": true,
		"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true, "Trailer": true, "Expect": true,
		"Proxy-Authenticate": true, "Proxy-Authentication-Info": true, "Proxy-Authorization": true,
		"X-Tenant": false, "Cookie": false, "Authorization": false, "": false,
	} {
		if got := BelongsToConnection(name); got != want {
			t.Errorf("%q: %v", name, got)
		}
	}
}
