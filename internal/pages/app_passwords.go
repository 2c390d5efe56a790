package pages

import (
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/authenticator"
)

// The failures of the page of app passwords.
const (
	BadName             Failure = "app_bad_name"
	TooManyAppPasswords Failure = "app_full"
)

// AppPasswords is the kind of page with a person's app passwords.
const AppPasswords SignInKind = "app_passwords"

// AppPasswordsPage is the content of the page on which people create, see and revoke their
// app passwords.
type AppPasswordsPage struct {
	// Status is the answer's; 0 is 200.
	Status int
	// Failed is what went wrong before, or "".
	Failed Failure
	// Action is the path on this site that the page's forms post to, with Token.
	Action, Token string
	// Identity is who is signed in.
	Identity *authenticator.Identity
	// CanCreate shows the form that creates a password, and Full says that there are Max. If
	// neither is true, the person has to sign in again at LoginURL.
	CanCreate, Full bool
	Max             int
	LoginURL        string
	// Scopes are the scopes that a password may have.
	Scopes []string
	// List are the person's passwords.
	List []AppPassword
	// Secret is a new password with its name and the user name for Basic, or "".
	Secret, SecretName, Username string
	// RequestID is the id that is also in the log.
	RequestID string
}

// AppPassword is a password in the list.
type AppPassword struct {
	ID, Name                   string
	Scopes                     []string
	Created, LastUsed, Expires time.Time
}

// appPasswordsView is the data of app_passwords.html.
type appPasswordsView struct {
	Title, Summary, Failed, Lang, User, Action, Token, Secret, SecretName, Username string
	CanCreate, Full                                                                 bool
	LoginURL                                                                        template.URL
	Scopes                                                                          []string
	List                                                                            []appPasswordView
	Brand                                                                           brandView

	SignedInAs, SignInAgain, UsernameLabel, PasswordLabel, NameLabel, ScopesLabel, Create, Revoke string
	CreatedLabel, UsedLabel, ExpiresLabel, New, None, Recent, FullText                            string
}

type appPasswordView struct{ ID, Name, Scopes, Created, LastUsed, Expires string }

// WriteAppPasswords answers with a person's app passwords. An error means that the
// connection broke after the status was sent.
func (p *Pages) WriteAppPasswords(w http.ResponseWriter, r *http.Request, page AppPasswordsPage) error {
	words := p.languages.choose(r.Header["Accept-Language"])
	body, err := execute(p.appPasswords, p.appPasswordsView(page, words))
	if err != nil {
		p.report(fmt.Errorf("page of app passwords: %w", err))
		return p.Write(w, r, Denial{Status: http.StatusInternalServerError, RequestID: page.RequestID, MaxAge: -1})
	}
	return writeOwnPage(w, r, words, Denial{Status: max(page.Status, http.StatusOK), RequestID: page.RequestID}, body, SignInPage{}.referrerPolicy(), contentPolicy(body))
}

func (p *Pages) appPasswordsView(page AppPasswordsPage, words *wording) appPasswordsView {
	say, labels := words.SignIn[AppPasswords], words.Labels
	id := page.Identity
	view := appPasswordsView{
		Title: say.Title, Summary: say.Summary, Failed: labels[string(page.Failed)], Lang: words.tag,
		User: escapeActions(firstNonEmpty(id.Name, id.Username, id.ID)), Action: page.Action, Token: page.Token,
		Secret: page.Secret, SecretName: escapeActions(page.SecretName), Username: escapeActions(page.Username),
		CanCreate: page.CanCreate, Full: page.Full, LoginURL: template.URL(page.LoginURL), Scopes: page.Scopes, Brand: p.brand, //nolint:gosec // made by the login, not by a client
		SignedInAs: labels["signed_in_as"], SignInAgain: labels["sign_in_again"], UsernameLabel: labels["username"], PasswordLabel: labels["password"],
		NameLabel: labels["app_name"], ScopesLabel: labels["app_scopes"], Create: labels["app_create"], Revoke: labels["app_revoke"],
		CreatedLabel: labels["app_created"], UsedLabel: labels["app_used"], ExpiresLabel: labels["app_expires"],
		New: labels["app_new"], None: labels["app_none"], Recent: labels["app_recent"], FullText: labels["app_full"],
	}
	for _, item := range page.List {
		used := labels["app_never"]
		if !item.LastUsed.IsZero() {
			used = date(item.LastUsed)
		}
		view.List = append(view.List, appPasswordView{
			ID: item.ID, Name: escapeActions(item.Name), Scopes: escapeActions(strings.Join(item.Scopes, " ")),
			Created: date(item.Created), LastUsed: used, Expires: date(item.Expires),
		})
	}
	return view
}

// date returns a date in the form that all languages read alike (ISO 8601).
func date(at time.Time) string { return at.UTC().Format(time.DateOnly) }
