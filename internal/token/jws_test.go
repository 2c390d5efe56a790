package token

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

func jsonString(value any) (string, error) {
	data, err := json.Marshal(value)
	return string(data), err
}

// R-JWT-11: base64url is strict: alphabet, no padding, no line breaks, no unused
// bits, no impossible length.
func TestCompactStrictBase64(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	// A header of 28 bytes and a signature of 32 leave unused bits.
	good := strings.Split(forge("HS256", testSecret, `{"alg":"HS256","typ":"JWT" }`, claimsWith(nil)), ".")
	wantReason(t, v, strings.Join(good, "."), authenticator.ReasonNone)
	for segment := range 3 {
		whole := good[segment]
		for name, changed := range map[string]string{
			"padding":          whole + "=",
			"two paddings":     whole + "==",
			"plus":             "+" + whole[1:],
			"slash":            "/" + whole[1:],
			"space":            " " + whole,
			"inner space":      whole[:4] + " " + whole[4:],
			"line feed":        whole[:4] + "\n" + whole[4:],
			"trailing newline": whole + "\n",
			"carriage return":  whole[:4] + "\r\n" + whole[4:],
			"tab":              whole + "\t",
			"question mark":    whole + "?",
			"NUL":              whole + "\x00",
			"not ASCII":        whole + "é",
			"one more":         whole[:len(whole)/4*4] + "A",
		} {
			parts := append([]string{}, good...)
			parts[segment] = changed
			t.Run(name, func(t *testing.T) {
				// Signed as it stands, so that nothing but the form is wrong.
				raw := strings.Join(parts, ".")
				if segment < 2 {
					raw = forgeRaw("HS256", testSecret, parts[0]+"."+parts[1])
				}
				wantReason(t, v, raw, authenticator.ReasonTokenMalformed)
			})
		}
	}
}

// R-JWT-11: unused bits that are not zero would give a token a second spelling.
func TestCompactUnusedBits(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	good := token("HS256", nil)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	last := strings.IndexByte(alphabet, good[len(good)-1])
	wantReason(t, v, good, authenticator.ReasonNone)
	for bits := 1; bits < 4; bits++ {
		wantReason(t, v, good[:len(good)-1]+string(alphabet[last|bits]), authenticator.ReasonTokenMalformed)
	}
}

// R-JWT-12, R-BR-6: only three segments are a token.
func TestCompactForm(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	good := token("HS256", nil)
	parts := strings.Split(good, ".")
	for name, raw := range map[string]string{
		"empty":           "",
		"one dot":         parts[0] + "." + parts[1],
		"two dots only":   "..",
		"four segments":   good + "." + parts[2],
		"JWE":             good + ".AA.AA",
		"trailing dot":    good + ".",
		"leading dot":     "." + good,
		"no header":       "." + parts[1] + "." + parts[2],
		"no payload":      parts[0] + ".." + parts[2],
		"detached":        forgeRaw("HS256", testSecret, parts[0]+"."),
		"JSON flattened":  `{"protected":"` + parts[0] + `","payload":"` + parts[1] + `","signature":"` + parts[2] + `"}`,
		"JSON general":    `{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`,
		"JSON with dots":  `{"a":"` + good + `"}`,
		"with its scheme": "Bearer " + good,
		"two tokens":      good + "," + good,
		"quoted":          `"` + good + `"`,
	} {
		t.Run(name, func(t *testing.T) {
			wantReason(t, v, raw, authenticator.ReasonTokenMalformed)
		})
	}
}

