package request

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// ask makes a Request for a target as it would stand in a request line.
func ask(t testing.TB, method, target string, config *Config) *Request {
	t.Helper()
	r := httptest.NewRequest(method, "/", nil)
	u, err := r.URL.Parse("")
	if err != nil {
		t.Fatal(err)
	}
	r.URL, r.RequestURI = u, target
	path, query, _ := strings.Cut(target, "?")
	r.URL.RawQuery = query
	r.URL.RawPath = path
	r.URL.Path = decode(path)
	if config == nil {
		config = new(Config)
	}
	return New(r, Metadata{ID: func() string { return "id" }, Time: time.Unix(1, 5), ClientIP: "192.0.2.7", PeerIP: "192.0.2.7"}, config)
}

// TestReadings lists what a server behind us may read a path as: T-12 to T-17,
// T-54, T-55.
func TestReadings(t *testing.T) {
	tests := []struct {
		target string
		want   []string // the segments of each reading, joined with |
		flags  string
	}{
		{"/", []string{""}, ""},
		{"/admin", []string{"admin"}, ""},
		{"/admin/", []string{"admin"}, ""},
		{"/ADMIN", []string{"ADMIN"}, ""},
		{"/a/b/c", []string{"a|b|c"}, ""},
		{"/%61dmin", []string{"admin"}, ""},
		{"/%2561dmin", []string{"%61dmin", "admin"}, "double_encoding"},
		{"/a%20b", []string{"a b"}, ""},
		{"/admin.", []string{"admin."}, ""},
		{"/a.b/.well-known/x", []string{"a.b|.well-known|x"}, ""},
		{"//admin", []string{"|admin", "admin"}, "double_slash"},
		{"/a//b", []string{"a||b", "a|b"}, "double_slash"},
		{"/admin%2f", []string{"admin/", "admin"}, "encoded_slash"},
		{"/admin%2Fx", []string{"admin/x", "admin|x"}, "encoded_slash"},
		{"/admin;x", []string{"admin;x", "admin"}, "path_parameter"},
		{"/a;v=1/b;c", []string{"a;v=1|b;c", "a|b"}, "path_parameter"},
		{"/a%3bx", []string{"a;x", "a"}, "path_parameter"},
		{"/caf%c3%a9", []string{"café"}, ""},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			r := ask(t, "GET", test.target, nil)
			var got []string
			for _, reading := range r.Readings() {
				got = append(got, strings.Join(reading.Segments, "|"))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("readings %q, want %q", got, test.want)
			}
			if flags := strings.Join(flagNames(r.flags), " "); flags != test.flags {
				t.Errorf("flags %q, want %q", flags, test.flags)
			}
			if refused := r.RejectedFlag(); refused != "" {
				t.Errorf("refused for %s", refused)
			}
		})
	}
}

