package cors

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVary: R-CORS-5: Origin is named on all answers, allowed or not, unless
// everybody may; R-CACHE-2: what is there stays.
func TestVary(t *testing.T) {
	one, everybody := build(t, Config{Origins: []string{app}}), build(t, Config{Origins: []string{"*"}})
	for name, r := range map[string]*http.Request{
		"no origin": request("GET"), "allowed": request("GET", "Origin", app), "refused": request("GET", "Origin", "https://evil.example"),
		"null": request("GET", "Origin", "null"), "two": request("GET", "Origin", app, "Origin", app), "OPTIONS": request("OPTIONS"),
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			before := []string{"Accept-Encoding", "", ""}[:1] // with room to grow
			recorder.Header()["Vary"] = before
			one.Handle(recorder, r, testID)
			if !mentions(recorder.Header(), "Origin") || !mentions(recorder.Header(), "Accept-Encoding") {
				t.Errorf("got %v", recorder.Header()["Vary"])
			}
			if grown := before[:3]; grown[1] != "" {
				t.Error("it wrote into somebody else's slice")
			}
		})
	}
	for name, r := range map[string]*http.Request{"no origin": request("GET"), "some origin": request("GET", "Origin", app)} {
		t.Run("everybody, "+name, func(t *testing.T) {
			_, recorder := handle(everybody, r)
			if h := recorder.Header(); h.Get("Access-Control-Allow-Origin") != "*" || len(h["Vary"]) > 0 || h.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("got %v", h)
			}
		})
	}
	for name, r := range map[string]*http.Request{"null": request("GET", "Origin", "null"), "two": request("GET", "Origin", app, "Origin", app)} {
		t.Run("everybody but "+name, func(t *testing.T) {
			_, recorder := handle(everybody, r)
			if h := recorder.Header(); len(owned(h)) > 0 || !mentions(h, "Origin") {
				t.Errorf("got %v", h)
			}
		})
	}
}

// TestShared: T-67, R-CORS-19: whatever is done to one answer's headers shows
// in no later answer.
func TestShared(t *testing.T) {
	configs := map[string]Config{
		"credentials": {Origins: []string{app}, Credentials: true, Headers: []string{"a", "b"}},
		"everybody":   {Origins: []string{"*"}, Methods: []string{"*"}, Headers: []string{"*", "authorization"}, Expose: []string{"*"}},
		"subdomains":  {Origins: []string{"https://*.example.com"}, MaxAge: -1},
	}
	requests := func() []*http.Request {
		return []*http.Request{
			request("GET"), request("GET", "Origin", app), request("OPTIONS"), request("OPTIONS", "Origin", app), request("GET", "Origin", "null"),
			preflight(app, "PUT"), preflight(app, "PURGE"), preflight(app, "PUT", "Access-Control-Request-Headers", "a,b"), preflight("null", "PUT"),
		}
	}
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			c := build(t, config)
			for i, r := range requests() {
				_, first := handle(c, r)
				want := first.Header().Clone()
				for name, lines := range first.Header() {
					for j := range lines {
						lines[j] = "edited"
					}
					_ = append(lines, "grown") // into whatever lies behind it
					first.Header()[name] = append(lines[:0], "edited again")
				}
				for name, lines := range r.Header {
					if lines[0] == "edited" || lines[0] == "edited again" {
						t.Errorf("request %d: an edit of the answer shows in the request's %s", i, name)
					}
				}
				_, second := handle(c, requests()[i])
				if diff := cmp.Diff(want, second.Header()); diff != "" {
					t.Errorf("request %d (-first +second)\n%s", i, diff)
				}
			}
		})
	}
}

// TestOthersHeaders: one kind of header, one line: what was set before does not
// stay beside ours, nor open an answer that we keep closed (R-CORS-6, R-CORS-17).
func TestOthersHeaders(t *testing.T) {
	c := build(t, Config{Origins: []string{app}})
	for name, r := range map[string]*http.Request{
		"allowed": request("GET", "Origin", app), "refused": request("GET", "Origin", "https://evil.example"),
		"preflight": preflight(app, "PUT"), "refused preflight": preflight("https://evil.example", "PUT"),
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			recorder.Header().Set("Access-Control-Allow-Origin", "*")
			recorder.Header().Set("Access-Control-Allow-Credentials", "true")
			recorder.Header().Set("Server", "Caddy")
			c.Handle(recorder, r, testID)
			h := recorder.Header()
			var want []string
			if r.Header.Get("Origin") == app {
				want = []string{app}
			}
			if diff := cmp.Diff(want, h["Access-Control-Allow-Origin"]); diff != "" || h.Get("Access-Control-Allow-Credentials") != "" || h.Get("Server") != "Caddy" {
				t.Errorf("got %v", h)
			}
		})
	}
}

// BenchmarkHandle measures what every request pays, and what a script's does.
func BenchmarkHandle(b *testing.B) {
	c := build(b, Config{Origins: []string{app}, Credentials: true})
	for name, r := range map[string]*http.Request{
		"no origin": request("GET"), "allowed": request("GET", "Origin", app),
		"preflight": preflight(app, "PUT", "Access-Control-Request-Headers", "authorization"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			w := &recorder{header: http.Header{}}
			for b.Loop() {
				delete(w.header, "Vary")
				c.Handle(w, r, testID)
			}
		})
	}
}

// TestAllocations: a request without Origin costs one allocation, its Vary, and an
// answered preflight one, the array that its headers share.
func TestAllocations(t *testing.T) {
	c := build(t, Config{Origins: []string{app}, Credentials: true})
	for name, test := range map[string]struct {
		request *http.Request
		budget  float64
	}{
		"no origin": {request("GET"), 1},
		"allowed":   {request("GET", "Origin", app), 4},
		"preflight": {preflight(app, "PUT", "Access-Control-Request-Headers", "authorization"), 1},
	} {
		w := &recorder{header: http.Header{}}
		got := testing.AllocsPerRun(100, func() {
			delete(w.header, "Vary")
			c.Handle(w, test.request, testID)
		})
		if got > test.budget {
			t.Errorf("%s: got %v allocations, the budget is %v", name, got, test.budget)
		}
	}
}

// TestRecorderIsEmpty: one that is given back keeps nothing for the next request.
func TestRecorderIsEmpty(t *testing.T) {
	rec := &recorder{header: http.Header{"Vary": {"Origin"}}, status: http.StatusForbidden}
	if rec.free(); len(rec.header) > 0 || rec.status != http.StatusNoContent {
		t.Errorf("kept %v, %d", rec.header, rec.status)
	}
}
