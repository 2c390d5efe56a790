package lint_test

import (
	"strings"
	"testing"
)

// TestFindings: each mistake is found once, in the line where it is, with the
// bad word and the allowed ones (T-03).
func TestFindings(t *testing.T) {
	tests := []struct {
		name, body string
		want       string // begins with the line and the code; "" if nothing is wrong
	}{
		{"nothing wrong", `allow if input.identity.kind == "user"`, ""},
		{"a misspelt field", `allow if input.request.metod == "GET"`, `3: PA001: input.request has no "metod"; did you mean method?; allowed: method, `},
		{"under not", `allow if not input.identity.authenticatd`, `3: PA001: input.identity has no "authenticatd"; did you mean authenticated?`},
		{"by object.get", `allow if object.get(input.identity, "rolez", []) == []`, `3: PA001: input.identity has no "rolez"; did you mean roles?`},
		{"by object.get with a path", `allow if object.get(input, ["identity", "kindd"], "") == ""`, `3: PA001: input.identity has no "kindd"`},
		{"by a constant in a variable", "allow if {\n\tkey := \"metod\"\n\tinput.request[key] == \"GET\"\n}", `4: PA001: input.request has no "metod"`},
		{"in a variable", "allow if {\n\twho := input.identity\n\twho.rolez\n}", `5: PA001: input.identity has no "rolez"`},
		{"a field for a function", "allow if has(input.request, \"metod\")\n\nhas(o, k) if o[k]", `3: PA001: input.request has no "metod"`},
		{"in a function", "allow if admin(input)\n\nadmin(x) if x.identity.rolez", `5: PA001: input.identity has no "rolez"`},
		{"in a function with a pattern", "allow if admin(input)\n\nadmin({\"identity\": i}) if i.rolez", `5: PA001: input.identity has no "rolez"`},
		{"in a function of a function", "allow if admin(input)\n\nadmin(x) if has(x.identity)\n\nhas(i) if i.rolez", `7: PA001: input.identity has no "rolez"`},
		{"through a rule", "allow if who.rolez\n\nwho := input.identity", `3: PA001: input.identity has no "rolez"`},
		{"a field of a text", `allow if input.request.path.x`, `3: PA001: input.request.path is a string and has no "x"`},
		{"a field of a list", `allow if input.identity.roles.admin`, `3: PA001: input.identity.roles is an array and has no "admin"`},
		{"a list and a text", `allow if input.identity.roles != "admin"`, `3: PA002: input.identity.roles is an array and "admin" is a string: they always differ`},
		{"a number and a text", `allow if input.request.port != "443"`, `3: PA002: input.request.port is a number and "443" is a string`},
		{"null", `allow if input.identity.id != null`, `3: PA002: input.identity.id is a string and null is null: they always differ`},
		{"an order", `allow if input.request.port > "80"`, `3: PA002: input.request.port is a number and "80" is a string: comparing their order is meaningless`},
		{"an order in every", `allow if every role in input.identity.roles { role > 1 }`, `3: PA002: input.identity.roles[_] is a string and 1 is a number`},
		{"a number in a list of texts", `allow if not 1 in input.identity.roles`, `3: PA002: 1 is a number and input.identity.roles[_] is a string: it is never in there`},
		{"in a text", `allow if "admin" in input.identity.username`, `3: PA002: input.identity.username is a string: it has no members`},
		{"in a list of the wrong kind", `allow if input.request.port in {"443"}`, `3: PA002: input.request.port is a number and "443" is a string: it is never that`},
		{"of what a function returns", `allow if count(input.identity.roles) != "1"`, `3: PA002: `},
		{"in a comprehension", `allow if count([r | some r in input.identity.roles; r != 1]) > 0`, `3: PA002: `},
		{"a word", `allow if input.identity.kind == "usr"`, `3: PA003: input.identity.kind is never "usr"; did you mean user?; allowed: user, `},
		{"a word of another case", `allow if input.identity.kind == "User"`, `3: PA003: input.identity.kind is never "User"; did you mean user?`},
		{"a word in a set", `allow if input.identity.kind in {"user", "robot"}`, `3: PA003: input.identity.kind is never "robot"; allowed: `},
		{"a word in a rule", "allow if input.identity.kind in kinds\n\nkinds := [\"user\", \"robot\"]", `5: PA003: `},
		{"a word in a function", "allow if is(\"usr\")\n\nis(kind) if input.identity.kind == kind", `3: PA003: input.identity.kind is never "usr"`},
		{"a word of a list", `deny if "dotsegment" in input.request.path_flags`, `3: PA003: input.request.path_flags[_] is never "dotsegment"; did you mean dot_segment?`},
		{"a reason", `deny if input.failure.reason == "expired"`, `3: PA003: input.failure.reason is never "expired"; allowed: `},
		{"a scheme", `deny if input.request.scheme == "HTTP"`, `3: PA003: input.request.scheme is never "HTTP"; did you mean http?`},
		{"a protocol", `deny if input.request.protocol == "HTTP/2"`, `3: PA003: `},
		{"a version of TLS", `deny if input.tls.version == "TLS1.2"`, `3: PA003: input.tls.version is never "TLS1.2"`},
		{"a contract", `allow if input.contract == "caddy/v2"`, `3: PA003: input.contract is never "caddy/v2"`},
		{"a binding", `allow if input.identity.bound != "mtls"`, `3: PA003: input.identity.bound is never "mtls"`},
		{"a header", `allow if input.request.headers["X-Team"] == "blue"`, `3: PA004: the names in input.request.headers are lower-case: "X-Team" is never there, write "x-team"`},
		{"the lines of a header", `allow if input.request.header_values["X-Team"][_] == "blue"`, `3: PA004: `},
		{"a header by object.get", `allow if object.get(input.request.headers, "X-Team", "") == "blue"`, `3: PA004: `},
		{"a header by iteration", "allow if {\n\tsome name, _ in input.request.headers\n\tname == \"X-Team\"\n}", `5: PA004: the names in input.request.headers are lower-case: "X-Team" is never there`},
		{"a header in a function", "allow if team(input.request.headers)\n\nteam(h) if h[\"X-Team\"] == \"blue\"", `5: PA004: `},
		{"a host", `allow if input.request.host == "App.example.com"`, `3: PA004: input.request.host is lower-case and never "App.example.com": write "app.example.com"`},
		{"a folded path", `allow if input.request.path_folded != "/Admin"`, `3: PA004: `},
		{"a method in lower case", `allow if input.request.method == "get"`, `3: PA005: input.request.method is case-sensitive and never "get": write "GET"`},
		{"a method for a helper", "import data.caddy.helpers\n\nallow if helpers.is_method(\"get\")", `5: PA005: `},
		{"a misspelt method", `allow if input.request.method == "PATC"`, `3: PA005: input.request.method is usually not "PATC": did you mean "PATCH"?`},
		{"a method of its own", `allow if input.request.method in {"PURGE", "M-SEARCH"}`, ""},
		{"a method of signing in", `allow if input.identity.method == "JWT"`, `3: PA005: input.identity.method is case-sensitive and never`},
		{"roles for a helper", "import data.caddy.helpers\n\nallow if helpers.has_role(input.identity.roles)", `5: PA002: `},
		{"claims", `allow if input.identity.claims.team.x == 1`, ""},
		{"config", `allow if input.config.x != "1"`, ""},
		{"the body", `allow if input.request.body != null`, ""},
		{"a function for several kinds", "allow if is(input.identity.roles)\n\nis(x) if x == \"admin\"\n\nis(x) if \"admin\" in x", ""},
		{"a function that asks for the kind", "allow if is(input.identity.roles)\n\nis(x) if {\n\tis_string(x)\n\tx != 1\n}", ""},
		{"a function for several words", "allow if is(\"admin\")\n\nis(x) if input.identity.kind == x\n\nis(x) if x in input.identity.roles", ""},
		{"a default that is no word", `allow if object.get(input.identity, "kind", "none") != "none"`, ""},
		{"one of two values", "allow if input.identity.kind == kind\n\nkind := \"user\" if input.identity.authenticated\n\nelse := \"none\"", ""},
		{"a version and an order", `allow if input.tls.version >= "1.2"`, ""},
		{"in a not of several conditions", "import future.keywords.not\n\nallow if not {\n\twho := input.identity\n\twho.rolez\n}", `7: PA001: input.identity has no "rolez"`},
		{"in an and", "import future.keywords.and\n\nallow if input.identity.authenticated and input.identity.kind != \"usr\"", `5: PA003: input.identity.kind is never "usr"`},
		{"in an or", "import future.keywords.or\n\nallow if input.identity.authenticated or input.identity.kind != \"usr\"", `5: PA003: input.identity.kind is never "usr"`},
		{"N-65 a redacted header", `allow if startswith(input.request.headers.authorization, "Bearer ")`, `3: PA009: input.request.headers.authorization: this header is redacted; read input.identity`},
		{"N-65 under not", `allow if not startswith(input.request.headers.authorization, "Bearer ")`, `3: PA009: `},
		{"N-65 in a variable", "allow if {\n\tauth := input.request.headers[\"authorization\"]\n\tsplit(auth, \" \")[0] == \"Bearer\"\n}", `5: PA009: `},
		{"N-65 by object.get", `allow if contains(object.get(input.request.headers, "cookie", ""), "session=")`, `3: PA009: input.request.headers.cookie: `},
		{"N-65 a token", "allow if {\n\t[_, payload, _] := io.jwt.decode(input.request.headers.authorization)\n\tpayload.sub == \"x\"\n}", `4: PA009: `},
		{"N-65 a line of a header", `allow if startswith(input.request.header_values["proxy-authorization"][0], "Basic ")`, `3: PA009: `},
		{"N-65 in a function", "allow if token(input.request.headers.authorization) == \"x\"\n\ntoken(h) := substring(h, 7, -1)", `5: PA009: `},
		{"N-65 a comparison", `allow if input.request.headers.authorization == "Bearer x"`, `3: PA009: `},
		{"N-65 that it is there", `allow if input.request.headers.authorization`, ""},
		{"N-65 that it is redacted", `allow if input.request.headers.authorization == "[redacted]"`, ""},
		{"N-65 that it is not empty", `allow if object.get(input.request.headers, "authorization", "") != ""`, ""},
		{"N-65 another header", `allow if startswith(input.request.headers["x-team"], "blue")`, ""},
		{"a part of a list", "allow if {\n\t[\"users\", name] = input.request.segments\n\tname == input.identity.id\n}", ""},
		{"what a part of a list is not", "allow if {\n\t[\"users\", name] = input.request.segments\n\tname != 1\n}", `5: PA002: input.request.segments[_] is a string and 1 is a number`},
		{"a list with a wrong part", `allow if input.request.segments != ["a", 1]`, `3: PA002: input.request.segments[_] is a string, and 1 is a number`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := linted(t, map[string]string{"a.rego": "package caddy.authz\n\n" + test.body + "\n"})
			switch {
			case test.want == "" && len(got) > 0, test.want != "" && len(got) != 1:
				t.Errorf("got %q", got)
			case test.want != "" && !strings.HasPrefix(got[0], "a.rego:"+test.want):
				t.Errorf("got %q", got[0])
			}
		})
	}
}
