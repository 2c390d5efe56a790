package testenv

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// Multisite is a server with the sites of MultisiteCases, each on a host of its own.
type Multisite struct {
	*Env
	hits atomic.Int64 // requests that reached the upstream
}

// HostOf returns the host of a site.
func HostOf(i int) string { return fmt.Sprintf("n%d.example.com", i) }

// Caddyfile returns the configuration of all sites.
func (n *Multisite) Caddyfile(port, global string) string {
	n.T.Helper()
	upstream := httptest.NewServer(http.HandlerFunc(n.upstream))
	n.T.Cleanup(upstream.Close)
	n.Write("keys.yaml", "keys:\n  - {id: ci, owner: build, hash: \"sha256:"+SHA(Canary)+"\"}\n")
	for name, content := range map[string]string{
		"secret.html": "protected", "admin/secret.html": "protected", "shown.html": shownPage,
		"errors/401.html": "sorry page", "large.html": strings.Repeat("protected ", 400),
	} {
		n.Write("site/"+name, content)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(Canary), 8)
	if err != nil {
		n.T.Fatal(err)
	}
	var config strings.Builder
	fmt.Fprintf(&config, "{\nauto_https off\n%s\n}\n(guarded) {\npolicy_auth {\nAUTH\n}\nheader X-Age {args[0]}\n}\n", global)
	for i, row := range MultisiteCases {
		fmt.Fprintf(&config, "http://%s:%s {\nroot DIR/site\n%s\n}\n", HostOf(i), port, row.site)
	}
	words := strings.NewReplacer("DIR", n.Dir, "UPSTREAM", upstream.Listener.Addr().String(), "HASH", string(hash))
	methods := strings.NewReplacer("AUTH", BasicSite+CORSSite+"identity_headers {\n X-Auth-User username\n }\n", "KEYS", "api_key {\n keys DIR/keys.yaml\n }\n"+CORSSite)
	return words.Replace(methods.Replace(config.String()))
}

// upstream answers what Caddy passes on; it allows any page to read that, which
// is not for it to say.
func (n *Multisite) upstream(w http.ResponseWriter, r *http.Request) {
	n.hits.Add(1)
	w.Header().Set("Access-Control-Allow-Origin", "*")
	if strings.Contains(fmt.Sprint(r.Header), Canary) || r.Header.Get("Authorization") != "" {
		w.WriteHeader(http.StatusInternalServerError) // a credential that was meant for us
	}
	switch r.URL.Path {
	case "/never":
		w.WriteHeader(http.StatusTeapot)
	case "/check":
		w.Header().Set("X-Checked", r.Header.Get("X-Forwarded-Method")+" "+r.Header.Get("X-Forwarded-Uri"))
	default:
		body, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, "protected for %s: %s", r.Header.Get("X-Auth-User"), body)
	}
}

// Exchange sends one request over a connection of its own and returns the
// answer. There must be no second one behind it.
func Exchange(t testing.TB, address string, r *http.Request) (*http.Response, string) {
	t.Helper()
	connection, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	r.Close = true
	if err := r.Write(connection); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(connection)
	response, err := http.ReadResponse(reader, r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if rest, _ := io.ReadAll(reader); len(rest) > 0 {
		t.Errorf("behind the answer came %q", rest)
	}
	if response.Header.Get("Content-Encoding") == "gzip" {
		body = unzip(t, string(body))
	}
	return response, string(body)
}

func unzip(t testing.TB, body string) []byte {
	t.Helper()
	reader, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// ask sends a request to a site.
func (n *Multisite) ask(t testing.TB, address string, i int, known ...string) (*http.Response, string) {
	t.Helper()
	row := MultisiteCases[i]
	path := row.path
	if path == "" {
		path = "/secret.html"
	}
	r, err := http.NewRequest(http.MethodGet, "http://"+HostOf(i)+path, nil)
	if row.body != "" {
		r, err = http.NewRequest(http.MethodPost, "http://"+HostOf(i)+path, strings.NewReader(row.body))
	}
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Origin", Origin)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("X-Auth-User", "root")
	for _, pairs := range [][]string{row.request, known} {
		for j := 0; j < len(pairs); j += 2 {
			r.Header.Set(pairs[j], pairs[j+1])
		}
	}
	return Exchange(t, address, r)
}

// Try asks each site twice: as a caller who is refused and as one who
// is allowed.
func (n *Multisite) Try(t *testing.T, address string) {
	for i, row := range MultisiteCases {
		t.Run(row.name, func(t *testing.T) {
			var known []string
			if row.user != "" {
				known = []string{"Authorization", BasicOf(row.user)}
			}
			hits := n.hits.Load()
			response, body := n.ask(t, address, i, known...)
			row.refused.check(t, response, body, http.StatusUnauthorized)
			checkRefused(t, response, body)
			if n.hits.Load() != hits {
				t.Error("the upstream was asked although refused")
			}
			if known = row.known; known == nil {
				known = []string{"Authorization", BasicOf("alice")}
			}
			response, body = n.ask(t, address, i, known...)
			row.allowed.check(t, response, body, http.StatusOK)
			if (n.hits.Load() != hits) != row.upstream {
				t.Errorf("the upstream was asked %d times", n.hits.Load()-hits)
			}
		})
	}
}

// check compares an answer, refused or not, with what it is to be. One page may
// read it, and that is said once.
func (a reply) check(t *testing.T, response *http.Response, body string, status int) {
	t.Helper()
	if a.status != 0 {
		status = a.status
	}
	if response.StatusCode != status || !strings.Contains(body, a.body) {
		t.Errorf("%d %q, want %d %q", response.StatusCode, body, status, a.body)
	}
	for i := 0; i < len(a.header); i += 2 {
		if got := strings.Join(response.Header.Values(a.header[i]), "|"); got != a.header[i+1] {
			t.Errorf("%s is %q, want %q", a.header[i], got, a.header[i+1])
		}
	}
	if got := response.Header.Values("Access-Control-Allow-Origin"); len(got) != 1 || got[0] != Origin {
		t.Errorf("pages of %q may read it", got)
	}
}

// checkRefused checks what each refusal has, whichever handler wrote its body.
func checkRefused(t *testing.T, response *http.Response, body string) {
	t.Helper()
	header := response.Header
	if got := header.Values("Cache-Control"); len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control is %q", got)
	}
	if (header.Get("WWW-Authenticate") != "") != (response.StatusCode == http.StatusUnauthorized) {
		t.Errorf("challenges %q on a %d", header.Values("WWW-Authenticate"), response.StatusCode)
	}
	if strings.Contains(body, "prot") || header.Get("Content-Range") != "" {
		t.Errorf("it tells what is protected: %s", body)
	}
	if header.Get("Content-Type") == "application/problem+json" && !json.Valid([]byte(body)) {
		t.Errorf("not one document: %s", body)
	}
}