// R-JWT-8, R-JWT-9, R-JWT-10, T-34: headers that break the form, each signed well.
func TestCompactHeader(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	for name, test := range map[string]struct {
		header string
		want   authenticator.Reason
	}{
		"plain":                    {`{"alg":"HS256"}`, ""},
		"white space":              {"{ \"alg\" :\n\t\"HS256\" }", ""},
		"unknown members":          {`{"alg":"HS256","x":{"y":[1,null]},"zip":"DEF","b64":true}`, ""},
		"no alg":                   {`{"typ":"JWT"}`, authenticator.ReasonTokenMalformed},
		"name in capitals":         {`{"ALG":"HS256"}`, authenticator.ReasonTokenMalformed},
		"alg is a list":            {`{"alg":["HS256"]}`, authenticator.ReasonTokenMalformed},
		"alg is null":              {`{"alg":null}`, authenticator.ReasonTokenMalformed},
		"alg is a number":          {`{"alg":256}`, authenticator.ReasonTokenMalformed},
		"alg twice":                {`{"alg":"none","alg":"HS256"}`, authenticator.ReasonTokenMalformed},
		"alg twice, once escaped":  {`{"\u0061lg":"none","alg":"HS256"}`, authenticator.ReasonTokenMalformed},
		"kid twice":                {`{"alg":"HS256","kid":"a","kid":"a"}`, authenticator.ReasonTokenMalformed},
		"inner member twice":       {`{"alg":"HS256","x":[{"a":1,"a":1}]}`, authenticator.ReasonTokenMalformed},
		"crit":                     {`{"alg":"HS256","crit":["exp"],"exp":1}`, authenticator.ReasonTokenMalformed},
		"crit b64":                 {`{"alg":"HS256","crit":["b64"],"b64":true}`, authenticator.ReasonTokenMalformed},
		"crit empty":               {`{"alg":"HS256","crit":[]}`, authenticator.ReasonTokenMalformed},
		"crit of what is absent":   {`{"alg":"HS256","crit":["x"]}`, authenticator.ReasonTokenMalformed},
		"crit of the registered":   {`{"alg":"HS256","crit":["alg"]}`, authenticator.ReasonTokenMalformed},
		"crit null":                {`{"alg":"HS256","crit":null}`, authenticator.ReasonTokenMalformed},
		"crit a string":            {`{"alg":"HS256","crit":"x","x":1}`, authenticator.ReasonTokenMalformed},
		"a list":                   {`[{"alg":"HS256"}]`, authenticator.ReasonTokenMalformed},
		"a string":                 {`"HS256"`, authenticator.ReasonTokenMalformed},
		"null":                     {`null`, authenticator.ReasonTokenMalformed},
		"nothing":                  {` `, authenticator.ReasonTokenMalformed},
		"trailing data":            {`{"alg":"HS256"}{}`, authenticator.ReasonTokenMalformed},
		"trailing brace":           {`{"alg":"HS256"}}`, authenticator.ReasonTokenMalformed},
		"trailing comma":           {`{"alg":"HS256",}`, authenticator.ReasonTokenMalformed},
		"byte order mark":          {"\ufeff" + `{"alg":"HS256"}`, authenticator.ReasonTokenMalformed},
		"comment":                  {`{"alg":"HS256"/**/}`, authenticator.ReasonTokenMalformed},
		"not UTF-8":                {"{\"alg\":\"HS256\",\"x\":\"\xff\"}", authenticator.ReasonTokenMalformed},
		"half a surrogate pair":    {`{"alg":"HS256","x":"\ud800"}`, authenticator.ReasonTokenMalformed},
		"kid is a number":          {`{"alg":"HS256","kid":1}`, authenticator.ReasonTokenMalformed},
		"kid is an object":         {`{"alg":"HS256","kid":{}}`, authenticator.ReasonTokenMalformed},
		"typ is a list":            {`{"alg":"HS256","typ":["JWT"]}`, authenticator.ReasonTokenMalformed},
		"kid at its longest":       {`{"alg":"HS256","kid":"` + strings.Repeat("k", maxKeyID) + `"}`, ""},
		"kid too long":             {`{"alg":"HS256","kid":"` + strings.Repeat("k", maxKeyID+1) + `"}`, authenticator.ReasonTokenMalformed},
		"header at its longest":    {`{"alg":"HS256","x":"` + strings.Repeat("x", maxHeader-22) + `"}`, ""},
		"header too long":          {`{"alg":"HS256","x":"` + strings.Repeat("x", maxHeader-21) + `"}`, authenticator.ReasonTokenMalformed},
		"nested too deep":          {`{"alg":"HS256","x":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, authenticator.ReasonTokenMalformed},
		"number beyond any double": {`{"alg":"HS256","x":1e309}`, authenticator.ReasonTokenMalformed},
	} {
		t.Run(name, func(t *testing.T) {
			wantReason(t, v, forge("HS256", testSecret, test.header, claimsWith(nil)), test.want)
		})
	}
}

// R-JWT-9, T-34: a kid is compared and nothing else.
func TestCompactHostileKid(t *testing.T) {
	key := must(parseJWK([]byte(ecJWK(&p256Key().PublicKey, map[string]any{"kid": "good"}))))
	c := testConfig(t, "ES256")
	c.Keys = testSet(t, key)
	v := newVerifier(t, c)
	for kid, want := range map[string]authenticator.Reason{
		"good":                     "",
		"GOOD":                     authenticator.ReasonTokenSignature,
		"good ":                    authenticator.ReasonTokenSignature,
		"../../../../dev/null":     authenticator.ReasonTokenSignature,
		"/etc/passwd":              authenticator.ReasonTokenSignature,
		"' OR 1=1 --":              authenticator.ReasonTokenSignature,
		"|sleep 10":                authenticator.ReasonTokenSignature,
		"http://127.0.0.1/key":     authenticator.ReasonTokenSignature,
		"good\x00":                 authenticator.ReasonTokenSignature,
		"{env.HOME}":               authenticator.ReasonTokenSignature,
		strings.Repeat("x", 1<<10): authenticator.ReasonTokenMalformed,
		strings.Repeat("x", 1<<20): authenticator.ReasonTokenMalformed,
	} {
		header := string(must(json.Marshal(map[string]any{"alg": "ES256", "kid": kid})))
		refused := wantReason(t, v, forge("ES256", p256Key(), header, claimsWith(nil)), want)
		if refused != nil && strings.ContainsAny(refused.Error(), "\x00\n") {
			t.Errorf("the error %q holds control characters", refused)
		}
	}
}

// R-JWT-20, T-34: sizes are bounded.
func TestCompactSizes(t *testing.T) {
	v := newVerifier(t, testConfig(t, "HS256"))
	filled := func(size int) string {
		for n := size * 3 / 4; ; n-- {
			raw := token("HS256", map[string]any{"x": strings.Repeat("x", n)})
			if len(raw) <= size {
				return raw
			}
		}
	}
	longest := filled(maxToken)
	wantReason(t, v, longest, authenticator.ReasonNone)
	wantReason(t, v, filled(maxToken+8), authenticator.ReasonTokenMalformed)
	wantReason(t, v, strings.Repeat("A", 1<<20), authenticator.ReasonTokenMalformed)
	wantReason(t, v, strings.Repeat(".", 1<<20), authenticator.ReasonTokenMalformed)
}

func TestIssuer(t *testing.T) {
	unsigned := func(payload string) string {
		return encode(`{"alg":"HS256"}`) + "." + encode(payload) + ".AAAA"
	}
	for name, test := range map[string]struct {
		raw    string
		issuer string
		ok     bool
	}{
		"good":                    {token("ES256", nil), testIssuer, true},
		"unverified":              {unsigned(`{"iss":"https://a.example"}`), "https://a.example", true},
		"empty":                   {unsigned(`{"iss":""}`), "", true},
		"none":                    {unsigned(`{"sub":"a"}`), "", false},
		"number":                  {unsigned(`{"iss":1}`), "", false},
		"null":                    {unsigned(`{"iss":null}`), "", false},
		"twice":                   {unsigned(`{"iss":"a","iss":"b"}`), "", false},
		"nested":                  {unsigned(`{"x":{"iss":"a"}}`), "", false},
		"in capitals":             {unsigned(`{"ISS":"a"}`), "", false},
		"not JSON":                {unsigned(`iss`), "", false},
		"opaque":                  {"2YotnFZFEjr1zCsicMWpAA", "", false},
		"too long":                {strings.Repeat("a", maxToken+1), "", false},
		"padding":                 {token("ES256", nil) + "=", "", false},
		"header is not an object": {base64.RawURLEncoding.EncodeToString([]byte("1")) + ".e30.AAAA", "", false},
	} {
		t.Run(name, func(t *testing.T) {
			issuer, ok := Parse(test.raw).Issuer()
			if ok != test.ok || ok && issuer != test.issuer {
				t.Errorf("Issuer = %q, %v, want %q, %v", issuer, ok, test.issuer, test.ok)
			}
		})
	}
}
