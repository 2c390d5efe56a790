package conformance

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"
)

// passwordSite is a site with app passwords, whose next handler learns who is calling.
const passwordSite = formSite + "app_passwords {\n scopes read write\n }\n identity_headers {\n X-User id\n X-Method method\n X-Kind kind\n X-Roles roles\n X-Scopes scopes\n }\n"

var secretForm = regexp.MustCompile(`id="secret">([^<]+)<`)

// makePassword makes an app password as a signed-in user does.
func makePassword(b *browser, scopes ...string) string {
	b.T.Helper()
	const page = "/.policy_auth/app_passwords"
	token := formToken.FindStringSubmatch(b.Ask(navigate(get(page)), new(reached)).Body.String())
	if token == nil {
		b.T.Fatal("no form")
	}
	form := url.Values{"action": {"create"}, "name": {"phone"}, "token": {token[1]}, "scope": scopes}
	r := navigate(post(page, "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin"))
	r.Body, r.ContentLength = readCloser(form.Encode()), int64(len(form.Encode()))
	answer := b.Ask(r, new(reached))
	secret := secretForm.FindStringSubmatch(answer.Body.String())
	if secret == nil {
		b.T.Fatalf("%d %s", answer.Code, answer.Body)
	}
	return secret[1]
}

type stringBody struct{ *strings.Reader }

func (stringBody) Close() error { return nil }

func readCloser(text string) stringBody { return stringBody{strings.NewReader(text)} }

