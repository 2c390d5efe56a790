package decision

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// quoted writes a string as a Rego term.
func quoted(s string) string {
	encoded, _ := json.Marshal(s) // a string always can be
	return string(encoded)
}

// checkFields decodes decisions that deny and have one more member each; an
// empty text of an error means that the member is taken.
func checkFields(t *testing.T, tests map[string]string) {
	t.Helper()
	for members, want := range tests {
		d := decodeTerm(t, `{"allow": false, `+members+`}`)
		switch {
		case d.Allow:
			t.Errorf("%.80s: allowed", members)
		case want == "" && d.Reason != authenticator.ReasonPolicyDenied:
			t.Errorf("%.80s: %v", members, d.Err)
		case want != "" && (d.Reason != authenticator.ReasonPolicyError || !strings.Contains(d.Err.Error(), want)):
			t.Errorf("%.80s: %v lacks %q", members, d.Err, want)
		}
	}
}

// TestFieldHeaders: one rail for all headers that a policy writes (T-29).
func TestFieldHeaders(t *testing.T) {
	large := quoted(strings.Repeat("x", maxBody))
	checkFields(t, map[string]string{
		`"headers": {"X-A": "b", "X-C": ["d", "e"], "X-F": {"g"}, "X-E": ""}`: "",
		`"headers": {"x-a": "b", "X-A": "c"}`:                                 "two spellings",
		`"headers": {"X-A": ` + large + `}`:                                   "in all",
		`"headers": {"X-A": "é"}`:                                             "",
		`"headers": {"X-A": "a\tb"}`:                                          "",
		`"headers": {"X-A": "a\nb"}`:                                          "X-A: a value that cannot stand in a header",
		`"headers": {"X-A": ["a", "b\u007f"]}`:                                "X-A: a value",
		`"headers": {"X-A": null}`:                                            "X-A: want a list",
		`"headers": {"X-A": [1]}`:                                             "X-A: want strings",
		`"headers": {"X-A": {"b": "c"}}`:                                      "X-A: want a list",
		`"headers": {"": "b"}`:                                                "not a header's name",
		`"headers": {"X-A:": "b"}`:                                            "not a header's name",
		`"headers": {"X-É": "b"}`:                                             "not a header's name",
		`"headers": "X-A: b"`:                                                 "want an object",
		`"response_headers_to_add": {"X-A": "a\u0000"}`:                       "a value",
		`"request_headers_to_remove": {"Cookie", "X-A"}`:                      "",
		`"request_headers_to_remove": "Cookie"`:                               "want a list",
		`"request_headers_to_remove": [null]`:                                 "want strings",
	})
	for _, name := range []string{"connection", "transfer-encoding", "host", "proxy-authorization"} {
		for _, spelling := range []string{name, strings.ToUpper(name), strings.ReplaceAll(name, "-", "_")} {
			checkFields(t, map[string]string{
				`"headers": {` + quoted(spelling) + `: "x"}`:                 "belongs to the connection",
				`"response_headers_to_add": {` + quoted(spelling) + `: "x"}`: "belongs to the connection",
				`"request_headers_to_remove": [` + quoted(spelling) + `]`:    "belongs to the connection",
			})
		}
	}
}

// TestFieldTexts: texts are strings and bounded.
func TestFieldTexts(t *testing.T) {
	just, over := quoted(strings.Repeat("x", maxText)), quoted(strings.Repeat("x", maxText+1))
	checkFields(t, map[string]string{
		`"message": ` + just:                                "",
		`"message": ` + over:                                "longer than 1024 bytes",
		`"remediation": ` + just:                            "",
		`"remediation": ` + over:                            "longer than 1024 bytes",
		`"message": null`:                                   "want a string",
		`"remediation": ["x"]`:                              "want a string",
		`"body": ` + quoted(strings.Repeat("x", maxBody)):   "",
		`"body": ` + quoted(strings.Repeat("x", maxBody+1)): "longer than 65536 bytes",
		`"log": {"labels": {"a": ` + over + `}}`:            "label a: longer",
		`"log": {"labels": {"a": null}}`:                    "label a: want a string",
		`"log": {"labels": []}`:                             "want {labels}",
		`"log": []`:                                         "want {labels}",
		`"log": {}`:                                         "",
	})
}

