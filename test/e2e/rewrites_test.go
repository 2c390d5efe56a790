//go:build e2e

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// keptAlive is a connection that sends targets byte for byte, one after the other.
type keptAlive struct {
	address string
	name    string // of the site, localhost if it is empty
	conn    net.Conn
	reader  *bufio.Reader
}

// send returns the status and the body of an answer.
func (k *keptAlive) send(method, target, header string) (status int, body string, err error) {
	if k.conn == nil {
		if k.conn, err = net.DialTimeout("tcp", k.address, 5*time.Second); err != nil {
			return 0, "", err
		}
		k.reader = bufio.NewReader(k.conn)
	}
	_ = k.conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err = fmt.Fprintf(k.conn, "%s %s HTTP/1.1\r\n%s%s\r\n", method, target, k.host(), header); err == nil {
		var response *http.Response
		if response, err = http.ReadResponse(k.reader, &http.Request{Method: method}); err == nil {
			var content []byte
			content, err = io.ReadAll(response.Body)
			_ = response.Body.Close()
			if response.Close {
				k.close()
			}
			return response.StatusCode, string(content), err
		}
	}
	k.close()
	return 0, "", err
}

// host returns the line that names the site.
func (k *keptAlive) host() string {
	if k.name == "" {
		return "Host: localhost\r\n"
	}
	return "Host: " + k.name + "\r\n"
}

func (k *keptAlive) close() {
	if k.conn != nil {
		_ = k.conn.Close()
	}
	k.conn = nil
}

// The links of chains. Each takes a path below /app to what is there without that
// prefix, or leaves it as it is.
var (
	strippingLinks = []string{
		"uri strip_prefix /app",
		"@app path_regexp app ^/app/(.*)$\n rewrite @app /{re.app.1}",
		"map {http.request.uri.path} {mapped} {\n ~^/app/(.*)$ /${1}\n default {http.request.uri.path}\n }\n rewrite {mapped}",
		"uri path_regexp ^/app/ /",
		"@parts path_regexp parts ^/app/([^/]*)/(.*)$\n rewrite @parts /{re.parts.1}/{re.parts.2}",
	}
	keepingLinks = []string{
		"rewrite {http.request.uri.path}", "@all path_regexp all ^/(.*)$\n rewrite @all /{re.all.1}",
		"map {http.request.uri.path} {same} {\n ~^/(.*)$ /${1}\n }\n rewrite {same}", "uri replace /nothing/ /else/", "",
	}
	chainEnds = []string{
		"root DIR/www\n file_server", "root DIR/www\n try_files {path} {path}/ /public/open\n file_server", "reverse_proxy FILES",
		"@end path_regexp end ^/(.*)$\n reverse_proxy @end FILES {\n rewrite /{re.end.1}\n }\n respond none", "root DIR/www\n php_fastcgi PHP\n file_server",
		"reverse_proxy FILES {\n rewrite {http.request.uri.path}\n }",
	}
)

const chainRules = `rules:
  - paths: [/app/admin/*, /admin/*, /app/top.txt, /top.txt]
    allow: [{roles: [admin]}]
  - allow: [{anyone: true}]
`

// chain makes a site whose protected files are below /app, or at the top if
// nothing strips that.
func chain(random *rand.Rand, end, policy string) (site, prefix string) {
	// In a route of its own: of the rewrites in one route Caddy runs the first alone.
	pick := func(from []string) string { return "route {\n" + from[random.IntN(len(from))] + "\n}" }
	before, after := pick(keepingLinks), strings.NewReplacer("@all", "@more", "re.all", "re.more", "path_regexp all", "path_regexp more").Replace(pick(keepingLinks))
	switch random.IntN(4) {
	case 0:
		before, prefix = pick(strippingLinks), "/app"
	case 1:
		after, prefix = pick(strippingLinks), "/app"
	case 2:
		return "route {\n handle_path /app/* {\n route {\n" + before + "\n" + policy + "\n" + after + "\n" + end + "\n}\n }\n }\n respond none", "/app"
	}
	return "route {\n" + before + "\n" + policy + "\n" + after + "\n" + end + "\n}", prefix
}

