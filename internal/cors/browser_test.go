package cors

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

// browser is a model of the parts of Fetch that decide whether a script may
// send a request and read its answer: sections 4.8 (CORS-preflight fetch) and
// 4.10 (CORS check). It looks at headers alone, as browsers do.
type browser struct {
	origin      string // of the page
	credentials bool   // the script asks for credentials to be included
	site        http.Handler
}

// answer is what a script sees.
type answer struct {
	status    int
	body      string
	readable  http.Header // what the script may read
	preflight bool        // one was made
}

// errNetwork is all that a script learns of a failed CORS check.
var errNetwork = errors.New("TypeError: Failed to fetch")

// fetch does what fetch(url, {method, headers}) does.
func (b browser) fetch(method string, headers map[string]string) (answer, error) {
	unsafe := unsafeNames(headers)
	preflight := !isSafelisted(method) || len(unsafe) > 0
	if preflight {
		if err := b.preflight(method, unsafe); err != nil {
			return answer{preflight: true}, err
		}
	}
	r := httptest.NewRequest(method, "https://api.example.com/p", nil)
	r.Header.Set("Origin", b.origin)
	for name, value := range headers {
		r.Header.Set(name, value)
	}
	got := b.send(r)
	if !b.check(got.Header) {
		return answer{preflight: preflight}, errNetwork
	}
	body, err := io.ReadAll(got.Body)
	return answer{got.StatusCode, string(body), b.expose(got.Header), preflight}, err
}

func (b browser) send(r *http.Request) *http.Response {
	recorder := httptest.NewRecorder()
	b.site.ServeHTTP(recorder, r)
	return recorder.Result()
}

// preflight is the CORS-preflight fetch; a preflight never has credentials.
func (b browser) preflight(method string, unsafe []string) error {
	r := httptest.NewRequest(http.MethodOptions, "https://api.example.com/p", nil)
	r.Header.Set("Origin", b.origin)
	r.Header.Set("Access-Control-Request-Method", method)
	if len(unsafe) > 0 {
		r.Header.Set("Access-Control-Request-Headers", strings.Join(unsafe, ","))
	}
	got := b.send(r)
	if got.StatusCode < 200 || got.StatusCode > 299 || !b.check(got.Header) {
		return errNetwork
	}
	methods := list(got.Header, "Access-Control-Allow-Methods", false)
	allowedMethod := slices.Contains(methods, method) || isSafelisted(method) || !b.credentials && slices.Contains(methods, "*")
	if !allowedMethod {
		return errNetwork
	}
	names := list(got.Header, "Access-Control-Allow-Headers", true)
	for _, name := range unsafe {
		wildcard := !b.credentials && slices.Contains(names, "*") && name != "authorization"
		if !wildcard && !slices.Contains(names, name) {
			return errNetwork
		}
	}
	return nil
}

// check is the CORS check of one answer.
func (b browser) check(h http.Header) bool {
	allowed := strings.Join(h.Values("Access-Control-Allow-Origin"), ", ")
	if len(h.Values("Access-Control-Allow-Origin")) == 0 {
		return false
	}
	if !b.credentials && allowed == "*" {
		return true
	}
	if allowed != b.origin {
		return false
	}
	return !b.credentials || strings.Join(h.Values("Access-Control-Allow-Credentials"), ", ") == "true"
}

// expose returns the headers that the script may read (Fetch, section 2.2.6).
func (b browser) expose(h http.Header) http.Header {
	exposed := list(h, "Access-Control-Expose-Headers", true)
	readable := http.Header{}
	for name, lines := range h {
		lower := strings.ToLower(name)
		safelisted := slices.Contains([]string{"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified", "pragma"}, lower)
		if safelisted || slices.Contains(exposed, lower) || !b.credentials && slices.Contains(exposed, "*") {
			readable[name] = lines
		}
	}
	return readable
}

func isSafelisted(method string) bool {
	return slices.Contains([]string{"GET", "HEAD", "POST"}, method)
}

// unsafeNames returns the CORS-unsafe request-header names, sorted and in lower
// case (section 2.2.2); the values in these tests are all short.
func unsafeNames(headers map[string]string) []string {
	var unsafe []string
	for name, value := range headers {
		lower := strings.ToLower(name)
		form := lower == "content-type" && slices.Contains([]string{"text/plain", "multipart/form-data", "application/x-www-form-urlencoded"}, value)
		if !form && !slices.Contains([]string{"accept", "accept-language", "content-language"}, lower) {
			unsafe = append(unsafe, lower)
		}
	}
	slices.Sort(unsafe)
	return unsafe
}

func list(h http.Header, name string, lower bool) []string {
	var members []string
	for member := range strings.SplitSeq(strings.Join(h.Values(name), ","), ",") {
		if member = strings.TrimSpace(member); member != "" {
			if lower {
				member = strings.ToLower(member)
			}
			members = append(members, member)
		}
	}
	return members
}
