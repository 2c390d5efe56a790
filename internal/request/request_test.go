package request

import (
	"crypto/tls"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// TestDocument holds the whole document of one request.
func TestDocument(t *testing.T) {
	original := httptest.NewRequest("POST", "/API/a%20b/?k=v&k=w;x&z", nil)
	r := httptest.NewRequest("POST", "/a%20b/", strings.NewReader("x"))
	r.Host, r.RemoteAddr = "Api.Example.com.:8443", "192.0.2.1:5000"
	r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13, ServerName: "api.example.com", NegotiatedProtocol: "h2"}
	r.Header = http.Header{
		"Authorization": {"Bearer canary"}, "Cookie": {"a=canary"}, "X-Api-Key": {"canary"}, "X_api.key": {"canary"},
		"Accept": {"text/html", "*/*"}, "X-Forwarded-For": {"203.0.113.9"}, "Content-Type": {"application/grpc+proto"},
	}
	req := New(r, Metadata{
		ID: func() string { return "id-1" }, Time: time.Unix(2, 3), Method: original.Method, URL: original.URL, RequestURI: original.RequestURI,
		ClientIP: "192.0.2.1", PeerIP: "192.0.2.1",
	}, &Config{CredentialHeaders: []string{"X-API-Key"}})
	got := req.Document(req.Readings()[0], authenticator.Anonymous(), "", nil, AllFields)
	want := Document{
		Contract: "caddy/v1",
		Request: Fields{
			ID: "id-1", TimeNS: 2_000_000_003, Method: "POST", Scheme: "https", Host: "api.example.com", Port: 8443,
			Path: "/API/a b/", PathFolded: "/api/a b/", Segments: []string{"API", "a b"}, RewrittenPath: "/a b/",
			RawPath: "/API/a%20b/", PathFlags: []string{}, Query: map[string][]string{"k": {"v", "w;x"}, "z": {""}},
			RawQuery: "k=v&k=w;x&z", QueryFlags: []string{"semicolon"},
			Headers: map[string]string{
				"accept": "text/html, */*", "authorization": Redacted, "cookie": Redacted, "x-api-key": Redacted,
				"x_api.key": Redacted, "content-type": "application/grpc+proto",
			},
			HeaderValues: map[string][]string{
				"accept": {"text/html", "*/*"}, "authorization": {Redacted}, "cookie": {Redacted}, "x-api-key": {Redacted},
				"x_api.key": {Redacted}, "content-type": {"application/grpc+proto"},
			},
			Protocol: "HTTP/1.1", ContentLength: 1, GRPC: true,
		},
		Client:   Client{IP: "192.0.2.1", PeerIP: "192.0.2.1", ForwardedUntrusted: true},
		TLS:      TLS{Version: "1.3", SNI: "api.example.com", ALPN: "h2", ClientCertificate: noCertificate},
		Identity: authenticator.Anonymous(),
		Config:   map[string]any{},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b *authenticator.Identity) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

// TestNothingIsMissing: every field is present in every document, and no list
// or object is null, so that no negation is opened by leaving something out (T-03).
func TestNothingIsMissing(t *testing.T) {
	r := &http.Request{Method: "GET", URL: httptest.NewRequest("GET", "/", nil).URL}
	req := New(r, Metadata{ID: func() string { return "" }}, new(Config))
	encoded, err := json.Marshal(req.Document(req.Readings()[0], authenticator.Anonymous(), "", nil, AllFields))
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := json.Unmarshal(encoded, &document); err != nil {
		t.Fatal(err)
	}
	delete(document["request"].(map[string]any), "body") // null as long as it is not read
	var walk func(path string, value any)
	walk = func(path string, value any) {
		if value == nil {
			t.Errorf("%s is null", path)
		}
		if object, ok := value.(map[string]any); ok {
			for name, member := range object {
				walk(path+"."+name, member)
			}
		}
	}
	walk("input", document)
	for _, typ := range []reflect.Type{reflect.TypeFor[Document](), reflect.TypeFor[Fields](), reflect.TypeFor[Client](), reflect.TypeFor[TLS](), reflect.TypeFor[Certificate](), reflect.TypeFor[authenticator.Identity]()} {
		for field := range typ.Fields() {
			if tag := field.Tag.Get("json"); field.IsExported() && (tag == "" || strings.Contains(tag, "omit")) {
				t.Errorf("%s.%s may be missing: tag %q", typ.Name(), field.Name, tag)
			}
		}
	}
}

// TestForwarding: what an untrusted peer says about forwarding reaches no
// decision, in whatever spelling (T-25, T-56, T-73, R-MT-3).
func TestForwarding(t *testing.T) {
	names := []string{
		"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Uri", "X-Forwarded-Method", "X-Forwarded-Port",
		"X-Forwarded-Prefix", "Forwarded", "X-Original-Url", "X-Rewrite-Url", "X-Real-Ip", "X_Forwarded_For", "X.Forwarded.Proto",
		"Client-Cert", "X-Client-Cert",
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header[name] = []string{"https"}
			for _, trusted := range []bool{false, true} {
				req := New(r, Metadata{ID: func() string { return "" }, PeerIP: "192.0.2.1", TrustedProxy: trusted}, new(Config))
				fields := req.Fields(req.Readings()[0], AllFields)
				if _, seen := fields.Headers[strings.ToLower(name)]; seen != trusted {
					t.Errorf("trusted %v: seen %v", trusted, seen)
				}
				if got := req.Document(req.Readings()[0], nil, "", nil, AllFields).Client.ForwardedUntrusted; got == trusted {
					t.Errorf("trusted %v: forwarded_untrusted %v", trusted, got)
				}
				wantScheme := "http"
				if trusted && name == "X-Forwarded-Proto" {
					wantScheme = "https"
				}
				if fields.Scheme != wantScheme {
					t.Errorf("trusted %v: scheme %s", trusted, fields.Scheme)
				}
			}
		})
	}
}