// TestRefused lists the paths that nobody may ask for (product.md, section 5):
// T-13, T-16, T-17, T-18.
func TestRefused(t *testing.T) {
	tests := []struct {
		target  string
		flag    Flag
		reading string // that must be among those judged once the flag is allowed
	}{
		{"/./admin", FlagDotSegment, "admin"},
		{"/x/../admin", FlagDotSegment, "admin"},
		{"/public/%2e%2e/admin", FlagDotSegment, "admin"},
		{"/public/%2E./admin", FlagDotSegment, "admin"},
		{"/public/..%2fadmin", FlagDotSegment, "admin"},
		{"/public/..;/admin", FlagDotSegment, "admin"},
		{"/public/..;x=1/admin", FlagDotSegment, "admin"},
		{"/..", FlagDotSegment, ""},
		{"/a/.", FlagDotSegment, "a"},
		{`/admin\`, FlagBackslash, "admin"},
		{`/x\..\admin`, FlagBackslash, "admin"},
		{"/admin%5cx", FlagBackslash, "admin|x"},
		{"/admin%5Cx", FlagBackslash, "admin|x"},
		{"/a%00b", FlagControlCharacter, "a\x00b"},
		{"/a%0ab", FlagControlCharacter, "a\nb"},
	}
	for _, test := range tests {
		t.Run(test.target, func(t *testing.T) {
			if got := ask(t, "GET", test.target, nil).RejectedFlag(); got != test.flag {
				t.Fatalf("refused for %q, want %q", got, test.flag)
			}
			all := &Config{AllowedFlags: []Flag{FlagDotSegment, FlagBackslash, FlagControlCharacter, FlagFragment}}
			r := ask(t, "GET", test.target, all)
			if got := r.RejectedFlag(); got != "" {
				t.Errorf("allowed, yet refused for %q", got)
			}
			if !slices.ContainsFunc(r.Readings(), func(got Reading) bool { return strings.Join(got.Segments, "|") == test.reading }) {
				t.Errorf("%q is not among the readings %+v", test.reading, r.Readings())
			}
		})
	}
}

// TestFragment: T-17, a # in the request target is kept by net/http.
func TestFragment(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path, r.RequestURI = "/public#/../admin", "/public#/../admin"
	req := New(r, Metadata{}, new(Config))
	if got := req.RejectedFlag(); got != FlagFragment {
		t.Errorf("refused for %q, want %q", got, FlagFragment)
	}
	encoded := httptest.NewRequest("GET", "/a%23b", nil)
	if got := New(encoded, Metadata{}, new(Config)).RejectedFlag(); got != "" {
		t.Errorf("an encoded # is an ordinary character, refused for %q", got)
	}
}

// TestOpaqueTarget: a target that reaches the upstream unparsed is rejected, and no site can
// allow it.
func TestOpaqueTarget(t *testing.T) {
	r := httptest.NewRequest("GET", "/", nil)
	r.URL, r.RequestURI = &url.URL{Scheme: "http", Opaque: "x:/admin"}, "http:x:/admin"
	req := New(r, Metadata{}, new(Config))
	if got := req.RejectedFlag(); got != FlagOpaque || !req.Unreadable() {
		t.Errorf("rejected for %q, want %q", got, FlagOpaque)
	}
}

// TestNeverAllowed: what no policy can judge is not for a site to allow.
func TestNeverAllowed(t *testing.T) {
	if names := AllowableFlags(); slices.Contains(names, string(FlagInvalidUTF8)) || slices.Contains(names, string(FlagTooLong)) || !slices.IsSorted(names) {
		t.Errorf("got %q", names)
	}
	if got := ask(t, "GET", "/%c0%ae%c0%ae/admin", nil).RejectedFlag(); got != FlagInvalidUTF8 {
		t.Errorf("overlong dots: refused for %q", got)
	}
	if got := ask(t, "GET", "/"+strings.Repeat("a;", maxAmbiguousPath), nil).RejectedFlag(); got != FlagTooLong {
		t.Errorf("long path with parameters: refused for %q", got)
	}
	if got := ask(t, "GET", "/"+strings.Repeat("a", maxAmbiguousPath*2), nil).RejectedFlag(); got != "" {
		t.Errorf("a long plain path: refused for %q", got)
	}
}

// TestN07Destination: a destination is judged like the path, whatever the method (T-72).
func TestN07Destination(t *testing.T) {
	tests := []struct {
		name, method, destination string
		want                      []string
		refused                   Flag
	}{
		{"a path", "MOVE", "/admin/x", []string{"/admin/x"}, ""},
		{"a URL", "COPY", "https://h.example/admin/x?y", []string{"/admin/x"}, ""},
		{"a host alone", "COPY", "https://h.example", []string{"/"}, ""},
		{"a lower-case method", "move", "/admin", []string{"/admin"}, ""},
		{"another method", "PUT", "/admin", []string{"/admin"}, ""},
		{"a user", "MOVE", "https://u@h.example/admin", []string{""}, FlagBadDestination},
		{"longer than servers take", "MOVE", "/" + strings.Repeat("a", 8<<10), []string{""}, FlagBadDestination},
		{"a bad host", "MOVE", "https://h..example/admin", []string{""}, FlagBadDestination},
		{"encoded", "MOVE", "/%61dmin", []string{"/admin"}, ""},
		{"two readings", "MOVE", "https://h.example//admin", []string{"//admin", "/admin"}, ""},
		{"dots", "MOVE", "/a/../admin", []string{"/a/../admin", "/admin"}, FlagDotSegment},
		{"none", "MOVE", "", []string{""}, ""},
		{"a host or a path", "MOVE", "//admin/x", []string{""}, FlagBadDestination},
		{"relative", "MOVE", "admin", []string{""}, FlagBadDestination},
		{"bad escape", "MOVE", "/%zz", []string{""}, FlagBadDestination},
		{"opaque", "MOVE", "mailto:x", []string{""}, FlagBadDestination},
		{"an empty fragment", "MOVE", "/admin#", []string{""}, FlagBadDestination},
		{"a space", "MOVE", " ", []string{""}, FlagBadDestination},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "/x", nil)
			if test.destination != "" {
				r.Header.Set("Destination", test.destination)
			}
			req := New(r, Metadata{}, new(Config))
			var got []string
			for _, reading := range req.Readings() {
				got = append(got, reading.Destination)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("destinations %q, want %q", got, test.want)
			}
			if refused := req.RejectedFlag(); refused != test.refused {
				t.Errorf("refused for %q, want %q", refused, test.refused)
			}
			if test.refused == FlagBadDestination && !req.Unreadable() {
				t.Error("a destination that cannot be judged can be allowed")
			}
		})
	}
	t.Run("two lines", func(t *testing.T) {
		r := httptest.NewRequest("MOVE", "/x", nil)
		r.Header["Destination"] = []string{"/a", "/b"}
		if got := New(r, Metadata{}, new(Config)).RejectedFlag(); got != FlagBadDestination {
			t.Errorf("refused for %q", got)
		}
	})
}

// TestN07DestinationReadings: a destination counts in the bound of S-05: what has more than
// 64 readings with the path's is refused, and names that clients send are not.
func TestN07DestinationReadings(t *testing.T) {
	for _, test := range []struct {
		path, destination string
		refused           Flag
	}{
		{"/files/a%20b%26c.txt", "https://h.example/files/%C3%BC%23%2B%20100%25.txt", ""},
		{"/remote.php/dav/files/u/a%3Bb", "https://h.example/remote.php/dav/files/u/c%3Bd%2Fe", ""},
		{"/a%2fb;x%252fc//d", "/d%2fe;y//f", FlagTooLong},
	} {
		r := httptest.NewRequest("MOVE", test.path, nil)
		r.Header.Set("Destination", test.destination)
		req := New(r, Metadata{}, new(Config))
		if got := req.RejectedFlag(); got != test.refused || len(req.Readings()) > maxReadings {
			t.Errorf("%s to %s: refused for %q, %d readings", test.path, test.destination, got, len(req.Readings()))
		}
	}
}

// TestN07DestinationHost: the host of a destination is the one that it names, in the
// form of the request's own, or the request's own.
func TestN07DestinationHost(t *testing.T) {
	for destination, want := range map[string]string{
		"/x": "a.example", "https://A.Example.:8443/x": "a.example", "http://B.example": "b.example", "http://[::1]:80/x": "::1", "": "",
	} {
		r := httptest.NewRequest("POST", "http://a.example/x", nil)
		if destination != "" {
			r.Header.Set("Destination", destination)
		}
		req := New(r, Metadata{ID: func() string { return "" }}, new(Config))
		if got := req.Fields(req.Readings()[0], AllFields).DestinationHost; got != want {
			t.Errorf("%s: host %q, want %q", destination, got, want)
		}
		if got := req.ForeignDestination(); got != (want != "" && want != "a.example") {
			t.Errorf("%s: foreign is %t", destination, got)
		}
	}
}

// FuzzReadings: whatever the target, each reading is UTF-8 or refused, no
// reading that is judged hides a dot segment, and the work is bounded (T-66).
func FuzzReadings(f *testing.F) {
	for _, seed := range []string{"/", "//a/%2e%2e/b;c", "/a%2fb%5cc", "/%00#x", "/%c0%ae", "*", "/a/../../b/.", "/%252e"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, target string) {
		r, err := http.NewRequest("GET", "http://h.example"+target, nil)
		if err != nil {
			return
		}
		r.RequestURI = target
		req := New(r, Metadata{ID: func() string { return "" }}, new(Config))
		if n := len(req.Readings()); n < 1 || n > 64 {
			t.Fatalf("%d readings", n)
		}
		if req.RejectedFlag() != "" {
			return
		}
		for _, reading := range req.Readings() {
			if !utf8.ValidString(reading.Path) {
				t.Errorf("reading %q is not UTF-8", reading.Path)
			}
			if slices.Contains(reading.Segments, "..") || slices.Contains(reading.Segments, ".") || strings.ContainsAny(reading.Path, "\\\x00") {
				t.Errorf("reading %q is not refused", reading.Path)
			}
		}
	})
}

func BenchmarkNew(b *testing.B) {
	r := httptest.NewRequest("GET", "/api/documents/42/pages", nil)
	config := new(Config)
	b.ReportAllocs()
	for b.Loop() {
		New(r, Metadata{}, config)
	}
}

// TestS06ReadBound: many readings of a long path are refused, few of one are not: names in
// Japanese are long (S-05).
func TestS06ReadBound(t *testing.T) {
	for unit, want := range map[string]Flag{"/a%252fb;c%253fd//": FlagTooLong, "/%E6%97%A5%E6%9C%AC%E8%AA%9E%20100%25": ""} {
		if got := ask(t, "GET", strings.Repeat(unit, 7000/len(unit)), nil).RejectedFlag(); got != want {
			t.Errorf("%s: refused for %q, want %q", unit, got, want)
		}
		if got := ask(t, "GET", strings.Repeat(unit, 10), nil).RejectedFlag(); got != "" {
			t.Errorf("%s: a short one is refused for %q", unit, got)
		}
	}
}
