//go:build e2e

package e2e

import (
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// password returns the Authorization of a name and a password.
func password(name, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(name+":"+password))
}

// anywhere returns an address of a network that nobody else is in.
func anywhere() string {
	n := rand.Uint32()
	return fmt.Sprintf("%d.%d.%d.7", 11+n%80, n>>8&255, n>>16&255)
}

// TestE2E_N13_KnownNetworks: with 300 connections of wrong passwords from random
// networks, users whose sign-ins from home survived a restart are let in from there
// within two seconds, although their passwords are not cached.
func TestE2E_N13_KnownNetworks(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w, lines := newEnv(t), "users:\n"
	for i := range 5 {
		hash, err := bcrypt.GenerateFromPassword([]byte(canary), 9)
		if err != nil {
			t.Fatal(err)
		}
		lines += fmt.Sprintf("  user%d: {password: %q}\n", i, hash)
	}
	w.Write("users.yaml", lines)
	server, url := w.serveBehindProxy("basic {\n users DIR/users.yaml\n }\n access DIR/access.yaml\n")
	client := &http.Client{}
	enter := func(user, from string) (int, time.Duration) {
		began := time.Now()
		status, _, err := ask(t.Context(), client, url, password(user, canary), from)
		if err != nil {
			t.Fatal(err)
		}
		return status, time.Since(began)
	}
	for i := range 5 {
		if status, _ := enter(fmt.Sprint("user", i), "198.51.100.7"); status != 200 {
			t.Fatal(status)
		}
	}
	server = w.again(server)
	end := sendUntil(t, 300, url, func(i int64) (string, string) {
		return password([]string{"user1", "user2", "nobody", fmt.Sprint("name", i)}[i%4], "wrong"), anywhere()
	})
	time.Sleep(time.Second) // until the queue is full
	var slowest time.Duration
	for i := range 5 {
		status, took := enter(fmt.Sprint("user", i), "198.51.100.7")
		if slowest = max(slowest, took); status != 200 {
			t.Errorf("user%d: %d after %s", i, status, took)
		}
	}
	hurried, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	status, header, err := ask(hurried, client, url, password("user0", canary), "203.0.113.9")
	if err == nil && status != 200 && (status != 503 || header.Get("Retry-After") == "") {
		t.Errorf("from a new network: %d", status)
	}
	flooded := end()
	t.Logf("N-13: from known networks within %s; from a new one %d %v; the flood got %v", slowest, status, err, flooded)
	if slowest > 2*time.Second || flooded[503] == 0 || flooded[401] == 0 {
		t.Errorf("slowest %s, the flood got %v", slowest, flooded)
	}
	if !strings.Contains(server.logged(), `"busy"`) {
		t.Error("the log does not say busy")
	}
}

// TestE2E_N14_NoLockout: ten wrong passwords from ten networks lock a name,
// and still its right password counts, from home also after a restart and from a
// new network; of the wrong ones that follow, 60 first tries and ten more are
// hashed.
func TestE2E_N14_NoLockout(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	w := newEnv(t)
	server, url := w.serveBehindProxy(basicSite)
	client := &http.Client{}
	try := func(secret, from string) int {
		status, header, err := ask(t.Context(), client, url, password("alice", secret), from)
		if err != nil {
			t.Fatal(err)
		}
		if status == 429 && header.Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
		return status
	}
	lock := func() {
		for i := range 10 {
			try("wrong", fmt.Sprintf("100.64.%d.1", i))
		}
	}
	if got := try(canary, "198.51.100.7"); got != 200 {
		t.Fatal(got)
	}
	lock()
	for name, from := range map[string]string{"home": "198.51.100.7", "a new network": "203.0.113.1"} {
		if got := try(canary, from); got != 200 {
			t.Errorf("locked, from %s: %d", name, got)
		}
	}
	w.again(server)
	lock()
	for name, from := range map[string]string{"home": "198.51.100.7", "the network of before": "203.0.113.1", "a new network": "2001:db8::1"} {
		if got := try(canary, from); got != 200 {
			t.Errorf("locked after a restart, from %s: %d", name, got)
		}
	}
	statuses := map[int]int{}
	for i := range 150 {
		statuses[try("wrong", fmt.Sprintf("100.65.%d.1", i))]++
	}
	t.Logf("N-14: while the name is locked, 150 guesses from 150 networks got %v", statuses)
	if statuses[401] > 70 || statuses[401] < 50 || statuses[429] != 150-statuses[401] {
		t.Errorf("guesses while the name is locked got %v", statuses)
	}
	if got := try(canary, "198.51.100.7"); got != 200 {
		t.Errorf("from home after that: %d", got)
	}
}
