package admin

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/policyauth/caddy-policy-auth/internal/policy"
	"github.com/policyauth/caddy-policy-auth/internal/policy/decisionlog"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/explain"
)

const (
	// defaultDenials is how many refusals are listed unless asked for more.
	defaultDenials = 100
	// maxExplainRequest bounds the body of a question.
	maxExplainRequest = 16 << 20
)

// showDecisions writes the denied requests as an array, newest first: those
// of one id with their input, or else all without, as many as limit says.
func showDecisions(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	if id := query.Get("id"); id != "" {
		found := withID(id, maxDenials)
		if len(found) == 0 {
			return errUnknownID(id)
		}
		for i := range found {
			found[i] = found[i].Shown()
		}
		return writeJSON(w, http.StatusOK, found)
	}
	limit := defaultDenials
	if text := query.Get("limit"); text != "" {
		var err error
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxDenials {
			return apiError(http.StatusBadRequest, fmt.Errorf("limit: want a number from 1 to %d", maxDenials))
		}
	}
	found := denials.latest(limit, func(decisionlog.Refusal) bool { return true })
	for i := range found {
		found[i].Input = nil
	}
	return writeJSON(w, http.StatusOK, found)
}

func errUnknownID(id string) error {
	return apiError(http.StatusNotFound, fmt.Errorf("%.100q is not among the last %d refusals of this server since it was started", id, maxDenials))
}

func apiError(status int, err error) error { return caddy.APIError{HTTPStatus: status, Err: err} }

// serveExplain answers a question with why a request was or would be refused. The
// body must say that it is JSON, which no form of another site's page can say.
func serveExplain(w http.ResponseWriter, r *http.Request) error {
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return apiError(http.StatusUnsupportedMediaType, errors.New("want application/json"))
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxExplainRequest))
	if err != nil {
		return apiError(http.StatusRequestEntityTooLarge, fmt.Errorf("want at most %d bytes", maxExplainRequest))
	}
	q, err := explain.Decode(content)
	if err != nil {
		return apiError(http.StatusBadRequest, err)
	}
	if q.ID != "" {
		return explainDenial(w, r, q)
	}
	set, err := findEngine(q.Set)
	if err != nil {
		return apiError(http.StatusConflict, err)
	}
	answer, err := explain.Ask(r.Context(), set, q)
	if err != nil {
		return apiError(http.StatusBadRequest, err)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// explainDenial asks the policies that refused a request, as they are now.
func explainDenial(w http.ResponseWriter, r *http.Request, q explain.Request) error {
	latest := withID(q.ID, 1)
	if len(latest) == 0 {
		return errUnknownID(q.ID)
	}
	refusal := latest[0]
	name := refusal.Set
	if q.Set != "" {
		name = q.Set
	}
	set, err := findEngine(name)
	if err != nil {
		return apiError(http.StatusConflict, fmt.Errorf("the policies that refused it are no longer in use: %w", err))
	}
	answer, err := explain.About(r.Context(), set, refusal, q.Changes)
	if err != nil {
		return apiError(http.StatusBadRequest, err)
	}
	return writeJSON(w, http.StatusOK, answer)
}

// findEngine returns the policies that a name means, an id or one of their files,
// as the Caddyfile has it, absolute or the end of its path; without a name, the only ones in use.
func findEngine(name string) (*policy.Engine, error) {
	file, err := filepath.Abs(name)
	if err != nil {
		return nil, err
	}
	var found []*policy.Engine
	var names []string
	policies.Each(func(set *policy.Engine) {
		status := set.Status()
		files := slices.Concat(status.Sources, status.Access)
		if len(files) == 0 {
			files = []string{"neither policies nor a table"}
		}
		names = append(names, fmt.Sprintf("%s (%s)", status.ID, strings.Join(files, ", ")))
		if name == "" || status.ID == name || slices.ContainsFunc(files, func(f string) bool { return f == file || strings.HasSuffix(f, "/"+name) }) {
			found = append(found, set)
		}
	})
	slices.Sort(names)
	in := "none are in use"
	if len(names) > 0 {
		in = "in use: " + strings.Join(names, "; ")
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case name == "":
		return nil, fmt.Errorf("which policies? Name an id or a file of a set, as --set or set; %s", in)
	case len(found) > 1:
		return nil, fmt.Errorf("%.100q is one of several sets' files: name a set by its id; %s", name, in)
	}
	return nil, fmt.Errorf("no policies %.100q; %s", name, in)
}
