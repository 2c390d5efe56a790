// Package textutil prepares text for messages: it escapes characters that a log or a
// terminal must not get, and suggests the word that a misspelled one stands for.
package textutil

import (
	"strconv"
	"strings"
	"unicode"
)

// Printable returns untrusted text in a form that is safe in a log line: characters that
// are not printable are escaped as in Go source, and the text is cut after maxBytes.
func Printable(text string, maxBytes int) string {
	var b strings.Builder
	for _, r := range text {
		piece := string(r)
		if !unicode.IsPrint(r) {
			piece = strings.Trim(strconv.QuoteRune(r), "'")
		}
		if b.Len()+len(piece) > maxBytes {
			b.WriteString("…")
			break
		}
		b.WriteString(piece)
	}
	return b.String()
}
