package forward

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestN01StripUpgrade: the next handler gets the judged protocol and no other.
func TestN01StripUpgrade(t *testing.T) {
	tests := []struct {
		name, method, judged string
		header, want         http.Header
	}{
		{"h2c", "GET", "", http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c"}, "Http2-Settings": {"AAMA"}}, http.Header{}},
		{"Connection: Upgrade alone", "GET", "", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"h2c"}}, http.Header{}},
		{"other options stay", "GET", "", http.Header{"Connection": {"keep-alive, upgrade", "x-a"}, "Upgrade": {"h2c"}}, http.Header{"Connection": {"keep-alive, x-a"}}},
		{"settings in another spelling", "GET", "", http.Header{"Http2_settings": {"AAMA"}, "http2-settings": {"AAMA"}}, http.Header{}},
		{"h2c beside websocket", "GET", "websocket", http.Header{"Connection": {"Upgrade, HTTP2-Settings"}, "Upgrade": {"h2c, websocket"}, "Http2-Settings": {"AAMA"}}, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}},
		{"in several lines", "GET", "websocket", http.Header{"Connection": {"Upgrade"}, "Upgrade": {"h2c", "websocket", "tls/1.0"}}, http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"}}},
		{"an extended CONNECT", "CONNECT", "websocket", http.Header{":protocol": {"websocket"}, "Upgrade": {"h2c"}}, http.Header{":protocol": {"websocket"}}},
		{"nothing to strip", "GET", "", http.Header{"Connection": {"keep-alive"}, "Accept": {"*/*"}}, http.Header{"Connection": {"keep-alive"}, "Accept": {"*/*"}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Method, r.Header = test.method, test.header
			logged := slices.Clone(test.header["Connection"]) // as the access log has it
			lines := test.header["Connection"]
			stripUpgrade(r, test.judged, allKinds)
			if diff := cmp.Diff(test.want, r.Header); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(lines, logged) {
				t.Errorf("the log's copy became %q", lines)
			}
		})
	}
}

// TestS07Bare: a preflight that goes on unjudged asks for nothing more.
func TestS07Bare(t *testing.T) {
	r := httptest.NewRequest("OPTIONS", "/a?x=1&_method=DELETE&y=2", strings.NewReader("a body"))
	r.Header = http.Header{
		"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"PUT"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"},
		"X-Http-Method-Override": {"DELETE"}, "X_http_method": {"DELETE"}, "X-Method-Override": {"DELETE"},
		"Content-Length": {"6"}, "Transfer-Encoding": {"chunked"}, "Content-Type": {"text/plain"}, "Trailer": {"X-A"}, "Expect": {"100-continue"},
	}
	r.TransferEncoding, r.Trailer = []string{"chunked"}, http.Header{"X-A": nil}
	bare(r)
	want := http.Header{"Origin": {"https://app.example.com"}, "Access-Control-Request-Method": {"PUT"}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
	if r.Body != http.NoBody || r.ContentLength != 0 || r.TransferEncoding != nil || r.Trailer != nil || r.URL.RawQuery != "x=1&y=2" || r.RequestURI != "/a?x=1&y=2" {
		t.Errorf("%v %d %v %v %s", r.Body, r.ContentLength, r.TransferEncoding, r.Trailer, r.RequestURI)
	}
}

// TestS07BareOverrides: no spelling of another method, in a header or in the query, comes
// through with a preflight.
func TestS07BareOverrides(t *testing.T) {
	for _, name := range []string{"X-HTTP-Method-Override", "x_http_method_override", "X.HTTP.Method.Override", "X-HTTP_Method", "X~Method-Override", "x-method_override"} {
		r := httptest.NewRequest("OPTIONS", "/a", nil)
		r.Header[name] = []string{"DELETE"}
		if bare(r); len(r.Header) > 0 {
			t.Errorf("%s comes through", name)
		}
	}
	for _, pair := range []string{
		"_method=DELETE", ".method=DELETE", "+_method=DELETE", "[method=DELETE", "_method[]=DELETE", "_method[x]=DELETE", "]_method=DELETE", "[_method]=DELETE", "__method=DELETE",
		"%5Fmethod=DELETE", "%2Emethod=DELETE", "_method%00=DELETE", "_method",
	} {
		for _, raw := range []string{pair, "x=1&" + pair + "&y=2", "x=1;" + pair} {
			r := httptest.NewRequest("OPTIONS", "/a", nil)
			r.URL.RawQuery = raw
			if bare(r); strings.Contains(r.URL.RawQuery, "method") || strings.Contains(r.RequestURI, "method") || strings.Contains(raw, "x=1") != strings.Contains(r.URL.RawQuery, "x=1") {
				t.Errorf("%s becomes %s", raw, r.URL.RawQuery)
			}
		}
	}
	r := httptest.NewRequest("OPTIONS", "/a?method=x&methods=y&a_method=z", nil)
	if bare(r); r.URL.RawQuery != "method=x&methods=y&a_method=z" {
		t.Errorf("harmless parameters become %s", r.URL.RawQuery)
	}
}

// FuzzConnection: whatever Connection says, an upgrade that was not judged is not
// asked for, and other options stay.
func FuzzConnection(f *testing.F) {
	for _, seed := range []string{"Upgrade, HTTP2-Settings", "keep-alive", ",,upgrade\t,", "UPGRADE;x", "\x00upgrade"} {
		f.Add(seed, "")
		f.Add(seed, "websocket")
	}
	f.Fuzz(func(t *testing.T, connection, judged string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Connection": strings.Split(connection, "\n"), "Upgrade": {"h2c"}, "Http2-Settings": {"x"}}
		stripUpgrade(r, judged, allKinds)
		if len(r.Header["Http2-Settings"]) > 0 || judged == "" && len(r.Header["Upgrade"]) > 0 || judged != "" && !slices.Equal(r.Header["Upgrade"], []string{judged}) {
			t.Errorf("%v", r.Header)
		}
		for option := range strings.SplitSeq(strings.Join(r.Header["Connection"], ","), ",") {
			option = strings.ToLower(strings.TrimSpace(option))
			if option == "http2-settings" || option == "upgrade" && judged == "" {
				t.Errorf("%q stays in %q", option, r.Header["Connection"])
			}
		}
	})
}
