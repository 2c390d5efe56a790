//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// window is a window of a real browser, driven as a person would (WebDriver).
type window struct {
	t    testing.TB
	base string
}

// element is the key by which WebDriver names an element (section 11.1).
const element = "element-6066-11e4-a52e-4f735466cecf"

// openWindow starts a browser that keeps its cookies until the test ends.
func openWindow(t testing.TB) *window {
	t.Helper()
	listen := port(t)
	driver := exec.Command("chromedriver", "--port="+listen)
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	w := &window{t: t, base: "http://127.0.0.1:" + listen}
	t.Cleanup(func() { _ = driver.Process.Kill(); _ = driver.Wait() })
	eventually(t, "the browser's driver answers", func() bool {
		answer, err := http.Get(w.base + "/status")
		if err == nil {
			_ = answer.Body.Close()
		}
		return err == nil
	})
	options := map[string]any{
		"acceptInsecureCerts": true,
		"goog:chromeOptions": map[string]any{"args": []string{
			"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
			"--disable-component-update", "--disable-sync", "--user-data-dir=" + t.TempDir(), "--host-resolver-rules=MAP *.test 127.0.0.1",
			"--lang=en", "--accept-lang=en",
		}},
	}
	var session struct{ SessionID string }
	w.call("POST", "/session", map[string]any{"capabilities": map[string]any{"alwaysMatch": options}}, &session)
	w.base += "/session/" + session.SessionID
	t.Cleanup(func() { w.call("DELETE", "", nil, nil) })
	return w
}

// call sends a command.
func (w *window) call(method, path string, body, into any) {
	w.t.Helper()
	if err := w.try(method, path, body, into); err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (w *window) try(method, path string, body, into any) error {
	var content io.Reader
	if method == http.MethodPost {
		if body == nil {
			body = map[string]any{}
		}
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(encoded)
	}
	r, err := http.NewRequest(method, w.base+path, content)
	if err != nil {
		return err
	}
	answer, err := (&http.Client{Timeout: time.Minute}).Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	var value struct{ Value json.RawMessage }
	if err := json.NewDecoder(answer.Body).Decode(&value); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%d %s", answer.StatusCode, value.Value)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(value.Value, into)
}

// visit opens a page as somebody who types its address.
func (w *window) visit(url string) {
	w.t.Helper()
	w.call("POST", "/url", map[string]any{"url": url}, nil)
}

// url returns the address that the window shows.
func (w *window) url() (address string) {
	w.t.Helper()
	w.call("GET", "/url", nil, &address)
	return address
}

// text returns what the page says, "" while it is being left for another.
func (w *window) text() (text string) {
	w.t.Helper()
	_ = w.try("POST", "/execute/sync", map[string]any{"script": "return document.body.innerText", "args": []any{}}, &text)
	return text
}

// find returns the element of a CSS selector.
func (w *window) find(selector string) string {
	w.t.Helper()
	var found map[string]string
	if err := w.try("POST", "/element", map[string]any{"using": "css selector", "value": selector}, &found); err != nil {
		var source string
		_ = w.try("GET", "/source", nil, &source)
		w.t.Fatalf("no %s on %s: %v\n%s", selector, w.url(), err, source)
	}
	return found[element]
}

// write types into a field, in place of what it holds.
func (w *window) write(selector, text string) {
	w.t.Helper()
	field := "/element/" + w.find(selector)
	w.call("POST", field+"/clear", map[string]any{}, nil)
	w.call("POST", field+"/value", map[string]any{"text": text}, nil)
}

// click presses a button that leads to another page, and waits until that is there.
func (w *window) click(selector string) {
	w.t.Helper()
	w.run("window.left = true")
	w.call("POST", "/element/"+w.find(selector)+"/click", nil, nil)
	eventually(w.t, "another page is there", func() bool {
		var there bool
		err := w.try("POST", "/execute/sync", map[string]any{"script": "return !window.left && document.readyState === 'complete'", "args": []any{}}, &there)
		return err == nil && there
	})
}

// run runs a script in the page and returns what it returns or promises.
func (w *window) run(script string) (result any) {
	w.t.Helper()
	w.call("POST", "/execute/sync", map[string]any{"script": script, "args": []any{}}, &result)
	return result
}

// cookies returns the names of the page's cookies, those that scripts cannot see as well.
func (w *window) cookies() map[string]map[string]any {
	w.t.Helper()
	var list []map[string]any
	w.call("GET", "/cookie", nil, &list)
	named := map[string]map[string]any{}
	for _, cookie := range list {
		named[fmt.Sprint(cookie["name"])] = cookie
	}
	return named
}

// resize makes the window as large as a device's.
func (w *window) resize(width, height int) {
	w.t.Helper()
	w.call("POST", "/window/rect", map[string]any{"width": width, "height": height}, nil)
}

// picture returns what the window looks like, as PNG.
func (w *window) picture() []byte {
	w.t.Helper()
	var encoded string
	w.call("GET", "/screenshot", nil, &encoded)
	decoded, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		w.t.Fatal(err)
	}
	return decoded
}

// wantText holds that the page says something, as soon as it is there.
func (w *window) wantText(want string) {
	w.t.Helper()
	for range 100 {
		if strings.Contains(w.text(), want) {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	w.t.Errorf("%s does not say %q:\n%s", w.url(), want, w.text())
}
