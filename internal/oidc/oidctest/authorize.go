package oidctest

import (
	"crypto/rand"
	"net/http"
	"net/url"
)

// serveAuthorize signs the user in without a word.
func (p *Provider) serveAuthorize(w http.ResponseWriter, r *http.Request) {
	asked, ok := p.requested(r.URL.Query())
	back, err := url.Parse(asked.Get("redirect_uri"))
	if !ok || err != nil || asked.Get("client_id") != p.ClientID || asked.Get("response_type") != "code" || asked.Get("code_challenge_method") != "S256" {
		http.Error(w, "not an authorization request of our client", http.StatusBadRequest)
		return
	}
	code := rand.Text()
	p.mu.Lock()
	p.asked = append(p.asked, asked)
	p.codes[code] = asked
	change := p.Answer
	p.mu.Unlock()
	answer := url.Values{"code": {code}, "state": {asked.Get("state")}, "iss": {p.URL}}
	if change != nil {
		change(asked, answer)
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

// requested returns the parameters of an authorization request, those that were pushed
// for one use if they have to be.
func (p *Provider) requested(query url.Values) (url.Values, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.Pushed {
		return query, true
	}
	name := query.Get("request_uri")
	asked, ok := p.pushed[name]
	delete(p.pushed, name)
	return asked, ok && !query.Has("state") && query.Get("client_id") == p.ClientID
}

// servePushed takes the parameters of an authorization request (RFC 9126, section 2).
func (p *Provider) servePushed(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.ParseForm() != nil || r.PostForm.Has("request_uri") {
		refuse(w, "invalid_request", "")
		return
	}
	if !p.isClient(r) {
		refuse(w, "invalid_client", r.PostForm.Get("client_secret"))
		return
	}
	name := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	p.mu.Lock()
	p.pushed[name] = r.PostForm
	p.mu.Unlock()
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": name, "expires_in": 60})
}
