package request

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
)

// TestKinds: T-25 to T-28. Each spelling that a server behind may take for a known header
// is found.
func TestKinds(t *testing.T) {
	tests := []struct {
		name string
		want HeaderKinds
	}{
		{"Accept", 0},
		{"X-Real", 0},
		{"Upgrade-Insecure-Requests", 0},
		{"X-Forwarded-For", ForwardingHeader},
		{"X_forwarded.anything", ForwardingHeader},
		{"Forwarded", ForwardingHeader},
		{"Cf_connecting_ip", ForwardingHeader},
		{"True-Client-Ip", ForwardingHeader},
		{"X-Http-Method-Override", MethodOverrideHeader},
		{"X_http_method", MethodOverrideHeader},
		{"X.method-Override", MethodOverrideHeader},
		{"X-Original-Url", PathOverrideHeader | ForwardingHeader},
		{"X_rewrite_url", PathOverrideHeader | ForwardingHeader},
		{"Upgrade", UpgradeHeader},
		{"Http2-Settings", UpgradeHeader},
		{"Http2_settings", UpgradeHeader},
		{"Remote-User", ConfiguredHeader},
		{"Remote_user", ConfiguredHeader},
		{"Remote-Users", 0},
		{"X-Forwarded-User", ConfiguredHeader | ForwardingHeader},
		{"remote-user", ConfiguredHeader | NonCanonicalHeader},
		{"ACCEPT", NonCanonicalHeader},
		{"X-É", NonCanonicalHeader},
		{"X Foo", NonCanonicalHeader},
		{"", 0},
	}
	config := new(Config)
	config.SetConfiguredHeaders([]string{"remote-user", "x-forwarded-user"})
	for _, test := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header = http.Header{test.name: {"x"}, "Accept-Language": {"en"}}
		request := New(r, Metadata{}, config)
		if got := request.HeaderKinds(); got != test.want {
			t.Errorf("%q is of the kinds %b, want %b", test.name, got, test.want)
		}
		delete(r.Header, test.name)
		if request.ClassifyHeaders(); request.HeaderKinds() != 0 {
			t.Errorf("%q is found though it is gone", test.name)
		}
	}
}

// TestKindsLong: names as long as the longest that is known, and longer ones, are found.
func TestKindsLong(t *testing.T) {
	for _, length := range []int{maxKnownName - 1, maxKnownName, maxKnownName + 1, 1000} {
		name := string(slices.Repeat([]byte("a"), length))
		config := new(Config)
		config.SetConfiguredHeaders([]string{name})
		r := httptest.NewRequest("GET", "/", nil)
		r.Header[http.CanonicalHeaderKey(name)] = []string{"x"}
		if !New(r, Metadata{}, config).HeaderKinds().Has(ConfiguredHeader) {
			t.Errorf("a name of %d bytes is not found", length)
		}
	}
}

// TestHeadersLookedUp: what is looked up by its canonical name is what going through all
// headers finds.
func TestHeadersLookedUp(t *testing.T) {
	wantedNames := []string{"x-tenant", "x_tenant", "X-Tenant", "accept", "x-http-method", "x-forwarded-for", "authorization", "upgrade", "x-k", "é", ":protocol"}
	present := []string{"X-Tenant", "x-tenant", "X_tenant", "X-TENANT", "Accept", "X_http_method", "X-Http-Method", "X-Forwarded-For", "Authorization", "X-\u212a", "é", "É", ":protocol"}
	for bits := range 1 << len(present) {
		r := httptest.NewRequest("GET", "/", nil)
		for i, name := range present {
			if bits&(1<<i) != 0 {
				r.Header[name] = []string{"x"}
			}
		}
		request := New(r, Metadata{}, new(Config))
		var looked, walked Document
		request.fillHeaderValues(&looked, newHeaderFilter(wantedNames))
		request.kinds |= NonCanonicalHeader
		request.fillHeaderValues(&walked, newHeaderFilter(wantedNames))
		if !maps.EqualFunc(looked.Request.HeaderValues, walked.Request.HeaderValues, slices.Equal[[]string]) {
			t.Fatalf("%v: looked up %v, walked %v", r.Header, looked.Request.HeaderValues, walked.Request.HeaderValues)
		}
	}
}
