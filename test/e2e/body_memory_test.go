//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// memory returns how many MB of memory a process has at a time, and has had at most.
func memory(t testing.TB, pid int) (now, most int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		var kb int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &kb); err == nil {
			now = kb >> 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &kb); err == nil {
			most = kb >> 10
		}
	}
	return now, most
}

// lull is a reader that has nothing to read, after a while.
type lull time.Duration

func (l lull) Read([]byte) (int, error) {
	time.Sleep(time.Duration(l))
	return 0, io.EOF
}

// post sends a JSON body, which is under way for a time, and returns the status and
// the answer.
func post(client *http.Client, url string, body []byte, underWay time.Duration) (int, string, error) {
	half := len(body) / 2
	r, err := http.NewRequest("POST", url, io.MultiReader(bytes.NewReader(body[:half]), lull(underWay), bytes.NewReader(body[half:])))
	if err != nil {
		return 0, "", err
	}
	r.ContentLength = int64(len(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	response, err := client.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	return response.StatusCode, string(answer), err
}

// medianOf asks for a page until a channel is closed, ten times at least, and
// returns how long an answer takes in the middle.
func medianOf(t testing.TB, url string, until <-chan struct{}) time.Duration {
	t.Helper()
	var took []time.Duration
	for ended := false; !ended || len(took) < 10; {
		start := time.Now()
		if status, _, _ := do(t, "GET", url, ""); status != 200 {
			t.Fatalf("another's request gets %d", status)
		}
		took = append(took, time.Since(start))
		select {
		case <-until:
			ended = true
		case <-time.After(5 * time.Millisecond):
		}
	}
	slices.Sort(took)
	return took[len(took)/2]
}

// bodySite has policies that read all of the body.
func bodySite(t *testing.T) (*server, string) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if input.request.method == \"GET\"\n\nallow if {\n\tsome x in input.request.body.a\n\tx == \"last\"\n}\n")
	return w.serve("policy_auth {\n policies DIR/policies {\n  timeout 2s\n }\n}\nrespond ok")
}

// largeBody returns a body of 1 MB with 19,000 values, which a policy sees.
func largeBody() []byte {
	return []byte(`{"a":[` + strings.Repeat(`"`+strings.Repeat("x", 50)+`",`, 19_000) + `"last"]}`)
}

// complexBody returns a body of 1 MB with 345,000 values.
func complexBody() []byte { return []byte(`{"a":[` + strings.Repeat("{},", 345_000) + `"last"]}`) }

// flood keeps 24 bodies in flight, each for a while, and returns how often each
// answer came.
func flood(url string, body []byte, underWay, during time.Duration) map[string]int {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 24}}
	defer client.CloseIdleConnections()
	answers, end := map[string]int{}, time.Now().Add(during)
	var mu sync.Mutex
	var senders sync.WaitGroup
	for i := range 24 {
		senders.Go(func() {
			time.Sleep(underWay * time.Duration(i) / 24)
			for time.Now().Before(end) {
				status, answer, err := post(client, url, body, underWay)
				key := fmt.Sprint(status)
				if err != nil {
					key = err.Error()
				} else if status == 413 && strings.Contains(answer, "body_too_complex") {
					key += " body_too_complex"
				}
				mu.Lock()
				answers[key]++
				mu.Unlock()
			}
		})
	}
	senders.Wait()
	return answers
}

// TestE2E_N11Bodies: 24 bodies of 1 MB in flight take less than 200 MB, also where
// they come as fast as they can, and leave others their answers; what is too complex
// is refused before it takes memory.
func TestE2E_N11Bodies(t *testing.T) {
	tests := []struct {
		name     string
		body     []byte
		underWay time.Duration
		want     string
		slack    time.Duration // for machines that do something else as well
	}{
		{"N-11 too complex", complexBody(), 500 * time.Millisecond, "413 body_too_complex", 20 * time.Millisecond},
		{"N-11 large", largeBody(), time.Second, "200", 20 * time.Millisecond},
		{"N-11 too complex, without a pause", complexBody(), 0, "413 body_too_complex", 250 * time.Millisecond}, // the clients take the processors
		{"N-11 large, without a pause", largeBody(), 0, "200", 250 * time.Millisecond},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, url := bodySite(t)
			quiet, flooded := make(chan struct{}), make(chan struct{})
			time.AfterFunc(300*time.Millisecond, func() { close(quiet) })
			idle := medianOf(t, url+"/", quiet)
			before, _ := memory(t, s.cmd.Process.Pid)
			var answers map[string]int
			go func() {
				defer close(flooded)
				answers = flood(url+"/", test.body, test.underWay, 1500*time.Millisecond)
			}()
			busy := medianOf(t, url+"/", flooded)
			_, most := memory(t, s.cmd.Process.Pid)
			t.Logf("idle %s, under load %s, memory %d MB and then %d MB at most, %v", idle, busy, before, most, answers)
			if most-before >= 200 {
				t.Errorf("memory grows by %d MB", most-before)
			}
			if busy > 2*idle+test.slack {
				t.Errorf("others wait %s instead of %s", busy, idle)
			}
			delete(answers, "503")
			if answers[test.want] == 0 || len(answers) != 1 {
				t.Errorf("answers %v, want %s", answers, test.want)
			}
		})
	}
}

