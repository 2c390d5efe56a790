package pages

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// newlines are what browsers make of line ends before they hash a style (HTML,
// section 13.2.3.5).
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// contentPolicy returns the Content-Security-Policy of a page: its own styles,
// by hash, images of this site, and nothing else. Untrusted text cannot
// add to it, because its < is escaped in the page.
func contentPolicy(page []byte) string {
	var hashes []string
	for _, style := range styles(page) {
		digest := sha256.Sum256([]byte(newlines.Replace(string(style))))
		hashes = append(hashes, "'sha256-"+base64.StdEncoding.EncodeToString(digest[:])+"'")
	}
	if len(hashes) == 0 {
		hashes = []string{"'none'"}
	}
	return "default-src 'none'; style-src " + strings.Join(hashes, " ") +
		"; img-src 'self' data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
}

// styles returns the contents of a page's style elements.
func styles(page []byte) [][]byte {
	var found [][]byte
	for {
		_, rest, ok := cutTag(page, "<style")
		if !ok {
			return found
		}
		attributes, content, _ := bytes.Cut(rest, []byte(">"))
		style, after, ok := cutTag(content, "</style")
		if !ok {
			return found
		}
		page = after
		if len(attributes) == 0 || strings.IndexByte(" \t\r\n\f/", attributes[0]) >= 0 {
			found = append(found, style)
		}
	}
}

// cutTag slices around the first tag that begins like this, in either case.
func cutTag(page []byte, tag string) (before, after []byte, found bool) {
	for at := 0; ; at++ {
		next := bytes.IndexByte(page[at:], '<')
		if next < 0 {
			return page, nil, false
		}
		at += next
		end := at + len(tag)
		if end <= len(page) && strings.EqualFold(string(page[at:end]), tag) {
			return page[:at], page[end:], true
		}
	}
}
