//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// putRaw sends a body of 8 MB, in chunks or not, over a connection of its own, and
// reads the answer only then.
func putRaw(connect func() (net.Conn, error), host string, block []byte, chunked bool) (int, error) {
	connection, err := connect()
	if err != nil {
		return 0, err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(20 * time.Second))
	framing, before, after, end := fmt.Sprintf("Content-Length: %d", 8*len(block)), "", "", ""
	if chunked {
		framing, before, after, end = "Transfer-Encoding: chunked", fmt.Sprintf("%x\r\n", len(block)), "\r\n", "0\r\n\r\n"
	}
	var sent bytes.Buffer
	fmt.Fprintf(&sent, "PUT /private HTTP/1.1\r\nHost: %s\r\n%s\r\n\r\n", host, framing)
	for range 8 {
		sent.WriteString(before)
		sent.Write(block)
		sent.WriteString(after)
		if _, err := sent.WriteTo(connection); err != nil {
			return 0, err
		}
	}
	if _, err := io.WriteString(connection, end); err != nil {
		return 0, err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// putGo sends the same with Go's client, which reads while it sends.
func putGo(client *http.Client, url, host string, body []byte, chunked bool) (int, error) {
	r, err := http.NewRequest("PUT", url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if r.Host = host; chunked {
		r.ContentLength = -1
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// TestE2E_N20LargePut: of 500 uploads of 8 MB without credentials and without Expect,
// each one gets its 401, over TLS and without, announced or in chunks, by a client
// that reads while it sends and by one that does not.
func TestE2E_N20LargePut(t *testing.T) {
	w := newEnv(t)
	site := "policy_auth {\n" + patientSite + "}\nrespond ok"
	_, plain := w.serve(strings.ReplaceAll(site, "DIR", w.Dir))
	_, secure := w.serveTLS("", site)
	config := &tls.Config{ServerName: "localhost", InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}
	block := make([]byte, 1<<20)
	body := bytes.Repeat(block, 8)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	tries := []func(chunked bool) (int, error){
		func(chunked bool) (int, error) { return putGo(client, plain+"/private", "127.0.0.1", body, chunked) },
		func(chunked bool) (int, error) {
			return putGo(client, "https://"+secure[0]+"/private", "localhost", body, chunked)
		},
		func(chunked bool) (int, error) {
			return putRaw(func() (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(plain, "http://")) }, "127.0.0.1", block, chunked)
		},
		func(chunked bool) (int, error) {
			return putRaw(func() (net.Conn, error) { return tls.Dial("tcp", secure[0], config) }, "localhost", block, chunked)
		},
	}
	start := time.Now()
	answers := map[string]int{}
	var mu sync.Mutex
	var clients sync.WaitGroup
	for first := range 10 {
		clients.Go(func() {
			for try := first; try < 500; try += 10 {
				status, err := tries[try/2%len(tries)](try/10%2 == 0)
				mu.Lock()
				answers[fmt.Sprint(try/2%len(tries), " ", try/10%2 == 0, " ", status, " ", err)]++
				mu.Unlock()
			}
		})
	}
	clients.Wait()
	t.Logf("%v after %s", answers, time.Since(start))
	for answer, count := range answers {
		if !strings.HasSuffix(answer, " 401 <nil>") {
			t.Errorf("N-20 %d of 500: %s", count, answer)
		}
	}
}
