//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"
)

// connections is the number of concurrent clients, each with a connection of its own and
// without pipelining.
const connections = 32

// client is a keep-alive connection.
type client struct {
	connection net.Conn
	reader     *bufio.Reader
	next       func() []byte
	waits      []time.Duration
	err        error
}

// load sends requests to a server for a while and returns the response times. A response
// with another status is an error.
func load(address string, want int, d time.Duration, next func() func() []byte) ([]time.Duration, error) {
	var running sync.WaitGroup
	clients := make([]client, connections)
	end := time.Now().Add(d)
	for i := range clients {
		c := &clients[i]
		c.next = next()
		running.Go(func() { c.err = c.run(address, want, end) })
	}
	running.Wait()
	var all []time.Duration
	for i := range clients {
		if err := clients[i].err; err != nil {
			return nil, err
		}
		all = append(all, clients[i].waits...)
	}
	return all, nil
}

// run sends requests until the end.
func (c *client) run(address string, want int, end time.Time) (err error) {
	if c.connection, err = net.Dial("tcp", address); err != nil {
		return err
	}
	defer c.connection.Close()
	if err := c.connection.SetDeadline(end.Add(10 * time.Second)); err != nil {
		return err
	}
	c.reader = bufio.NewReader(c.connection)
	for time.Now().Before(end) {
		request := c.next()
		asked := time.Now()
		status, err := c.ask(request)
		if err != nil {
			return err
		}
		if status != want {
			return fmt.Errorf("status %d instead of %d", status, want)
		}
		c.waits = append(c.waits, time.Since(asked))
	}
	return nil
}

// ask sends a request and reads the response (RFC 9112), which must have a Content-Length.
func (c *client) ask(request []byte) (status int, err error) {
	if _, err := c.connection.Write(request); err != nil {
		return 0, err
	}
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, errors.New("that is not HTTP/1.1")
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := 0
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			return 0, errors.New("an answer without a length")
		}
	}
	_, err = c.reader.Discard(length)
	return status, err
}