// TestFieldStatus: a denial's status, which is never a proxy's (R-401-5).
func TestFieldStatus(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 429, 451, 500, 503, 599} {
		checkFields(t, map[string]string{fmt.Sprintf(`"status": %d`, status): "", fmt.Sprintf(`"http_status": %d, "status": %d`, status, status): ""})
	}
	for _, status := range []string{"407", "304", "-403", "403.0", "4.03e2", "4030", "true", "[403]"} {
		checkFields(t, map[string]string{`"status": ` + status: "want a status", `"http_status": ` + status: "want a status"})
	}
}

// TestFieldChallenge: what may be asked for is what can stand in a challenge.
func TestFieldChallenge(t *testing.T) {
	checkFields(t, map[string]string{
		`"challenge": {"scope": ["a", "b:c/d"], "acr_values": "x y", "max_age": 0}`: "",
		`"challenge": {"scope": {"a", "b"}}`:                                        "",
		`"challenge": {"scope": ["a b"]}`:                                           "scope: want words",
		`"challenge": {"scope": "a\"b"}`:                                            "scope: want words",
		`"challenge": {"scope": "a\\b"}`:                                            "scope: want words",
		`"challenge": {"scope": ["a\r\nX: y"]}`:                                     "scope: want words",
		`"challenge": {"scope": [""]}`:                                              "scope: want words",
		`"challenge": {"acr_values": ["é"]}`:                                        "acr_values: want words",
		`"challenge": {"scope": 1}`:                                                 "scope: want a list",
		`"challenge": {"max_age": 1.5}`:                                             "max_age: want a whole number",
		`"challenge": {"max_age": 99999999999999999999}`:                            "max_age: want a whole number",
		`"challenge": "insufficient_scope"`:                                         "want {scope, acr_values, max_age}",
	})
}

// TestFieldRedirect: T-40, only to the same origin, only by a redirect's status.
func TestFieldRedirect(t *testing.T) {
	checkFields(t, map[string]string{
		`"redirect": {"to": "/x", "status": 301}`:                           "",
		`"redirect": {"to": "/x", "status": 308}`:                           "",
		`"redirect": {"to": "/x", "status": 300}`:                           "status: want 301",
		`"redirect": {"to": "/x", "status": "303"}`:                         "status: want 301",
		`"redirect": {"to": "/x", "status": 4294967599}`:                    "status: want 301", // 303 in 32 bits
		`"redirect": {"to": "//evil.example"}`:                              "to: want a path",
		`"redirect": {"to": "https://evil.example"}`:                        "to: want a path",
		`"redirect": {"to": "/a\r\nSet-Cookie: x"}`:                         "to: want a path",
		`"redirect": {"to": ["/x"]}`:                                        "to: want a path",
		`"redirect": {"to": ` + quoted("/"+strings.Repeat("x", 2000)) + `}`: "to: want a path",
		`"redirect": {"status": 303}`:                                       "to: missing",
		`"redirect": {"too": "/x"}`:                                         "too: unknown",
		`"redirect": "/x"`:                                                  "want {to, status}",
	})
}

