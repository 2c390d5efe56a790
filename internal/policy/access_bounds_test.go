package policy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/files"
	"github.com/policyauth/caddy-policy-auth/internal/policy/policytest"
	"github.com/policyauth/caddy-policy-auth/internal/policycheck/testrun"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// allocated returns how many bytes a call allocates.
func allocated(call func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	call()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestAccessLargeTableAllocations: a table that Rego asks takes what its length takes, too.
func TestAccessLargeTableAllocations(t *testing.T) {
	const mostPerByte = 600 // allocated for each byte of a file
	words := func(count int) string { return strings.Join(wordsOf(count, "u%d"), ",") }
	for name, test := range map[string]struct {
		count int
		write func(count int) string
	}{
		"rules": {10_000, func(count int) string {
			return "rules:\n" + strings.Join(wordsOf(count, "  - {paths: [/service-%d/*], allow: [{roles: [a]}]}\n"), "")
		}},
		"users":         {50_000, func(count int) string { return "rules: [{allow: [{users: [" + words(count) + "]}]}]" }},
		"blocked users": {50_000, func(count int) string { return "blocked: {users: [" + words(count) + "]}\nrules: []" }},
	} {
		t.Run(name, func(t *testing.T) {
			config := Config{Sources: []string{"/other.rego"}, Access: []string{"/access.yaml"}, Decision: accessDecision}.Normalized()
			l, other := newLoader(config, testrun.Checker()), []byte("package other\n")
			load := func(count int) (length, bytes int) {
				tree := files.Tree{config.Sources[0]: other, config.Access[0]: []byte(test.write(count))}
				return len(tree[config.Access[0]]), allocated(func() {
					if _, err := l.load(tree); err != nil {
						t.Fatal(err)
					}
				})
			}
			load(1) // compiles the policies
			_, half := load(test.count / 2)
			if length, whole := load(test.count); 2*whole > 5*half || whole > mostPerByte*length {
				t.Errorf("%d bytes for half of it, %d for all %d bytes", half, whole, length)
			}
		})
	}
}

func wordsOf(count int, form string) []string {
	words := make([]string, count)
	for i := range words {
		words[i] = fmt.Sprintf(form, i)
	}
	return words
}

// largeRequests are requests of a length, in about bytes, that is at most 16 KiB.
var largeRequests = func() map[string]func(length int) *http.Request {
	requests := map[string]func(int) *http.Request{}
	for _, method := range []string{"GET", "DELETE", "COPY"} {
		for _, part := range []string{"/a", "//a", "/a;b", "/a%2f", "%2f", "/a%252f", "/a%2561", "/a.php", "/A", "/%C3%89", "/a%3fb=c", "a"} {
			requests[method+" "+part] = func(length int) *http.Request {
				return requestTo(method, "/files"+strings.Repeat(part, length/len(part)))
			}
		}
	}
	for _, part := range []string{"a=b&", "_method=put&", ";.method=put&", "%61;"} {
		requests["a query of "+part] = func(length int) *http.Request {
			r := requestTo("GET", "/files/a")
			r.URL.RawQuery = strings.Repeat(part, length/len(part))
			return r
		}
	}
	requests["1,000 headers"] = func(length int) *http.Request {
		r := requestTo("GET", "/files/a")
		for i := range length / 16 {
			r.Header.Add(fmt.Sprintf("X-Header-%d", i), "value")
		}
		return r
	}
	for _, name := range []string{"Depth", "X-HTTP-Method"} {
		requests["lines of "+name] = func(length int) *http.Request {
			r := requestTo("PROPFIND", "/files/a")
			r.Header["X-Method-Override"] = []string{strings.Repeat("PROPFIND,", 10)}
			for range length / 16 {
				r.Header.Add(name, "propfind, lock")
			}
			return r
		}
		requests["a long "+name] = func(length int) *http.Request {
			r := requestTo("PROPFIND", "/files/a")
			r.Header["X-Method-Override"] = []string{strings.Repeat("PROPFIND,", 10)}
			r.Header.Set(name, strings.Repeat("A", length))
			return r
		}
	}
	return requests
}()

// requestTo returns a request as a server reads it. COPY has a destination of the same
// length.
func requestTo(method, target string) *http.Request {
	r := httptest.NewRequest(method, "/", nil)
	r.Host, r.URL.RawPath, r.RequestURI = "h.example", target, target
	r.URL.Path, _ = url.PathUnescape(target)
	if method == "COPY" {
		r.Header.Set("Destination", "/open"+strings.TrimPrefix(target, "/files"))
	}
	return r
}

// TestAccessLargeRequestAllocations: what a table makes of a request costs what its length costs,
// whether it allows or denies, and explaining it too.
func TestAccessLargeRequestAllocations(t *testing.T) {
	const table = "rules:\n  - {paths: [/files/a/*, /files/a/a/a/a/*, /open/x.php], allow: [{%[1]s, methods: [GET, DELETE, COPY, PROPFIND]}]}\n  - {paths: [/*], allow: [{%[1]s}]}\n"
	for verdict, condition := range map[string]string{"allow": "anyone: true", "deny": "roles: [admin]"} {
		set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", fmt.Sprintf(table, condition))}, Timeout: time.Minute})
		for name, write := range largeRequests {
			t.Run(verdict+" "+name, func(t *testing.T) {
				costs := map[int]cost{}
				for _, length := range []int{256, 512, 1 << 10, 2 << 10, 4 << 10, 8 << 10, 16 << 10} {
					if in := inputOf(write(length)); in.Request.RejectedFlag() == "" {
						costs[length] = costOf(t, set, in)
					}
				}
				for length, whole := range costs {
					for _, times := range []int{4, 8, 16} {
						if part, there := costs[length/times]; there && whole.exceeds(part, times) {
							t.Errorf("%d bytes cost %+v, %d bytes %+v", length, whole, length/times, part)
						}
					}
				}
				if len(costs) < 3 {
					t.Error("nothing was compared")
				}
			})
		}
	}
}

func inputOf(r *http.Request) Input {
	facts := request.Metadata{ID: func() string { return "id" }, ClientIP: "192.0.2.1", PeerIP: "192.0.2.1"}
	return Input{Request: request.New(r, facts, new(request.Config)), Identity: authenticator.Anonymous(), Config: NewConstants(nil)}
}

// cost is what a request takes: bytes that are allocated, and time.
type cost struct {
	decision, explanation int
	took                  time.Duration
}

// exceeds reports whether a request that is some times as long as another takes more than
// that, with a margin: lists grow by steps. What grows by the square takes times as much
// again. Of the time, which other work adds to, the shortest of several counts, and what is
// short anyway does not.
func (c cost) exceeds(part cost, times int) bool {
	const base, short = 8 << 10, 10 * time.Millisecond
	return c.decision > 2*times*part.decision+base || c.explanation > 2*times*part.explanation+base || c.took > time.Duration(3*times)*part.took+short
}

func costOf(t *testing.T, set *Engine, in Input) cost {
	t.Helper()
	c := cost{took: time.Hour}
	for range 20 {
		start := time.Now()
		if decision := set.Decide(t.Context(), in); decision.Err != nil {
			t.Fatal(decision.Err)
		}
		c.took = min(c.took, time.Since(start))
	}
	c.decision = allocated(func() { set.Decide(t.Context(), in) })
	encoded, err := json.Marshal(in.Request.Document(in.Request.Readings()[0], in.Identity, "", nil, request.AllFields))
	var document any
	if err := json.Unmarshal(encoded, &document); err != nil {
		t.Fatal(err)
	}
	c.explanation = allocated(func() {
		value := ast.MustInterfaceToValue(document)
		set.Snapshot().DecideDocument(t.Context(), value, time.Now().Add(time.Minute), time.Time{})
		_, err = set.Snapshot().ExplainTable(value)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestAccessReadingAllocations: each further reading of a path costs one more judgement
// and at most one allocation.
func TestAccessReadingAllocations(t *testing.T) {
	set := open(t, Config{Access: []string{policytest.NewDir(t).Write("access.yaml", "rules:\n  - {paths: [/files/*], allow: [{anyone: true, methods: [GET]}]}\n")}})
	decide := func(target string) (readings int, allocations float64) {
		in := inputOf(requestTo("GET", target))
		return len(in.Request.Readings()), testing.AllocsPerRun(100, func() {
			if !set.Decide(t.Context(), in).Allow {
				t.Fatal("it is denied")
			}
		})
	}
	_, one := decide("/files/a/b")
	for _, target := range []string{"/files//a", "/files/a%2fb", "/files/a%252fb", "/files/a;b//c%2fd", "/files/a%2561;b//c%252fd%25252561"} {
		if readings, all := decide(target); all > one+float64(readings-1) || readings < 2 {
			t.Errorf("%s: %d readings, %v allocations, and %v for one", target, readings, all, one)
		}
	}
}
