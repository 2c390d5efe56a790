package pages

import (
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/respheader"
)

// SignInKind is a kind of page for signing in or out, or for a share link; it selects the
// texts.
type SignInKind string

// The kinds of page.
const (
	PasswordLogin SignInKind = "login"
	ChooseLogin   SignInKind = "choose"
	SignedIn      SignInKind = "signed_in"
	SignOut       SignInKind = "sign_out"
	SignedOut     SignInKind = "signed_out"
	SignInLoop    SignInKind = "loop"
	ShareLink     SignInKind = "share_link"
	InvalidLink   SignInKind = "invalid_link"
)

// Failure is the label of the sentence about the last attempt on a sign-in page, or "". The
// sentence does not reveal which part of a credential was wrong.
type Failure string

// The failures.
const (
	WrongPassword Failure = "wrong" // or an unknown name, or an account that does not count (R-401-7)
	TryAgain      Failure = "again"
)

// SignInPage is the content of a page for signing in or out.
type SignInPage struct {
	// Kind says which page it is.
	Kind SignInKind
	// Status is the answer's; 0 is 200. Challenges stand beside a 401.
	Status     int
	Challenges []authenticator.Challenge
	// Failed is what went wrong before, or "".
	Failed Failure
	// Username is the name that was typed before, to type only the password again.
	Username string
	// Action is the path on this site that the page's form posts to, or "".
	Action string
	// Hidden are the form's hidden fields.
	Hidden []Hidden
	// Choices are the ways to sign in.
	Choices []Choice
	// About is what a share link is for, or "".
	About string
	// Identity is who is signed in, or nil.
	Identity *authenticator.Identity
	// LoginURL is where to sign in again, and GoOnURL where to go on, or "".
	LoginURL, GoOnURL string
	// RequestID is the id that is also in the log.
	RequestID string
}

// Hidden is a hidden field of a form.
type Hidden struct{ Name, Value string }

// Choice is a way to sign in: a path on this site, and what it is called; "" is
// a name and a password.
type Choice struct{ Title, URL string }

// signInView is the data of signin.html.
type signInView struct {
	Title, Summary, Failed, Lang, About, User, Username, Action, Button string
	Hidden                                                              []Hidden
	AsksPassword                                                        bool
	Choices                                                             []Choice
	LoginURL, GoOnURL                                                   template.URL
	Brand                                                               brandView

	UsernameLabel, PasswordLabel, SignIn, GoOn, SignedInAs, Support, Home string
}

// WriteSignIn answers with a page for signing in or out. An error means that the connection
// broke after the status was sent.
func (p *Pages) WriteSignIn(w http.ResponseWriter, r *http.Request, page SignInPage) error {
	words := p.languages.choose(r.Header["Accept-Language"])
	body, err := execute(p.signIn, p.signInView(page, words))
	if err != nil {
		p.report(fmt.Errorf("sign-in page: %w", err))
		return p.Write(w, r, Denial{Status: http.StatusInternalServerError, RequestID: page.RequestID, MaxAge: -1})
	}
	d := Denial{Status: max(page.Status, http.StatusOK), Challenges: page.Challenges, RequestID: page.RequestID}
	return writeOwnPage(w, r, words, d, body, page.referrerPolicy(), page.contentPolicy(body))
}

// writeOwnPage answers with one of the site's own pages.
func writeOwnPage(w http.ResponseWriter, r *http.Request, words *wording, d Denial, body []byte, referrer, policy string) error {
	h := w.Header()
	if d.Status != http.StatusOK {
		d = d.valid()
	}
	newHeader(h).prepare(d)
	respheader.AddVary(h, "Cookie")
	h.Set("Content-Type", string(typeHTML))
	h.Set("Content-Language", words.tag)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", referrer)
	h.Set("Content-Security-Policy", policy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(d.Status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err := w.Write(body)
	return err
}

// referrerPolicy returns the page's Referrer-Policy. With no-referrer, browsers would hide
// the Origin of a form, too. The URL of a share link is a secret, which no other page gets.
func (p SignInPage) referrerPolicy() string {
	if p.Kind == ShareLink || p.Kind == InvalidLink {
		return "no-referrer"
	}
	return "same-origin"
}

// contentPolicy returns the page's Content-Security-Policy. Browsers hold each
// redirect after a form to form-action, and signing out leads on to the provider
// and to wherever that signs people out; its form carries nothing.
func (p SignInPage) contentPolicy(body []byte) string {
	policy := contentPolicy(body)
	if p.signsOut() {
		policy = strings.Replace(policy, "form-action 'self'", "form-action 'self' https: http:", 1)
	}
	return policy
}

// signsOut reports whether the page's button signs out.
func (p SignInPage) signsOut() bool { return p.Kind == SignOut || p.Kind == SignedIn }

// signInView gathers what a page shows.
func (p *Pages) signInView(page SignInPage, words *wording) signInView {
	say, labels := words.SignIn[page.Kind], words.Labels
	view := signInView{
		Title: say.Title, Summary: say.Summary, Failed: labels[string(page.Failed)], Lang: words.tag, Username: escapeActions(page.Username),
		Action: page.Action, Button: labels["sign_in"], Hidden: page.Hidden, AsksPassword: page.Kind == PasswordLogin,
		LoginURL: template.URL(page.LoginURL), GoOnURL: template.URL(page.GoOnURL), GoOn: labels["go_on"], Brand: p.brand, //nolint:gosec // made by the login, not by a client
		UsernameLabel: labels["username"], PasswordLabel: labels["password"], SignIn: labels["sign_in"],
		SignedInAs: labels["signed_in_as"], Support: labels["support"], Home: labels["home"],
	}
	for _, choice := range page.Choices {
		view.Choices = append(view.Choices, Choice{Title: escapeActions(firstNonEmpty(choice.Title, labels["with_password"])), URL: choice.URL})
	}
	switch {
	case page.signsOut():
		view.Button = labels["sign_out"]
	case page.Kind == ShareLink:
		view.Button, view.About = labels["open_link"], escapeActions(page.About)
	}
	if page.Kind == SignedIn {
		view.SignIn = labels["sign_in_again"]
	}
	if id := page.Identity; id != nil {
		view.User = escapeActions(firstNonEmpty(id.Name, id.Username, id.ID))
	}
	return view
}

// WantsPage reports whether a client would have a page rather than a document
// for programs.
func WantsPage(r *http.Request) bool { return negotiate(r.Header) == typeHTML }