// spell writes a path in a way that some server may read as that path.
func spell(random *rand.Rand, path string) string {
	var b strings.Builder
	escape := func(c byte) {
		text := fmt.Sprintf("%02x", c)
		if random.IntN(2) == 0 {
			text = strings.ToUpper(text)
		}
		b.WriteString("%" + strings.Repeat("25", []int{0, 0, 1, 1, 1, 2, 3, 4}[random.IntN(8)]) + text)
	}
	often := 1 + random.IntN(12)
	for i := range len(path) {
		switch c := path[i]; {
		case random.IntN(often) > 0 && often > 1, i == 0:
			b.WriteByte(c)
		case c == '/' && random.IntN(2) == 0:
			extra := []string{"//", "/./", "/%2e/", "/x/../", "/x/%2e%2e/", "/x/%252e%252e/", ";/", ";a=b/", "%3b/", "%253bx/", `\`, "%5c", "%255c", "/%2f", "/%252f"}
			b.WriteString(extra[random.IntN(len(extra))])
		default:
			escape(c)
		}
	}
	if random.IntN(3) == 0 {
		tails := []string{"%3f", "%23", "%253f", "%2523", "%3fx=1", "%23x", "/", "//", ";x", "%3b", "%253b", "?x", "%3f?y", "%00", "%2500", "%20", "%2520", "%25253f", "%3f%23", "%23%3f", "/."}
		b.WriteString(tails[random.IntN(len(tails))])
	}
	return b.String()
}

// chained are sites of chains, in one Caddy.
type chained struct {
	env                 *env
	files, php          string
	sites               strings.Builder
	addresses, prefixes []string
}

// newChained makes the files and starts what serves them behind the chains.
func newChained(t *testing.T) *chained {
	w := newEnv(t)
	for _, name := range []string{"admin/secret", "admin/keys.txt", "top.txt"} {
		w.Write("www/"+name, "SECRET")
	}
	w.Write("www/admin/run.php", "<?php echo 'SEC'.'RET';")
	w.Write("www/index.php", "<?php echo 'index';")
	w.Write("www/public/open", "open")
	w.Write("chain.yaml", chainRules)
	files := httptest.NewServer(http.FileServer(http.Dir(w.Dir + "/www")))
	t.Cleanup(files.Close)
	php := "127.0.0.1:" + port(t)
	cmd := exec.Command("php-cgi", "-b", php)
	cmd.Env = append(os.Environ(), "PHP_FCGI_CHILDREN=0", "PHP_FCGI_MAX_REQUESTS=0")
	run(t, cmd)
	eventually(t, "php-cgi answers", func() bool {
		conn, err := net.Dial("tcp", php)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return &chained{env: w, files: strings.TrimPrefix(files.URL, "http://"), php: php}
}

// add makes a site.
func (c *chained) add(t *testing.T, site, prefix string) {
	address := "127.0.0.1:" + port(t)
	site = strings.NewReplacer("FILES", c.files, "PHP", c.php, "DIR", c.env.Dir).Replace(site)
	fmt.Fprintf(&c.sites, "http://localhost:%s {\n%s\n}\n", address[len("127.0.0.1:"):], site)
	c.addresses, c.prefixes = append(c.addresses, address), append(c.prefixes, prefix)
}

func (c *chained) start(t *testing.T) {
	admin := "127.0.0.1:" + port(t)
	c.env.Write("Caddyfile", "{\n admin "+admin+"\n auto_https off\n log {\n level ERROR\n }\n}\n"+c.sites.String())
	start(t, c.env.Dir, "Caddyfile", admin)
}

const chainPolicy = "policy_auth {\n basic {\n users DIR/users.yaml\n }\n access DIR/chain.yaml\n }"

// TestE2E_N02_Chains: through random chains of rewrites before and after
// policy_auth, no spelling of a protected file is ever answered with it (N-02, N-03,
// N-04, S-05, S-06).
func TestE2E_N02_Chains(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 2)) // the same chains in each run
	c := newChained(t)
	var sites []string
	for i := range 2 * len(chainEnds) {
		site, prefix := chain(random, chainEnds[i%len(chainEnds)], chainPolicy)
		sites = append(sites, site)
		c.add(t, site, prefix)
	}
	c.start(t)
	var wait sync.WaitGroup
	workers := make(chan struct{}, 4)
	for i, address := range c.addresses {
		seed := rand.New(rand.NewPCG(uint64(i), 7))
		wait.Go(func() {
			workers <- struct{}{}
			defer func() { <-workers }()
			attack(t, seed, address, c.prefixes[i], sites[i])
		})
	}
	wait.Wait()
}

// attack asks for protected files in 2,000 spellings as nobody.
func attack(t *testing.T, random *rand.Rand, address, prefix, site string) {
	k := &keptAlive{address: address}
	defer k.close()
	if status, body, err := k.send("GET", prefix+"/public/open", ""); status != 200 || body != "open" {
		t.Errorf("the public file: %d %q %v\n%s", status, body, err, site)
	}
	if status, body, err := k.send("GET", prefix+"/admin/secret", "Authorization: "+basicOf("alice")+"\r\n"); status != 200 || body != "SECRET" {
		t.Errorf("the admin: %d %q %v\n%s", status, body, err, site)
	}
	targets := []string{"/admin/secret", "/admin/keys.txt", "/top.txt", "/admin/run.php", "/public/../admin/secret", "/public/..//top.txt"}
	for range 2000 {
		target := prefix + spell(random, targets[random.IntN(len(targets))])
		if random.IntN(4) == 0 {
			target = spell(random, prefix+targets[random.IntN(len(targets))])
		}
		status, body, err := k.send("GET", target, "")
		if strings.Contains(body, "SECRET") || status >= 500 && status != 502 {
			t.Errorf("%s: %d %q %v\n%s", target, status, body, err, site)
			return
		}
	}
}

// harmlessNames are names of files as people give them.
var harmlessNames = []string{
	"100%.txt", "50% off.txt", "%41.txt", "100%25.txt", "%zz", "a+b.txt", "C#.txt", "#1", "what?.txt", "who? me!", "Grüße aus Köln.txt", "ä ö ü", "日本語.txt",
	"a&b=c.txt", "a;b.txt", "[x](1).txt", "it's.txt", "~x", "a,b@home!", "..hidden", "...", ".well-known", "10:30.txt", "a 100% #1 + ? done.txt", "e\u0301.txt", "100%ab",
}

// encoders write a name as clients do.
var encoders = []struct {
	name   string
	escape string // of ASCII, beside controls, "%", "?", "#" and the space
}{
	{"browser", "\"<>`{}"}, // URL Standard, path percent-encode set
	{"encodeURIComponent, as Nextcloud", "\"<>`{}$&+,/:;=@[]^|\\"}, {"all but unreserved, as git and davfs2", "\"<>`{}!$&'()*+,/:;=@[]^|\\"},
}

func encode(name, escape string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("%?#"+escape, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestE2E_N02_OrdinaryNames: names of files as people give them, as browsers, Nextcloud, git
// and WebDAV clients send them, are answered as without policy_auth (S-05).
func TestE2E_N02_OrdinaryNames(t *testing.T) {
	random := rand.New(rand.NewPCG(12, 5)) // the same chains in each run
	c := newChained(t)
	for _, name := range harmlessNames {
		c.env.Write("www/public/"+name, "content")
	}
	var sites []string
	for i := range 2 * len(chainEnds) {
		site, prefix := chain(random, chainEnds[i%len(chainEnds)], "POLICY")
		sites = append(sites, site)
		c.add(t, strings.ReplaceAll(site, "POLICY", chainPolicy), prefix)
		c.add(t, strings.ReplaceAll(site, "POLICY", ""), prefix)
	}
	c.start(t)
	for i, site := range sites {
		with, without := &keptAlive{address: c.addresses[2*i]}, &keptAlive{address: c.addresses[2*i+1]}
		defer with.close()
		defer without.close()
		for _, name := range harmlessNames {
			for _, encoder := range encoders {
				for _, method := range []string{"GET", "PROPFIND"} {
					target := c.prefixes[2*i] + "/public/" + encode(name, encoder.escape)
					wanted, content, _ := without.send(method, target, "")
					status, body, err := with.send(method, target, "")
					if status != wanted || body != content {
						t.Errorf("%s %s by %s: %d %q %v, want %d %q\n%s", method, target, encoder.name, status, body, err, wanted, content, site)
					}
				}
			}
		}
	}
}

// TestE2E_N04_HandlePath runs the example of docs/paths.md.
func TestE2E_N04_HandlePath(t *testing.T) {
	w := newEnv(t)
	doc, err := os.ReadFile("docs/paths.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(language string) string {
		_, rest, _ := strings.Cut(string(doc), "```"+language+"\n")
		text, _, _ := strings.Cut(rest, "```")
		return strings.NewReplacer("/etc/caddy", w.Dir, "/srv", w.Dir+"/www").Replace(text)
	}
	w.Write("access.yaml", strings.ReplaceAll(block("yaml"), "staff", "member"))
	for _, name := range []string{"x", "admin/x", "internal/x"} {
		w.Write("www/"+name, name)
	}
	_, url := w.serve(block("caddyfile"))
	for _, test := range []struct {
		target, user string
		want         int
	}{
		{"/app/x", "", 200}, {"/app/admin/x", "", 401}, {"/app/admin/x", "bob", 403}, {"/app/admin/x", "alice", 200},
		{"/app/internal/x", "", 401}, {"/app/internal/x", "bob", 200}, {"/app/int%2565rnal/x", "", 401}, {"/app/%2561dmin/x", "bob", 403},
	} {
		if status, _, body := do(t, "GET", url+test.target, test.user); status != test.want {
			t.Errorf("%s as %q: %d %q, want %d", test.target, test.user, status, body, test.want)
		}
	}
}
