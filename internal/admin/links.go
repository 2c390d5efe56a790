package admin

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/authn"
	"github.com/policyauth/caddy-policy-auth/internal/session"
	"github.com/policyauth/caddy-policy-auth/internal/sharelink"
)

// Link is a share link as operators see it.
type Link struct {
	ID      string    `json:"id"`
	Name    string    `json:"name,omitempty"`
	Host    string    `json:"host"`
	Paths   []string  `json:"paths"`
	Created time.Time `json:"created"`
	Until   time.Time `json:"until"`
	// Uses is how often the link can be opened, or 0 for any number, and Used how often
	// it was.
	Uses int `json:"uses,omitempty"`
	Used int `json:"used"`
	// URL has the token. Only the answer to the request that makes the link has it.
	URL string `json:"url,omitempty"`
}

// Revoked is how many links were revoked.
type Revoked struct {
	Revoked int `json:"revoked"`
}

// linksPath is where the share links are; below it, each by its ID.
const linksPath = "/policy_auth/links"

// maxSpec is the maximum size of the description of a link, in bytes.
const maxSpec = 256 << 10

// links lists the share links of all stores in use, and makes a link.
func links(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodGet:
		return listLinks(w, r)
	case http.MethodPost:
		return addLink(w, r)
	}
	w.Header().Set("Allow", "GET, POST")
	return caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: errors.New("GET and POST only; DELETE " + linksPath + "/<id> revokes a link")}
}

func listLinks(w http.ResponseWriter, r *http.Request) error {
	list := []Link{}
	_, err := sumRegistries(func(g *session.Registry) (int, error) {
		found, err := sharelink.New(g.Store(), nil).List(r.Context())
		for _, link := range found {
			list = append(list, shownLink(link))
		}
		return len(found), err
	})
	if err != nil {
		return unavailable(err)
	}
	slices.SortStableFunc(list, func(a, b Link) int { return a.Until.Compare(b.Until) })
	return writeJSON(w, http.StatusOK, list)
}

func shownLink(link *sharelink.Link) Link {
	shown := Link{ID: link.ID, Name: link.Name, Host: link.Host, Created: link.Created, Until: link.Until, Uses: link.Uses, Used: link.Used}
	for _, path := range link.Paths {
		shown.Paths = append(shown.Paths, string(path))
	}
	return shown
}

// addLink makes a link and answers with it and its URL, once.
func addLink(w http.ResponseWriter, r *http.Request) error {
	if err := checkChange(r); err != nil {
		return err
	}
	var spec sharelink.Spec
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxSpec))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&spec); err != nil {
		return badRequest(fmt.Errorf("want JSON such as {\"urls\": [\"https://photos.example.com/2026/*\"], \"until\": \"7d\", \"name\": \"summer\", \"uses\": 5}: %w", err))
	}
	link, origin, err := spec.Parse(time.Now())
	if err != nil {
		return badRequest(err)
	}
	site, err := linkSite(link.Host)
	if err != nil {
		return badRequest(err)
	}
	added, token, err := site.Links.Add(r.Context(), link, site.MaxAge)
	switch {
	case errors.Is(err, sharelink.ErrRefused):
		return badRequest(err)
	case err != nil:
		return unavailable(err)
	}
	shown := shownLink(added)
	shown.URL = origin + sharelink.PathPrefix + token
	w.Header().Set("Cache-Control", "no-store")
	return writeJSON(w, http.StatusCreated, shown)
}

func badRequest(err error) error {
	return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: err}
}

// linkSite returns the site that serves the links of a host, with the shortest maximum age of
// those that may. Where sites with several stores may serve the host, none is right for sure.
func linkSite(host string) (*authn.LinkSite, error) {
	var found *authn.LinkSite
	sites := authn.LinkSites()
	for _, site := range sites {
		switch {
		case !site.Serves(host):
		case found == nil:
			found = site
		case found.Registry != site.Registry && found.Hosts != nil == (site.Hosts != nil):
			return nil, fmt.Errorf("several sites with different stores may serve %s: give them one store, or name their hosts", host)
		case found.Registry != site.Registry && site.Hosts == nil: // the other names the host
		case found.Registry != site.Registry, site.MaxAge < found.MaxAge:
			found = site
		}
	}
	switch {
	case len(sites) == 0:
		return nil, errors.New("no site has share links: write links in its policy_auth block")
	case found == nil:
		return nil, fmt.Errorf("no site with share links serves %s: check the host, or write links in the policy_auth block of its site", host)
	}
	return found, nil
}

// revokeLink deletes the link of an ID and ends its guests.
func revokeLink(w http.ResponseWriter, r *http.Request) error {
	if err := checkChange(r); err != nil {
		return err
	}
	id := strings.TrimPrefix(r.URL.Path, linksPath+"/")
	revoked, err := sumRegistries(func(g *session.Registry) (int, error) {
		there, err := sharelink.New(g.Store(), nil).Revoke(r.Context(), id)
		if there {
			return 1, err
		}
		return 0, err
	})
	if err != nil {
		return unavailable(err)
	}
	return writeJSON(w, http.StatusOK, Revoked{revoked})
}
