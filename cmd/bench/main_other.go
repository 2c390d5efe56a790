//go:build !linux

// Command bench measures servers, on Linux alone: it keeps them on their cores.
package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "bench: it runs on Linux alone")
	os.Exit(2)
}