// TestFieldMany: a decision does not grow without bounds (T-04).
func TestFieldMany(t *testing.T) {
	var list, object []string
	for i := range maxItems + 1 {
		list = append(list, fmt.Sprintf(`"c%d"`, i))
		object = append(object, fmt.Sprintf(`"c%d": "x"`, i))
	}
	many, members := "["+strings.Join(list, ", ")+"]", "{"+strings.Join(object, ", ")+"}"
	checkFields(t, map[string]string{
		`"deny": ` + many:                       "more than 256 members",
		`"reasons": ` + many:                    "more than 256 members",
		`"headers": ` + members:                 "more than 256 members",
		`"headers": {"X-A": ` + many + `}`:      "more than 256 members",
		`"request_headers_to_remove": ` + many:  "more than 256 members",
		`"log": {"labels": ` + members + `}`:    "more than 256 members",
		`"challenge": {"scope": ` + many + `}`:  "more than 256 members",
		`"deny": [{"code": "a", "extra": "b"}]`: "want strings or {code, message}",
	})
	messages := `"` + strings.Repeat("m ", maxText/4) + `"`
	d := decodeTerm(t, `{"allow": true, "deny": [`+messages+`, `+messages+`, "a_code", {"message": `+messages+`}]}`)
	if d.Allow || d.Reason != authenticator.ReasonPolicyDenied || len(d.Message) > maxText || len(d.Codes) != 1 || d.Err == nil {
		t.Errorf("allow %v, reason %s, %d bytes, codes %v, err %v", d.Allow, d.Reason, len(d.Message), d.Codes, d.Err)
	}
}

// TestFieldAllow: what an allow may ask for beside headers.
func TestFieldAllow(t *testing.T) {
	long := quoted(strings.Repeat("x", maxText+1))
	checkFields(t, map[string]string{
		`"query_parameters_to_remove": ["debug", ""]`:        "",
		`"query_parameters_to_remove": "debug"`:              "want a list",
		`"query_parameters_to_set": {"a": "b", "c": ["d"]}`:  "",
		`"query_parameters_to_set": {"a": 1}`:                "a: want a list",
		`"query_parameters_to_set": {"a": ` + long + `}`:     "in all",
		`"query_parameters_to_set": ["a"]`:                   "want an object",
		`"dynamic_metadata": {"tenant": "x", "n": {"m": 1}}`: "",
		`"dynamic_metadata": "x"`:                            "want an object",
		`"cache": {"ttl": 5}`:                                "",
		`"cache": {"ttl": "1m30s"}`:                          "",
		`"cache": {"ttl": "5"}`:                              "want {ttl}",
		`"cache": {"ttl": -1}`:                               "want {ttl}",
		`"cache": {"ttl": 1, "x": 2}`:                        "want {ttl}",
		`"cache": {}`:                                        "want {ttl}",
		`"cache": 5`:                                         "want {ttl}",
		`"login": "staff"`:                                   "",
		`"login": 1`:                                         "want true, false or the name",
	})
	d := decodeTerm(t, `{"allow": true, "query_parameters_to_remove": ["debug"], "query_parameters_to_set": {"a": "b"}, "dynamic_metadata": {"t": "x"}, "cache": {"ttl": 9000000}, "login": "staff"}`)
	if !d.Allow || d.QueryToRemove[0] != "debug" || d.QueryToSet["a"][0] != "b" || d.Metadata["t"] != "x" || *d.TTL != maxTTL || *d.Login != (Login{true, "staff"}) {
		t.Errorf("got %+v", d)
	}
}

// TestAllowWithDenial: what belongs to a denial does not stop an allow.
func TestAllowWithDenial(t *testing.T) {
	d := decodeTerm(t, `{"allow": true, "http_status": 403, "message": "no", "redirect": {"to": "/x"}, "challenge": {"scope": "a"}, "deny": [], "reasons": []}`)
	if !d.Allow || d.Reason != "" || d.Err != nil {
		t.Errorf("got %+v", d)
	}
}

// TestDecodeIsStable: equal decisions are decoded alike, in every run.
func TestDecodeIsStable(t *testing.T) {
	const term = `{"allow": true, "headers": {"X-A": "1", "X-B": ["2", "3"], "X-C": {"5", "4"}}, "deyn": 1, "alow": 2, "headres": 3}`
	first := decodeTerm(t, term).Err.Error()
	for range 50 {
		if again := decodeTerm(t, term).Err.Error(); again != first {
			t.Fatalf("%q and %q", first, again)
		}
	}
	if !strings.Contains(first, `"alow"`) {
		t.Errorf("got %q", first)
	}
}
