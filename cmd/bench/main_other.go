//go:build !linux

// Command bench measures servers. It needs Linux, because it binds them to processors.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: it runs on Linux alone")
	os.Exit(2)
}