// TestSecure: R-HTTP-5.
func TestSecure(t *testing.T) {
	tests := []struct {
		name    string
		tls     bool
		peer    string
		trusted bool
		proto   []string
		want    bool
	}{
		{"plain", false, "192.0.2.1", false, nil, false},
		{"TLS", true, "192.0.2.1", false, nil, true},
		{"loopback", false, "127.0.0.1", false, nil, true},
		{"loopback, IPv6", false, "::1", false, nil, true},
		{"loopback, mapped", false, "::ffff:127.0.0.1", false, nil, true},
		{"a proxy that is not trusted", false, "192.0.2.1", false, []string{"https"}, false},
		{"a trusted proxy", false, "192.0.2.1", true, []string{"https"}, true},
		{"a trusted proxy that got it plain", false, "192.0.2.1", true, []string{"http"}, false},
		{"a trusted proxy on this machine that got it plain", false, "127.0.0.1", true, []string{"http"}, true},
		{"two lines", false, "192.0.2.1", true, []string{"https", "http"}, false},
		{"no address", false, "", false, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			if test.tls {
				r.TLS = new(tls.ConnectionState)
			}
			if test.proto != nil {
				r.Header["X-Forwarded-Proto"] = test.proto
			}
			if got := New(r, Metadata{PeerIP: test.peer, TrustedProxy: test.trusted}, new(Config)).Secure(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// TestQuery: no parameter is dropped (T-19) and none satisfies a path (T-18).
func TestQuery(t *testing.T) {
	tests := []struct {
		raw   string
		want  map[string][]string
		flags []Flag
	}{
		{"", map[string][]string{}, nil},
		{"a=1&a=2&b", map[string][]string{"a": {"1", "2"}, "b": {""}}, nil},
		{"a=1;b=2", map[string][]string{"a": {"1;b=2"}}, []Flag{FlagSemicolon}},
		{"a=%zz", map[string][]string{"a": {"%zz"}}, []Flag{FlagBadEscape}},
		{"a=%ff", map[string][]string{"a": {"\uFFFD"}}, []Flag{FlagInvalidUTF8}},
		{"a+b=c%20d&&", map[string][]string{"a b": {"c d"}}, nil},
	}
	for _, test := range tests {
		got, flags := parseQuery(nil, test.raw)
		if diff := cmp.Diff(test.want, got); diff != "" || !cmp.Equal(flags, test.flags) {
			t.Errorf("%q: %s %v", test.raw, diff, flags)
		}
	}
}

// TestCutParameters: R-BR-8, T-19. A parameter is gone in every spelling, and
// nothing else is changed.
func TestCutParameters(t *testing.T) {
	for raw, want := range map[string]string{
		"":                        "",
		"token=x":                 "",
		"a=1&token=x&b=%2F":       "a=1&b=%2F",
		"a=1;token=x;b=2":         "a=1;b=2",
		"t%6Fken=x&a+b=c&token":   "a+b=c",
		"a=token&tokens=1&=token": "a=token&tokens=1&=token",
		"%zz=1&token=x&&a=1":      "%zz=1&&a=1",
	} {
		if got := RemoveParameters(raw, []string{"token"}); got != want {
			t.Errorf("%q became %q, want %q", raw, got, want)
		}
	}
	if got := RemoveParameters("token=x&", nil); got != "token=x&" {
		t.Errorf("without names: %q", got)
	}
}

func TestFoldName(t *testing.T) {
	for _, name := range []string{"X-Auth-User", "x_auth_user", "X.Auth-USER", "X Auth User", "x!auth~user", "X'Auth|User"} {
		if got := FoldHeaderName(name); got != "x-auth-user" || !SameHeaderName(name, "x-auth-user") {
			t.Errorf("%q: %q", name, got)
		}
	}
	if SameHeaderName("X-Auth-Users", "x-auth-user") || SameHeaderName("X-Auth-Usez", "x-auth-user") {
		t.Error("different names pass for the same")
	}
}
