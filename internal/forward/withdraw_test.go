package forward

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// withdrawing is a site whose error routes must see no credential.
func withdrawing(t *testing.T) *Forwarder {
	t.Helper()
	f, _ := newForwarder(t, Config{
		CredentialHeaders: []string{"X-Key", "Cookie"}, CertificateHeaders: []string{"Client-Cert"}, CredentialParameters: []string{"token", "key"},
		CredentialCookies: []string{"sid", "jwt"}, UpstreamTokenHeader: "Authorization",
	})
	if err := f.IdentityHeaders.ReserveAuthorization(); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestT26Withdraw: T-26, S-22, S-23. Error routes get neither identity headers, in any
// spelling, nor a credential of any kind, nor an upgrade; the rest of the request stays, and
// so does what the access log holds.
func TestT26Withdraw(t *testing.T) {
	f := withdrawing(t)
	r := httptest.NewRequest("GET", "/x?a=1&token=s3cret&key=s3cret", nil)
	sent := http.Header{
		"X-Auth-User": {"forged"}, "x_auth_user": {"forged"}, "Authorization": {"Bearer s3cret"}, "Proxy-Authorization": {"Basic s3cret"},
		"X-Key": {"s3cret"}, "x_key": {"s3cret"}, "Client-Cert": {":s3cret:"}, "Cookie": {"a=b; sid=s3cret", "jwt=s3cret; c=d"},
		"Connection": {"Upgrade, keep-alive"}, "Upgrade": {"websocket"}, "Accept": {"text/html"},
	}
	r.Header = maps.Clone(sent)
	kept := sent.Clone()
	_, r, ex := open(r)
	f.Withdraw(r, ex.Shared)
	want := http.Header{"Accept": {"text/html"}, "Cookie": {"a=b", "c=d"}, "Connection": {"keep-alive"}}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Error(diff)
	}
	original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if r.URL.RawQuery != "a=1" || original.URL.RawQuery != "a=1" || strings.Contains(r.RequestURI, "s3cret") {
		t.Errorf("queries %q and %q, %s", r.URL.RawQuery, original.URL.RawQuery, r.RequestURI)
	}
	if diff := cmp.Diff(kept, sent); diff != "" {
		t.Errorf("the access log's copy: %s", diff)
	}
	if ex.Shared.Restore(r.Header); r.Header.Get("X-Key") != "s3cret" || len(r.Header["Cookie"]) != 2 || r.Header["X-Auth-User"] != nil {
		t.Errorf("a handler among the error routes sees %v", r.Header)
	}
}

// TestT26WithdrawForwarded: T-26, S-23. After an allowed request failed, error routes get
// neither the upstream's token nor identity headers nor what a policy set for the
// application.
func TestT26WithdrawForwarded(t *testing.T) {
	for _, forward := range []bool{false, true} {
		f := withdrawing(t)
		f.ForwardCredentials = forward
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{"Authorization": {"Basic s3cret"}, "Cookie": {"sid=s3cret"}}
		_, r, ex := open(r)
		shared := ex.Shared
		ex.Session.Token = "s3cret"
		result := resultFor(alice, authenticator.Source{Scheme: "basic"})
		result.Decision.Headers = http.Header{"X-Tenant-Key": {"s3cret"}}
		_ = f.Forward(r, ex, result, caddyhttp.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) error {
			if got := r.Header; got.Get("Authorization") != "Bearer s3cret" || got.Get("X-Auth-User") != "alice" || got.Get("X-Tenant-Key") != "s3cret" {
				t.Errorf("the application gets %v", got)
			}
			return io.ErrUnexpectedEOF
		}))
		ex.Close()
		f.Withdraw(r, shared)
		if len(r.Header) > 0 {
			t.Errorf("forward_credentials %v: error routes get %v", forward, slices.Collect(maps.Keys(r.Header)))
		}
	}
}

// TestT28WithdrawTrailers: T-28. Trailers with the names of identity headers do not reach
// error routes either.
func TestT28WithdrawTrailers(t *testing.T) {
	f := withdrawing(t)
	r := httptest.NewRequest("POST", "/", strings.NewReader("body"))
	r.Trailer = http.Header{"X-Auth-User": {"forged"}, "X-Sum": nil}
	_, r, ex := open(r)
	f.Withdraw(r, ex.Shared)
	if _, there := r.Trailer["X-Auth-User"]; there {
		t.Errorf("trailers %v", r.Trailer)
	}
	r.Trailer["X-Auth-User"] = []string{"forged"} // as net/http fills it in
	if _, err := io.ReadAll(r.Body); err != nil || r.Trailer["X-Auth-User"] != nil {
		t.Errorf("%v, trailers %v", err, r.Trailer)
	}
}
