//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// serveBehindProxy runs Caddy with one site whose clients are named by
// X-Forwarded-For, and returns it with its URL.
func (w *env) serveBehindProxy(site string) (*server, string) {
	w.T.Helper()
	admin, listen := "127.0.0.1:"+port(w.T), port(w.T)
	w.Write("Caddyfile", fmt.Sprintf("{\n admin %s\n auto_https off\n servers {\n trusted_proxies static 127.0.0.1/32\n }\n}\nhttp://127.0.0.1:%s {\npolicy_auth {\n%s}\nrespond served\n}\n",
		admin, listen, strings.ReplaceAll(site, "DIR", w.Dir)))
	return start(w.T, w.Dir, "Caddyfile", admin), "http://127.0.0.1:" + listen
}

// again restarts a server of serveBehindProxy.
func (w *env) again(s *server) *server {
	w.T.Helper()
	s.stop()
	return start(w.T, w.Dir, "Caddyfile", strings.TrimPrefix(s.admin, "http://"))
}

// ask sends a credential from a client and returns the answer's status and header.
func ask(ctx context.Context, client *http.Client, url, authorization, from string) (int, http.Header, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", authorization)
	if from != "" {
		r.Header.Set("X-Forwarded-For", from)
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode, response.Header, nil
}

// sendUntil sends credentials on a number of connections until the returned function
// is called, which returns how often each status was answered.
func sendUntil(t *testing.T, connections int, url string, credential func(i int64) (authorization, from string)) (end func() map[int]int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
	var (
		next    atomic.Int64
		senders sync.WaitGroup
		mu      sync.Mutex
	)
	statuses := map[int]int{}
	for range connections {
		senders.Go(func() {
			for ctx.Err() == nil {
				authorization, from := credential(next.Add(1))
				if status, _, err := ask(ctx, client, url, authorization, from); err == nil {
					mu.Lock()
					statuses[status]++
					mu.Unlock()
					if status == 503 {
						time.Sleep(50 * time.Millisecond) // leave the server the processors that it shares with us
					}
				}
			}
		})
	}
	return func() map[int]int {
		cancel()
		senders.Wait()
		client.CloseIdleConnections()
		return statuses
	}
}

// TestE2E_N12_ValidTokensInAFlood: forged tokens from one address are answered 401
// and then 429; each of 1,000 valid ones from there that were never seen before is
// let in meanwhile.
func TestE2E_N12_ValidTokensInAFlood(t *testing.T) {
	w, issuer := newEnv(t), newTokenIssuer(t)
	_, url := w.serve("policy_auth {\n jwt " + issuer.URL + " {\n audience api\n }\n access DIR/access.yaml\n}\nrespond served")
	sign := func(subject string) string {
		return "Bearer " + issuer.sign(t, "ES256", map[string]any{"sub": subject})
	}
	good := sign("svc")
	forged := good[:len(good)-8] + "AAAAAAAA"
	end := sendUntil(t, 16, url, func(int64) (string, string) { return forged, "" })
	client, latencies, refused := &http.Client{}, []time.Duration{}, map[int]int{}
	for i := range 1000 {
		valid, began := sign(fmt.Sprint("svc", i)), time.Now()
		status, _, err := ask(t.Context(), client, url, valid, "")
		if err != nil {
			t.Fatal(err)
		}
		latencies = append(latencies, time.Since(began))
		if status != 200 {
			refused[status]++
		}
	}
	flooded := end()
	slices.Sort(latencies)
	t.Logf("N-12: valid tokens refused: %v; median %s, slowest %s; the flood got %v", refused, latencies[500], latencies[999], flooded)
	if len(refused) > 0 || flooded[200] > 0 || flooded[429] < 100 || flooded[401] < 100 {
		t.Errorf("valid tokens refused: %v; the flood got %v", refused, flooded)
	}
}
