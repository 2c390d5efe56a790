package denial

import (
	"net/http"
	"net/http/httptest"
	"os"
	"testing"

	"github.com/policyauth/caddy-policy-auth/internal/identity"
)

func TestShot(t *testing.T) {
	write := func(name, lang string, brand Brand, rf Refusal) {
		p, err := New(Config{Brand: brand}, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		r := httptest.NewRequest("GET", "/", nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Accept-Language", lang)
		w := httptest.NewRecorder()
		_ = p.Write(w, r, rf)
		os.WriteFile("/tmp/h/shot/"+name+".html", w.Body.Bytes(), 0o644)
		t.Log(w.Header(), w.Body.Len())
	}
	id := "6f1e5c0a-9a57-4c52-8b7c-2f0c1d9f1a11"
	full := Brand{Name: "Example Photos", Color: "#0a7d55", Logo: "data:image/svg+xml;base64,PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAxMCAxMCI+PGNpcmNsZSBjeD0iNSIgY3k9IjUiIHI9IjUiIGZpbGw9IiMwYTdkNTUiLz48L3N2Zz4=", SupportURL: "mailto:help@example.com", RequestAccessURL: "/ask", HomeURL: "/"}
	write("401", "en", Brand{}, Refusal{Status: 401, Reason: "credentials_missing", RequestID: id, MaxAge: -1})
	write("403", "en", full, Refusal{Status: 403, Reason: "policy_denied", RequestID: id, MaxAge: -1, Codes: []string{"needs_approval"}, Message: "Albums of the family are open to the family alone.", Remediation: "Ask Carol to add you to the group family.", Identity: &identity.Identity{Authenticated: true, ID: "u1", Username: "bob", Name: "Bob Example"}})
	write("403de", "de", full, Refusal{Status: 403, Reason: "policy_denied", RequestID: id, MaxAge: -1, Identity: &identity.Identity{Authenticated: true, ID: "u1", Username: "a-very-long-user-name-that-has-no-spaces-at-all-and-goes-on@example.com"}})
	write("503", "fr", full, Refusal{Status: http.StatusServiceUnavailable, Reason: "keys_unavailable", RequestID: id, MaxAge: -1})
}
