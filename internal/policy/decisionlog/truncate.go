package decisionlog

import (
	"maps"

	"github.com/policyauth/caddy-policy-auth/internal/request"
)

const (
	// maxTruncatedText is how long one text may be in a truncated document, in bytes.
	maxTruncatedText = 512
	// maxTruncated bounds the texts of a truncated document, in bytes. As JSON they may
	// be six times as long.
	maxTruncated = maxRecord / 16
)

// estimateSize returns about how many bytes the parts of a document have that a client
// chooses: at least as many as in any of them.
func estimateSize(d *request.Document) int {
	f := &d.Request
	total := len(f.Method) + len(f.Host) + len(f.RawPath) + len(f.RawQuery) + len(f.DestinationPath) + len(f.DestinationHost) + estimateTexts(f.Segments) + len(f.MCP.Method) + len(f.MCP.Tool)
	for name, text := range f.Headers {
		total += len(name) + len(text)
	}
	for _, lists := range []map[string][]string{f.HeaderValues, f.Query} {
		for name, lines := range lists {
			total += len(name) + estimateTexts(lines)
		}
	}
	return total + estimateValue(d.Identity.Claims)
}

// estimateTexts also counts the separators of texts.
func estimateTexts(texts []string) int {
	total := 0
	for _, text := range texts {
		total += len(text) + 4
	}
	return total
}

func estimateValue(value any) int {
	total := 8
	switch v := value.(type) {
	case string:
		return len(v)
	case []any:
		for _, item := range v {
			total += estimateValue(item)
		}
	case map[string]any:
		for name, item := range v {
			total += len(name) + estimateValue(item)
		}
	}
	return total
}

// truncate makes a document small enough to be kept. It truncates long texts, and removes
// the members that have them if that is not enough.
func truncate(d *request.Document) {
	f := &d.Request
	for _, text := range []*string{&f.Method, &f.Host, &f.Path, &f.PathFolded, &f.RewrittenPath, &f.RawPath, &f.RawQuery, &f.DestinationPath, &f.DestinationHost} {
		*text = truncateText(*text)
	}
	f.Headers = maps.Clone(f.Headers) // it may be shared
	for name, text := range f.Headers {
		f.Headers[name] = truncateText(text)
	}
	f.HeaderValues, f.Query, f.Segments = truncateLists(f.HeaderValues), truncateLists(f.Query), truncateTexts(f.Segments)
	if estimateValue(d.Identity.Claims) > maxTruncated {
		id := *d.Identity
		id.Claims, d.Identity = map[string]any{}, &id
	}
	if estimateSize(d) > 2*maxTruncated {
		f.Headers, f.HeaderValues, f.Query, f.Segments = map[string]string{}, map[string][]string{}, map[string][]string{}, []string{}
	}
}

func truncateText(text string) string {
	if len(text) <= maxTruncatedText {
		return text
	}
	return text[:maxTruncatedText] + "…"
}

func truncateTexts(texts []string) []string {
	short := make([]string, len(texts))
	for i, text := range texts {
		short[i] = truncateText(text)
	}
	return short
}

func truncateLists(lists map[string][]string) map[string][]string {
	short := make(map[string][]string, len(lists))
	for name, lines := range lists {
		short[name] = truncateTexts(lines)
	}
	return short
}
