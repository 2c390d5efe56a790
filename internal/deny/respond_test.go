package deny

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"go.uber.org/zap"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// newResponder returns the responder of a site without methods.
func newResponder(t *testing.T, change func(*Responder)) *Responder {
	t.Helper()
	rendered, err := pages.New(pages.Config{}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	chain, err := authn.NewChain(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	rs := &Responder{Chain: chain, Pages: rendered, Logger: zap.NewNop()}
	change(rs)
	return rs
}

// open opens an exchange for a request, as the handler does.
func open(r *http.Request) (*httptest.ResponseRecorder, *http.Request, *exchange.Exchange) {
	recorder := httptest.NewRecorder()
	r = caddyhttp.PrepareRequest(r, caddy.NewReplacer(), recorder, nil)
	return recorder, r, exchange.Open(recorder, r, new(request.Config))
}

// TestRespond: the responder answers itself, or hands over to error routes with a path
// that no file has (T-41).
func TestRespond(t *testing.T) {
	tests := []struct {
		name   string
		status int
		change func(*Responder)
		routes bool // the error routes answer
	}{
		{"page", 403, func(*Responder) {}, false},
		{"delegated", 403, func(rs *Responder) { rs.Delegate = true }, true},
		{"concealed", 404, func(rs *Responder) { rs.Conceal = true }, true},
		{"a policy's 404", 404, func(*Responder) {}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recorder, r, ex := open(httptest.NewRequest("GET", "/secret.txt", nil))
			result := &exchange.Result{Status: test.status, Reason: authenticator.ReasonPolicyDenied}
			result.Input.Identity = authenticator.Anonymous()
			err := newResponder(t, test.change).Respond(recorder, r, ex, result)
			var failure caddyhttp.HandlerError
			if errors.As(err, &failure) != test.routes || test.routes && (failure.StatusCode != test.status || r.URL.Path != Path) || !test.routes && recorder.Code != test.status {
				t.Errorf("%v, path %s, status %d", err, r.URL.Path, recorder.Code)
			}
			original := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request) // Caddy gives its path to error routes
			if (original.URL.Path == Path) != test.routes {
				t.Errorf("original path %s", original.URL.Path)
			}
			if got := recorder.Header().Get("Cache-Control"); got != "no-store" {
				t.Errorf("Cache-Control %q", got)
			}
		})
	}
}

// TestMaskNotFound: only a 404 of the next handler is masked (R-403-3).
func TestMaskNotFound(t *testing.T) {
	rs := newResponder(t, func(rs *Responder) { rs.Conceal = true })
	for status, masked := range map[int]bool{404: true, 403: false, 500: false} {
		recorder, r, ex := open(httptest.NewRequest("GET", "/there", nil))
		err := rs.MaskNotFound(r, ex, caddyhttp.Error(status, errors.New("why")))
		var failure caddyhttp.HandlerError
		if !errors.As(err, &failure) || failure.StatusCode != status || (r.URL.Path == Path) != masked || (recorder.Header().Get("Cache-Control") == "no-store") != masked {
			t.Errorf("%d: %v, path %s, headers %v", status, err, r.URL.Path, recorder.Header())
		}
	}
}

// TestUnjudgeable: a path with a rejected flag is denied to every caller.
func TestUnjudgeable(t *testing.T) {
	for target, want := range map[string]authenticator.Reason{"/a": "", "/a/%2e%2e/b": authenticator.ReasonPathAmbiguous} {
		_, _, ex := open(httptest.NewRequest("GET", target, nil))
		if outcome, denied := Unjudgeable(&ex.Request); outcome.Reason != want || denied != (want != "") {
			t.Errorf("%s: %v %v", target, outcome, denied)
		}
	}
}

// TestUnjudgeableUpgrade: a tunnel that upgrades does not name is denied to every caller.
func TestUnjudgeableUpgrade(t *testing.T) {
	_, _, ex := open(httptest.NewRequest("CONNECT", "example.com:443", nil))
	if outcome, denied := Unjudgeable(&ex.Request); !denied || outcome.Verdict != authenticator.Malformed || outcome.Reason != authenticator.ReasonUpgradeRefused {
		t.Errorf("%v %v", outcome, denied)
	}
}

// TestPreflightHint: without a cors block, the log explains a denied preflight.
func TestPreflightHint(t *testing.T) {
	for _, cors := range []bool{false, true} {
		rs := newResponder(t, func(rs *Responder) { rs.CORS = cors })
		r := httptest.NewRequest("OPTIONS", "/", nil)
		r.Header = http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"PUT"}}
		_, r, ex := open(r)
		result := exchange.Result{}
		result.Input.Identity = authenticator.Anonymous()
		if got := rs.ChooseStatus(r, ex, result); (got.Hint == "") != cors {
			t.Errorf("cors %v: hint %q", cors, got.Hint)
		}
	}
}
