package token

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// R-LOG-2: a stranger's text cannot write log lines of its own, nor long ones.
func TestPrintable(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"plain":          {"https://id.example.com/ü", "https://id.example.com/ü"},
		"line break":     {"a\r\nb", `a\r\nb`},
		"escape codes":   {"\x1b[31mred", `\x1b[31mred`},
		"NUL":            {"\x00", `\x00`},
		"bidi override":  {"a\u202eb", `a\u202eb`},
		"line separator": {"\u2028", `\u2028`},
		"not UTF-8":      {"a\xffb", "a\ufffdb"},
		"long":           {strings.Repeat("x", 1<<20), strings.Repeat("x", maxDetail) + "…"},
		"long and wide":  {strings.Repeat("ü", 200), strings.Repeat("ü", maxDetail/2) + "…"},
		"long controls":  {strings.Repeat("\n", 200), strings.Repeat(`\n`, maxDetail/2) + "…"},
	} {
		t.Run(name, func(t *testing.T) {
			got := printable(test.text)
			if got != test.want || !utf8.ValidString(got) {
				t.Errorf("printable = %q, want %q", got, test.want)
			}
		})
	}
}

func TestErrorIsOneLine(t *testing.T) {
	err := refuse(authenticator.ReasonTokenIssuer, "expected_issuer", "a", "received_issuer", "b\nc")
	want := `token refused: token_issuer, expected_issuer: a, received_issuer: b\nc`
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
}

// T-31: every detail with a stranger's claim in it is named received_….
func TestDetailsOfUnverifiedClaims(t *testing.T) {
	const canary = "canary-of-a-stranger"
	c := testConfig(t, "HS256")
	v := newVerifier(t, c)
	for name, raw := range map[string]string{
		"issuer":    token("HS256", map[string]any{"iss": canary}),
		"audience":  token("HS256", map[string]any{"aud": canary}),
		"algorithm": forge("HS256", testSecret, `{"alg":"`+canary+`"}`, claimsWith(nil)),
		"type":      forge("HS256", testSecret, `{"alg":"HS256","typ":"`+canary+`"}`, claimsWith(nil)),
		"kid":       forge("HS256", []byte(strings.Repeat("other", 9)), `{"alg":"HS256","kid":"`+canary+`"}`, claimsWith(nil)),
	} {
		_, err := v.Verify(raw)
		refused, ok := err.(*Error)
		if !ok {
			t.Fatalf("%s: error %v", name, err)
		}
		found := false
		for _, d := range refused.Details {
			holds := strings.Contains(d.Value, canary)
			found = found || holds
			if holds && !strings.HasPrefix(d.Name, "received_") {
				t.Errorf("%s: the detail %s holds what was received", name, d.Name)
			}
		}
		if !found {
			t.Errorf("%s: no detail of %v says what was received", name, refused)
		}
	}
}
