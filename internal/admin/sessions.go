package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/session"
)

// Session is a session as operators see it. Its ID is a hash and cannot be used to sign in.
type Session struct {
	ID       string    `json:"id"`
	User     string    `json:"user"`
	Username string    `json:"username,omitempty"`
	Name     string    `json:"name,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
	Login    string    `json:"login"`
	Site     string    `json:"site"`
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used"`
}

// Ended is how many sessions were ended, and how many app passwords with them.
type Ended struct {
	Ended        int `json:"ended"`
	AppPasswords int `json:"app_passwords,omitempty"`
}

// sessionsPath is where the sessions are; below it, each by its ID.
const sessionsPath = "/policy_auth/sessions"

// sessions lists the sessions of a user or of all, and ends them: those of a user or, if
// that is said, of all (R-SES-5). A user who is signed out in this way keeps no app
// password (S-18).
func sessions(w http.ResponseWriter, r *http.Request) error {
	user, err := listOrEnd(w, r)
	switch {
	case err != nil:
		return err
	case r.Method == http.MethodGet:
		list, err := listSessions(r.Context(), user)
		if err != nil {
			return unavailable(err)
		}
		return writeJSON(w, http.StatusOK, list)
	}
	passwords, err := endAppPasswords(r.Context(), user)
	ended, failure := sumRegistries(func(g *session.Registry) (int, error) { return g.EndUser(r.Context(), user) })
	if err := errors.Join(err, failure); err != nil {
		return unavailable(err)
	}
	return writeJSON(w, http.StatusOK, Ended{ended, passwords})
}

// listOrEnd returns the user that a GET or a DELETE is about, or "" for all, which a DELETE
// has to say.
func listOrEnd(w http.ResponseWriter, r *http.Request) (user string, err error) {
	query := r.URL.Query()
	user, all := query.Get("user"), query.Get("all") == "true"
	switch {
	case r.Method == http.MethodGet:
	case r.Method != http.MethodDelete:
		w.Header().Set("Allow", "GET, DELETE")
		return "", caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("GET and DELETE only")}
	case (user == "") != all:
		return "", caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: errors.New("set either user=<id or name> or all=true, not both")}
	}
	return user, nil
}

// endSession ends the session of an ID, if there is one.
func endSession(w http.ResponseWriter, r *http.Request) error {
	id := strings.TrimPrefix(r.URL.Path, sessionsPath+"/")
	ended, err := sumRegistries(func(g *session.Registry) (int, error) {
		if _, err := g.Get(r.Context(), id); errors.Is(err, session.ErrEnded) {
			return 0, nil
		} else if err != nil {
			return 0, err
		}
		return 1, g.End(r.Context(), id)
	})
	if err != nil {
		return unavailable(err)
	}
	return writeJSON(w, http.StatusOK, Ended{Ended: ended})
}

// listSessions returns the sessions in every store in use, the latest last.
func listSessions(ctx context.Context, user string) ([]Session, error) {
	list := []Session{}
	_, err := sumRegistries(func(g *session.Registry) (int, error) {
		found, err := g.List(ctx, user)
		for _, s := range found {
			id := s.Identity
			list = append(list, Session{
				ID: s.ID, User: id.ID, Username: id.Username, Name: id.Name, Issuer: id.Issuer,
				Login: s.Person.Login, Site: s.Site, Created: s.Created, LastUsed: s.LastUsed().UTC(),
			})
		}
		return len(found), err
	})
	slices.SortStableFunc(list, func(a, b Session) int { return a.Created.Compare(b.Created) })
	return list, err
}

// sumRegistries adds up what f returns for every store in use. One that fails
// does not keep clients from the others.
func sumRegistries(f func(*session.Registry) (int, error)) (total int, err error) {
	authn.Registries(func(g *session.Registry) {
		n, failure := f(g)
		total, err = total+n, errors.Join(err, failure)
	})
	return total, err
}

// unavailable says that a store cannot answer.
func unavailable(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable, Err: fmt.Errorf("the store is unavailable: %w", err)}
}