func basicLineOf(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// TestS18Sources: an app password counts as the password of its owner's name, as a bearer
// token and in the header of keys, and is removed before the next handler.
func TestS18Sources(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b, "read")
	for name, test := range map[string]struct {
		header []string
		status int
	}{
		"Basic":            {[]string{"Authorization", basicLineOf("alice", secret)}, 200},
		"Bearer":           {[]string{"Authorization", "Bearer " + secret}, 200},
		"a key":            {[]string{"X-Api-Key", secret}, 200},
		"another user":     {[]string{"Authorization", basicLineOf("bob", secret)}, 401},
		"upper case":       {[]string{"Authorization", basicLineOf("Alice", secret)}, 401},
		"no user":          {[]string{"Authorization", basicLineOf("", secret)}, 401},
		"as the user name": {[]string{"Authorization", basicLineOf(secret, "")}, 401},
		"two":              {[]string{"Authorization", "Bearer " + secret, "X-Api-Key", secret}, 400},
		"cut":              {[]string{"X-Api-Key", secret[:len(secret)-1]}, 401},
	} {
		next := new(reached)
		recorder, err := ask(h, secure(get("/admin/", test.header...)), next)
		if got := statusOf(recorder, err); got != test.status {
			t.Errorf("%s: %d", name, got)
			continue
		}
		if test.status != 200 {
			continue
		}
		sent := next.Request.Header
		if sent.Get("Authorization") != "" || sent.Get("X-Api-Key") != "" {
			t.Errorf("%s: the next handler has it", name)
		}
		if got := []string{sent.Get("X-User"), sent.Get("X-Method"), sent.Get("X-Kind"), sent.Get("X-Roles"), sent.Get("X-Scopes")}; !slices.Equal(got, []string{"alice", "app_password", "user", "admin,member", "read"}) {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestS18ForeignCredentials: what has not the prefix belongs to the application behind the
// site, where no other method reads it: it passes beside a session, and beside an app
// password in another place.
func TestS18ForeignCredentials(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	for _, foreign := range [][]string{
		{"Authorization", "Bearer application"}, {"Authorization", basicLineOf("a", "b")}, {"X-Api-Key", "application"},
		{"Authorization", `MediaBrowser Token="application"`},
	} {
		next := new(reached)
		if answer := b.Ask(secure(get("/", foreign...)), next); answer.Code != 200 || next.Request.Header.Get(foreign[0]) != foreign[1] {
			t.Errorf("%v beside a session: %d", foreign, answer.Code)
		}
		own := []string{"X-Api-Key", secret}
		if foreign[0] == "X-Api-Key" {
			own = []string{"Authorization", "Bearer " + secret}
		}
		next = new(reached)
		recorder, err := ask(h, secure(get("/", append(own, foreign...)...)), next)
		if statusOf(recorder, err) != 200 || next.Request.Header.Get(foreign[0]) != foreign[1] || next.Request.Header.Get(own[0]) != "" {
			t.Errorf("%v beside an app password: %d", foreign, statusOf(recorder, err))
		}
		if recorder, err := ask(h, secure(get("/", foreign...)), new(reached)); statusOf(recorder, err) != 401 {
			t.Errorf("%v alone: %d", foreign, statusOf(recorder, err))
		}
	}
}

// TestS18BeforeBasic: guesses at app passwords do not count against the person, whose
// password still works; nor is one sent to basic, whose throttle they would fill.
func TestS18BeforeBasic(t *testing.T) {
	w := newEnv(t)
	w.Write("keys.yaml", "keys:\n  - id: ci\n    hash: sha256:"+sha("a key of the test, long enough")+"\n    owner: ci\n")
	h, logs := w.site("basic {\n users DIR/users.yaml\n throttle 3 5m\n }\n api_key {\n keys DIR/keys.yaml\n from header X-Key\n }\n" + passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	for range 20 {
		recorder, err := ask(h, secure(get("/", "Authorization", basicLineOf("alice", "pa_"+strings.Repeat("a", 16)+"_"+strings.Repeat("b", 32)))), new(reached))
		if statusOf(recorder, err) != 401 {
			t.Fatalf("%d", statusOf(recorder, err))
		}
	}
	for _, line := range []string{basicLineOf("alice", canary), basicLineOf("alice", secret)} {
		if recorder, err := ask(h, secure(get("/", "Authorization", line)), new(reached)); statusOf(recorder, err) != 200 {
			t.Errorf("%d", statusOf(recorder, err))
		}
	}
	if recorder, err := ask(h, secure(get("/", "X-Key", secret)), new(reached)); statusOf(recorder, err) != 200 {
		t.Errorf("in the header of api_key: %d", statusOf(recorder, err))
	}
	for _, line := range logs.FilterMessage("request refused").All() {
		if fields := line.ContextMap(); fields["status"] != int64(303) && fields["method"] != "app_password" {
			t.Errorf("%v", fields)
		}
	}
	for _, line := range logs.All() {
		for name, value := range line.ContextMap() {
			if text, ok := value.(string); ok && strings.Contains(text, secret[20:]) {
				t.Errorf("%s has the secret", name)
			}
		}
	}
}

// TestS18Flood: a client that guesses too often is told to wait; another one is not.
func TestS18Flood(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	throttled := 0
	for range 150 {
		recorder, err := ask(h, secure(get("/", "X-Api-Key", "pa_guess")), new(reached))
		if statusOf(recorder, err) == 429 {
			throttled++
		}
	}
	if throttled == 0 {
		t.Error("never throttled")
	}
	if recorder, err := ask(h, secure(get("/", "X-Api-Key", secret)), new(reached)); statusOf(recorder, err) != 200 {
		t.Errorf("a valid one of the same client: %d", statusOf(recorder, err))
	}
}

// TestS18NoStepUp: an app password is never a recent or strong sign-in, and no redirect
// would make it one.
func TestS18NoStepUp(t *testing.T) {
	w := newEnv(t)
	w.Write("access.yaml", "rules:\n  - paths: [/fresh]\n    allow: [{authenticated: true, max_age: 15m}]\n  - paths: [/strong]\n    allow: [{authenticated: true, acr: [mfa]}]\n  - paths: [/*]\n    allow: [{authenticated: true}]\n")
	h, _ := w.site(passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	for _, path := range []string{"/fresh", "/strong"} {
		for name, r := range map[string]*http.Request{
			"a program": secure(get(path, "X-Api-Key", secret)), "a page": navigate(get(path, "Authorization", basicLineOf("alice", secret))), "bearer": secure(get(path, "Authorization", "Bearer "+secret)),
		} {
			recorder, err := ask(h, r, new(reached))
			if statusOf(recorder, err) != 403 || len(recorder.Header()["Www-Authenticate"]) > 0 || recorder.Header().Get("Location") != "" {
				t.Errorf("%s, %s: %d %v", path, name, statusOf(recorder, err), recorder.Header())
			}
		}
	}
}

// TestS18Challenges: programs are offered Basic, and no browser is.
func TestS18Challenges(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(passwordSite)
	silent, _ := w.site(strings.Replace(passwordSite, "app_passwords {\n", "app_passwords {\n challenge off\n", 1))
	offers := func(r *http.Request) (int, bool) {
		recorder, err := ask(h, r, new(reached))
		return statusOf(recorder, err), slices.Contains(recorder.Header()["Www-Authenticate"], basicLine)
	}
	for name, test := range map[string]struct {
		r      *http.Request
		status int
		basic  bool
	}{
		"a program":                  {secure(get("/", "User-Agent", "git/2.39")), 401, true},
		"a program, a wrong one":     {secure(get("/", "X-Api-Key", "pa_wrong")), 401, true},
		"a page":                     {navigate(get("/")), 303, false},
		"a page, a wrong one":        {navigate(get("/", "Authorization", basicLineOf("a", "pa_wrong"))), 401, false},
		"a script":                   {secure(get("/", "Sec-Fetch-Mode", "cors")), 401, false},
		"a script of an old browser": {secure(get("/", "X-Requested-With", "XMLHttpRequest")), 401, false},
		"an image of an old browser": {secure(get("/", "User-Agent", "Mozilla/5.0 (X11)", "Accept", "image/*")), 401, false},
	} {
		if status, basic := offers(test.r); status != test.status || basic != test.basic {
			t.Errorf("%s: %d, Basic %t", name, status, basic)
		}
	}
	recorder, err := ask(silent, secure(get("/")), new(reached))
	if lines := recorder.Header()["Www-Authenticate"]; statusOf(recorder, err) != 401 || slices.Contains(lines, basicLine) || len(lines) == 0 {
		t.Errorf("challenge off: %v", lines)
	}
}

// TestS25AppPasswords: beside unknown_issuer pass, an app password is verified, and not
// passed on as the application's.
func TestS25AppPasswords(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(strings.Replace(jwtSite, "audience api", "audience api\n unknown_issuer pass", 1) + passwordSite)
	b := visitor(t, h)
	b.SignIn("/", "alice", canary)
	secret := makePassword(b)
	if answer := b.Ask(secure(get("/", "Authorization", "Bearer pa_wrong")), new(reached)); answer.Code != 401 {
		t.Errorf("a wrong one passes beside a session: %d", answer.Code)
	}
	for _, token := range []string{secret, jwtOf(t, jwt.MapClaims{})} {
		if recorder, err := ask(h, secure(get("/", "Authorization", "Bearer "+token)), new(reached)); statusOf(recorder, err) != 200 {
			t.Errorf("%d", statusOf(recorder, err))
		}
	}
	if answer := b.Ask(secure(get("/", "Authorization", "Bearer of.the.application")), new(reached)); answer.Code == 200 {
		t.Errorf("a malformed token: %d", answer.Code)
	}
}

// TestS18OtherReasons: what another method says of its own credential is in the log and in
// the challenge, as without app_passwords.
func TestS18OtherReasons(t *testing.T) {
	w := newEnv(t)
	h, logs := w.site(jwtSite + passwordSite)
	for token, reason := range map[string]string{jwtOf(t, jwt.MapClaims{"iss": "https://other.example.com"}): "token_issuer", "no.token.atall": "token_malformed"} {
		logs.TakeAll()
		recorder, err := ask(h, secure(get("/", "Authorization", "Bearer "+token)), new(reached))
		if lines := recorder.Header()["Www-Authenticate"]; statusOf(recorder, err) != 401 || !strings.Contains(strings.Join(lines, " "), `error="invalid_token"`) {
			t.Errorf("%s: %d %v", reason, statusOf(recorder, err), lines)
		}
		if logs.FilterField(zap.String("reason", reason)).Len() != 1 {
			t.Errorf("%s: %v", reason, logs.All())
		}
	}
}

// TestS03AppPasswords: a POST to the page before the handshake is complete gets 425.
func TestS03AppPasswords(t *testing.T) {
	w := newEnv(t)
	h, _ := w.site(passwordSite)
	recorder, err := ask(h, secure(post("/.policy_auth/app_passwords", "Early-Data", "1")), new(reached))
	if statusOf(recorder, err) != 425 {
		t.Errorf("%d", statusOf(recorder, err))
	}
}

// TestAppPasswordsLoad: what is wrong with a site is said when it loads.
func TestAppPasswordsLoad(t *testing.T) {
	w := newEnv(t)
	for want, block := range map[string]string{
		"app_passwords: needs a login": basicSite + "app_passwords\n",
		"app_passwords is set twice":   formSite + "app_passwords\n app_passwords\n",
	} {
		if _, err := w.Provision(block); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := os.Stat(w.Dir + "/store.db"); err == nil {
		t.Error("loading has made a store")
	}
}
