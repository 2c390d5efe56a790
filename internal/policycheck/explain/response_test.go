package explain

import "testing"

// TestRequestURL: the URL of a request has its port, but for the scheme's own.
func TestRequestURL(t *testing.T) {
	for document, want := range map[string]string{
		`{"request": {"scheme": "https", "host": "a.example", "port": 443, "path": "/x"}}`:   "https://a.example/x",
		`{"request": {"scheme": "http", "host": "a.example", "port": 80, "path": "/x"}}`:     "http://a.example/x",
		`{"request": {"scheme": "http", "host": "a.example", "port": 8080, "path": "/x"}}`:   "http://a.example:8080/x",
		`{"request": {"scheme": "https", "host": "a.example", "port": 80, "path": "/x"}}`:    "https://a.example:80/x",
		`{"request": {"scheme": "http", "host": "::1", "port": 8080, "path": "/x"}}`:         "http://[::1]:8080/x",
		`{"request": {"scheme": "https", "host": "a.example", "port": "8443", "path": "/"}}`: "https://a.example/",
		`{"request": {"path": "/x"}}`: "/x",
	} {
		decoded, err := decode([]byte(document))
		if err != nil {
			t.Fatal(err)
		}
		if got := inShort(decoded).URL; got != want {
			t.Errorf("%s is %s", document, got)
		}
	}
}
