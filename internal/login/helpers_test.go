package login

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/pages"
	"github.com/policyauth/caddy-policy-auth/internal/person"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/store"
	"github.com/policyauth/caddy-policy-auth/internal/users"
)

// password is everybody's in these tests.
const password = "correct horse, test material"

// env is a site with pages of its own, and a browser that visits it.
type env struct {
	*Site
	t       testing.TB
	clock   sync.Mutex // of now, which what a provider is asked beside a request reads
	now     time.Time
	users   *users.Users
	store   *store.Memory
	cookies map[string]string
	events  []Event
	client  netip.Addr
	https   bool
}

// advance lets time pass.
func (w *env) advance(d time.Duration) {
	w.clock.Lock()
	defer w.clock.Unlock()
	w.now = w.now.Add(d)
}

// time returns what the time is.
func (w *env) time() time.Time {
	w.clock.Lock()
	defer w.clock.Unlock()
	return w.now
}

func newEnv(t testing.TB, methods ...Method) *env {
	t.Helper()
	w := &env{t: t, now: time.Unix(1_800_000_000, 0), cookies: map[string]string{}, client: netip.MustParseAddr("192.0.2.7"), https: true}
	w.store = store.NewMemory(w.time)
	pages, err := pages.New(pages.Config{}, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	w.setUsers(account("alice", hash(), ""), account("carol", hash(), "    disabled: true\n"))
	w.Site = &Site{Methods: methods, Pages: pages, Report: func(_ *http.Request, e Event) { w.events = append(w.events, e) }}
	if len(methods) == 0 {
		w.Methods = []Method{w.form()}
	}
	w.Sessions = w.sessions()
	return w
}

// sessions returns sessions that count for the site's methods.
func (w *env) sessions() *session.Sessions { return w.sessionsIn(w.store) }

// sessionsIn returns such sessions in another store.
func (w *env) sessionsIn(in store.Store) *session.Sessions {
	var ids []string
	for _, m := range w.Methods {
		ids = append(ids, m.ID())
	}
	sessions, err := session.New(session.NewRegistry(in, store.NewSealer(store.Secret(make([]byte, store.SecretSize)), nil)), session.Config{Logins: ids, Now: w.time})
	if err != nil {
		w.t.Fatal(err)
	}
	return sessions
}

// plain compares passwords with hashes of bcrypt.
type plain struct{}

func (plain) Compare(hashed, plaintext []byte) (bool, error) {
	return bcrypt.CompareHashAndPassword(hashed, plaintext) == nil, nil
}

// form returns a form for the env's users.
func (w *env) form() *Form {
	throttle := users.NewThrottle(5, time.Minute, w.time)
	verifier := users.NewVerifier(users.Hashes{Bcrypt: plain{}}, throttle, nil, w.time)
	return &Form{
		Key: "test", Now: w.time, Users: func() *users.Users { return w.users },
		Verify: func(ctx context.Context, name, password string, client netip.Addr) users.Result {
			return verifier.Verify(ctx, w.users, name, password, client)
		},
	}
}

// hash makes a hash of the password, the same one each time, since each costs.
var hash = sync.OnceValue(newHash)

func newHash() string {
	made, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost+4)
	if err != nil {
		panic(err)
	}
	return string(made)
}

// account returns a user's lines of users.yaml.
func account(name, hash, more string) string {
	return "  " + name + ":\n    password: " + hash + "\n" + more
}

func (w *env) setUsers(accounts ...string) {
	w.t.Helper()
	parsed, err := users.ParseUsers("users.yaml", []byte("users:\n"+strings.Join(accounts, "")))
	if err != nil {
		w.t.Fatal(err)
	}
	if w.users, err = users.NewUsers(parsed...); err != nil {
		w.t.Fatal(err)
	}
}

// visit sends a request as the env's browser does, and keeps its cookies.
func (w *env) visit(method, target string, form url.Values, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, origin+target, strings.NewReader(form.Encode()))
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	recorder := httptest.NewRecorder()
	if !w.Serve(w.visitOf(recorder, r)) {
		w.t.Fatalf("%s is not a page", target)
	}
	for _, cookie := range recorder.Result().Cookies() {
		w.cookies[cookie.Name] = cookie.Value
		if cookie.MaxAge < 0 {
			delete(w.cookies, cookie.Name)
		}
	}
	return recorder
}

func (w *env) visitOf(rw http.ResponseWriter, r *http.Request) *Request {
	return &Request{Site: w.Site, W: rw, R: r, Path: r.URL.EscapedPath(), HTTPS: w.https, Secure: w.https, Client: w.client, RequestID: "6f1e5c0a-9a57-4c52-8b7c-2f0c1d9f1a11"}
}

var tokenForm = regexp.MustCompile(`name="token" value="([^"]+)"`)

// signIn fills in the form as a browser does.
func (w *env) signIn(name, password, returnTo string) *httptest.ResponseRecorder {
	w.t.Helper()
	target := w.URL(returnTo, "", nil)
	page := w.visit("GET", target, nil).Body.String()
	token := tokenForm.FindStringSubmatch(page)
	if token == nil {
		w.t.Fatalf("no form: %s", page)
	}
	return w.visit("POST", target, url.Values{"username": {name}, "password": {password}, "token": {token[1]}})
}

// current returns the session that the browser has.
func (w *env) current() (*session.Session, error) {
	r := httptest.NewRequest("GET", origin+"/", nil)
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	return w.Sessions.Current(context.Background(), r, w.https)
}

func (w *env) lastEvent() Event {
	if len(w.events) == 0 {
		return Event{}
	}
	return w.events[len(w.events)-1]
}

// other is a second method, which does not ask for a password.
type other struct{ name string }

func (o other) Name() string  { return o.name }
func (o other) ID() string    { return "other " + o.name }
func (o other) Title() string { return "Example <" + o.name + ">" }
func (o other) Login(v *Request, returnTo string) {
	v.Redirect("https://id.example.com/?back=" + url.QueryEscape(returnTo))
}
func (o other) Revalidate(_ context.Context, _ *session.Sessions, s *session.Session) authenticator.Outcome {
	return authenticator.Accept(s.Identity)
}
func (o other) Holder(*session.Session) apppassword.Holder { return apppassword.Holder{} }
func (o other) RevalidateHolder(_ context.Context, _ *session.Sessions, _ *apppassword.Passwords, h *apppassword.Holder) authenticator.Outcome {
	return authenticator.Accept(h.Identity)
}
func (o other) Callback(v *Request) {
	id := &authenticator.Identity{Authenticated: true, ID: "bob", Issuer: "https://id.example.com"}
	v.StartSession(o.name, session.Record{Person: person.Person{Login: o.ID(), Issuer: id.Issuer, Subject: id.ID}, Identity: id.Normalize()}, v.R.URL.Query().Get("to"))
}
func (o other) EndSessionURL(*Request, *session.Session) string {
	return "https://id.example.com/logout"
}

// discard reports nothing.
func discard(*http.Request, Event) {}
