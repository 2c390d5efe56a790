package admin

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/policyauth/caddy-policy-auth/internal/apppassword"
	"github.com/policyauth/caddy-policy-auth/internal/authn"
)

// AppPassword is an app password as operators see it. Neither the password nor its hash
// is shown.
type AppPassword struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	User     string     `json:"user"`
	Username string     `json:"username,omitempty"`
	Issuer   string     `json:"issuer,omitempty"`
	Login    string     `json:"login"`
	Site     string     `json:"site"`
	Scopes   []string   `json:"scopes"`
	Created  time.Time  `json:"created"`
	LastUsed *time.Time `json:"last_used"`
	Expires  time.Time  `json:"expires"`
}

// appPasswordsPath is where the app passwords are; below it, each by its ID.
const appPasswordsPath = "/policy_auth/app_passwords"

// appPasswords lists the app passwords of a user or of all, and ends them.
func appPasswords(w http.ResponseWriter, r *http.Request) error {
	user, err := listOrEnd(w, r)
	switch {
	case err != nil:
		return err
	case r.Method == http.MethodGet:
		list, err := listAppPasswords(r.Context(), user)
		if err != nil {
			return unavailable(err)
		}
		return writeJSON(w, http.StatusOK, list)
	}
	if err := checkChange(r); err != nil {
		return err
	}
	ended, err := endAppPasswords(r.Context(), user)
	if err != nil {
		return unavailable(err)
	}
	return writeJSON(w, http.StatusOK, Ended{Ended: ended})
}

// endAppPassword ends the app password of an ID, if there is one.
func endAppPassword(w http.ResponseWriter, r *http.Request) error {
	if err := checkChange(r); err != nil {
		return err
	}
	id := strings.TrimPrefix(r.URL.Path, appPasswordsPath+"/")
	ended, err := sumAppPasswords(func(g *apppassword.Registry) (int, error) {
		p, err := g.Get(r.Context(), id)
		switch {
		case errors.Is(err, apppassword.ErrUnknown):
			return 0, nil
		case err != nil:
			return 0, err
		}
		return 1, g.End(r.Context(), p)
	})
	if err != nil {
		return unavailable(err)
	}
	return writeJSON(w, http.StatusOK, Ended{Ended: ended})
}

// listAppPasswords returns the app passwords in every store in use, the latest last.
func listAppPasswords(ctx context.Context, user string) ([]AppPassword, error) {
	list := []AppPassword{}
	_, err := sumAppPasswords(func(g *apppassword.Registry) (int, error) {
		found, err := g.List(ctx, user)
		for _, p := range found {
			shown := AppPassword{
				ID: p.ID, Name: p.Name, User: p.Owner().ID, Username: p.Owner().Username, Issuer: p.Owner().Issuer, Login: p.Person.Login,
				Site: p.Site, Scopes: append([]string{}, p.Scopes...), Created: p.Created, Expires: p.Expires,
			}
			if used := p.LastUsed().UTC(); !p.LastUsed().IsZero() {
				shown.LastUsed = &used
			}
			list = append(list, shown)
		}
		return len(found), err
	})
	slices.SortStableFunc(list, func(a, b AppPassword) int { return a.Created.Compare(b.Created) })
	return list, err
}

// endAppPasswords ends the app passwords of a user, or of all users, in every store.
func endAppPasswords(ctx context.Context, user string) (int, error) {
	return sumAppPasswords(func(g *apppassword.Registry) (int, error) { return g.EndUser(ctx, user) })
}

// sumAppPasswords adds up what f returns for every store in use. One that fails does not
// keep clients from the others.
func sumAppPasswords(f func(*apppassword.Registry) (int, error)) (total int, err error) {
	authn.AppPasswordRegistries(func(g *apppassword.Registry) {
		n, failure := f(g)
		total, err = total+n, errors.Join(err, failure)
	})
	return total, err
}
