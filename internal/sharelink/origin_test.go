package sharelink

import (
	"net/http/httptest"
	"testing"
	"time"
)

// TestS19Origin: S-19. A link is for one scheme, host and port.
func TestS19Origin(t *testing.T) {
	for _, test := range []struct {
		url, host string
		https     bool
		want      bool
	}{
		{"https://photos.example.com/*", "photos.example.com", true, true},
		{"https://photos.example.com:443/*", "Photos.Example.com.", true, true},
		{"https://photos.example.com/*", "photos.example.com:443", true, true},
		{"https://photos.example.com/*", "photos.example.com:8443", true, false},
		{"https://photos.example.com/*", "photos.example.com", false, false},
		{"https://photos.example.com:8443/*", "photos.example.com:8443", true, true},
		{"https://photos.example.com:8443/*", "photos.example.com", true, false},
		{"http://photos.example.com:80/*", "photos.example.com", false, true},
		{"http://photos.example.com:443/*", "photos.example.com", true, false},
		{"https://[2001:db8::1]/*", "[2001:db8::1]", true, true},
		{"https://[2001:db8::1]:8443/*", "[2001:db8::1]:8443", true, true},
	} {
		link, _, err := Spec{URLs: []string{test.url}}.Parse(time.Now())
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		if r.Host = test.host; link.isFor(r, test.https) != test.want {
			t.Errorf("%s (%s) at %s, https %v: %v", test.url, link.Origin, test.host, test.https, !test.want)
		}
	}
}