// TestE2E_N15BuiltIns: a policy that hands a client's text to costly built-in
// functions refuses a long one at once, as an error; others are answered meanwhile,
// and what a function does too late is no answer.
func TestE2E_N15BuiltIns(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", `package caddy.authz

default allow := false

allow if input.request.method == "GET"

allow if {
	input.request.path == "/yaml"
	yaml.unmarshal(input.request.body)
}

allow if {
	input.request.path == "/graph"
	count(graph.reachable_paths(input.request.body.graph, ["0"])) > 0
}

allow if {
	input.request.path == "/late"
	not regex.match(`+"`(a?){50}a{50}b`"+`, input.request.body)
}

allow if {
	input.request.path == "/number"
	input.request.body[0] * input.request.body[0] > 1
}

allow if {
	input.request.path == "/glob"
	glob.match("*a*b*c*d*e*", ["/"], input.request.body)
}
`)
	s, url := w.serve("policy_auth {\n policies DIR/policies {\n  builtins allow graph.reachable_paths\n  timeout 20ms\n }\n}\nrespond ok")
	var graph strings.Builder // of 16 layers with 2 nodes each
	for i := range 32 {
		fmt.Fprintf(&graph, `"%d": ["%d", "%d"], `, i, i/2*2+2, i/2*2+3)
	}
	tests := []struct {
		path, kind, body string
		status           int
		logged           string
	}{
		{"/yaml", "text/plain", "a: 1", 200, ""},
		{"/yaml", "text/plain", strings.Repeat("a: 1 ", 20_000), 500, "yaml.unmarshal: operand 1 is longer than 65536 bytes"},
		{"/graph", "application/json", `{"graph": {"0": ["1"], "1": []}}`, 200, ""},
		{"/graph", "application/json", `{"graph": {` + graph.String() + `"x": []}}`, 500, "graph.reachable_paths: the paths through the graph have more than 200000 nodes"},
		{"/number", "application/json", "[1000]", 200, ""},
		{"/number", "application/json", "[" + strings.Repeat("1", 1_000_000) + "]", 400, "body_malformed"},
		{"/number", "application/json", "[0e1000000]", 400, "body_malformed"},
		{"/glob", "text/plain", "abcde", 200, ""},
		{"/glob", "text/plain", strings.Repeat("abcd", 256), 500, "glob.match: the pattern with 6 asterisks"},
		{"/late", "text/plain", strings.Repeat("a", 1<<20), 500, "policy_timeout"},
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for _, test := range tests {
		r, err := http.NewRequest("POST", url+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", test.kind)
		answered := make(chan struct{})
		var response *http.Response
		go func() {
			defer close(answered)
			response, err = client.Do(r)
		}()
		if others := medianOf(t, url+"/", answered); others > time.Second {
			t.Errorf("N-15 %s: others wait %s", test.path, others)
		}
		if <-answered; err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != test.status || !strings.Contains(s.logged(), test.logged) {
			t.Errorf("N-15 %s of %d bytes: %d", test.path, len(test.body), response.StatusCode)
		}
	}
}

// TestE2E_N15AtOnce: where more is evaluated than the machine can do, those who wait
// in vain are told so, with Retry-After.
func TestE2E_N15AtOnce(t *testing.T) {
	w := newEnv(t)
	w.Write("policies/authz.rego", "package caddy.authz\n\ndefault allow := false\n\nallow if input.request.path == \"/quick\"\n\nallow if {\n\tinput.request.path == \"/slow\"\n\tcount([x | some x in numbers.range(1, 1000000000)]) > 0\n}\n")
	_, url := w.serve("policy_auth {\n policies DIR/policies {\n  timeout 3s\n }\n}\nrespond ok")
	var askers sync.WaitGroup
	var mu sync.Mutex
	answers := map[int]int{}
	for range 6 * runtime.NumCPU() {
		askers.Go(func() {
			status, header, _ := do(t, "GET", url+"/slow", "")
			if status == 503 && header.Get("Retry-After") == "" {
				t.Error("N-15 a 503 without Retry-After")
			}
			mu.Lock()
			answers[status]++
			mu.Unlock()
		})
	}
	askers.Wait()
	if answers[503] == 0 || answers[500] == 0 || answers[503]+answers[500] != 6*runtime.NumCPU() {
		t.Errorf("N-15 answers %v", answers)
	}
	if status, _, _ := do(t, "GET", url+"/quick", ""); status != 200 {
		t.Errorf("N-15 afterwards: %d", status)
	}
}
