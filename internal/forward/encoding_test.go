package forward

import (
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
)

// decode reads an identity header as the documentation says.
func decode(t testing.TB, e Encoding, text string) string {
	t.Helper()
	switch {
	case e == Omit, e == RFC8187 && !strings.HasPrefix(text, "UTF-8''"):
		return text
	}
	decoded, err := url.PathUnescape(strings.TrimPrefix(text, map[Encoding]string{RFC8187: "UTF-8''"}[e]))
	if err != nil {
		t.Fatalf("%s: %q: %v", e, text, err)
	}
	return decoded
}

// TestN45Encodings: what each encoding makes of a value.
func TestN45Encodings(t *testing.T) {
	const none = "(left out)"
	tests := []struct {
		name                   string
		value                  any
		percent, rfc8187, omit string
	}{
		{"ASCII", "alice b", "alice b", "alice b", "alice b"},
		{"S-26 an umlaut", "Zoë", "Zo%C3%AB", "UTF-8''Zo%C3%AB", none},
		{"S-26 decomposed stays so", "Zoe\u0308", "Zoe%CC%88", "UTF-8''Zoe%CC%88", none},
		{"S-26 a percent sign", "100%", "100%25", "100%", "100%"},
		{"S-26 what looks encoded", "%C3%AB", "%25C3%25AB", "%C3%AB", "%C3%AB"},
		{"S-26 what looks like an ext-value", "utf-8''a", "utf-8''a", "UTF-8''utf-8%27%27a", "utf-8''a"},
		{"a comma", "a,b", "a,b", "a,b", "a,b"},
		{"S-26 a comma in an item", []string{"a,b", "c"}, "a%2Cb,c", "UTF-8''a%2Cb,c", none},
		{"a list of a claim", []any{"ä", true}, "%C3%A4,true", "UTF-8''%C3%A4,true", none},
		{"S-26 one empty item", []string{""}, none, none, none},
		{"no item", []string{}, "", "", ""},
		{"spaces at the ends", " a ", "%20a%20", "UTF-8''%20a%20", none},
		{"DEL", "a\x7f", "a%7F", "UTF-8''a%7F", none},
		{"not UTF-8", "a\xff", "a%FF", "UTF-8''a%FF", none},
		{"CR", "a\rb", none, none, none},
		{"LF in an item", []string{"a\nb"}, none, none, none},
		{"NUL", "\x00", none, none, none},
		{"an object", map[string]any{}, none, none, none},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for e, want := range map[Encoding]string{"": test.percent, Percent: test.percent, RFC8187: test.rfc8187, Omit: test.omit} {
				got, ok := e.text(test.value)
				if !ok {
					got = none
				}
				if got != want {
					t.Errorf("%q: got %q, want %q", e, got, want)
				}
			}
		})
	}
}

// TestN45New: an unknown encoding, and one without headers, is refused.
func TestN45New(t *testing.T) {
	if _, err := NewIdentityHeaders(map[string]string{"X-User": "id"}, "base64"); err == nil || !strings.Contains(err.Error(), "percent rfc8187 omit") {
		t.Error(err)
	}
	if _, err := NewIdentityHeaders(nil, Percent); err == nil {
		t.Error("an encoding without headers is accepted")
	}
	h, err := NewIdentityHeaders(map[string]string{"X-User": "name"}, Omit)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	if left := h.Set(r, &authenticator.Identity{Name: "Zoë"}, new(exchange.Shared), allKinds); len(left) != 1 || r.Header["X-User"] != nil {
		t.Errorf("%v %v", left, r.Header)
	}
}

// FuzzS26Encode: whatever a value holds, what is sent is printable ASCII and is
// read back as the value, so that no two values are sent alike; the items of a
// list stay apart.
func FuzzS26Encode(f *testing.F) {
	for _, seed := range []string{"alice", "Zoë", "100%", "a,b", " a ", "UTF-8''x", "%C3", "\xff", "", "a\r\nb"} {
		f.Add(seed, "b,")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		for _, e := range []Encoding{Percent, RFC8187, Omit} {
			if text, ok := e.text(a); ok && (decode(t, e, text) != a || !isPrintable(text)) {
				t.Errorf("%s: %q is sent as %q", e, a, text)
			}
			text, ok := e.text([]string{a, b})
			if !ok {
				continue
			}
			var items []string
			for item := range strings.SplitSeq(text, ",") {
				items = append(items, decode(t, e, item))
			}
			if !isPrintable(text) || !slices.Equal(items, []string{a, b}) {
				t.Errorf("%s: %q is sent as %q", e, []string{a, b}, text)
			}
		}
	})
}
