package request

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Envoy returns the request as the input document of opa-envoy-plugin: Envoy's CheckRequest
// (ext_authz v3, in the JSON form of protocol buffers) and the fields that the plugin adds.
// If credentials is false, headers with credentials are redacted. contextExtensions has the
// strings of the config block. Forwarding headers of an untrusted client are replaced, as
// Envoy does at the edge.
func (r *Request) Envoy(reading Reading, config map[string]any, credentials bool) map[string]any {
	extensions := map[string]any{}
	for name, value := range config {
		if text, ok := value.(string); ok {
			extensions[name] = text
		}
	}
	query, rawQuery, _ := r.query(nil, reading.Query)
	if credentials {
		rawQuery = toValidUTF8(reading.Query)
		query, _ = parseQuery(nil, rawQuery)
	}
	path := r.envoyPath(reading)
	if rawQuery != "" {
		path += "?" + rawQuery
	}
	return map[string]any{
		"attributes": map[string]any{
			"source":            r.envoySource(),
			"destination":       envoyAddress(localAddress(r.http)),
			"request":           map[string]any{"time": envoyTime(r.Time()), "http": r.envoyHTTP(reading.Method, path, r.bodyText(), credentials)},
			"contextExtensions": extensions, "metadataContext": map[string]any{},
		},
		"parsed_path":    listOf(envoySegments(reading)),
		"parsed_query":   listsOf(query),
		"parsed_body":    r.envoyBody,
		"truncated_body": r.bodyTruncated,
		"version":        map[string]any{"ext_authz": "v3", "encoding": "protojson"},
	}
}

// envoyPath returns the escaped path in a reading: the first one is the path as
// it came.
func (r *Request) envoyPath(reading Reading) string {
	first := r.readings[0]
	if reading.Path == first.Path && slices.Equal(reading.Segments, first.Segments) {
		return toValidUTF8(r.meta.URL.EscapedPath())
	}
	escaped := make([]string, len(reading.Segments))
	for i, segment := range reading.Segments {
		escaped[i] = url.PathEscape(segment)
	}
	path := "/" + strings.Join(escaped, "/")
	if path != "/" && strings.HasSuffix(reading.Path, "/") {
		path += "/"
	}
	return toValidUTF8(path)
}

// envoySegments returns a path as the plugin splits it: decoded once, with an
// empty last segment where it ends with a slash.
func envoySegments(reading Reading) []string {
	if len(reading.Segments) == 0 || strings.HasSuffix(reading.Path, "/") {
		return append(slices.Clone(reading.Segments), "")
	}
	return reading.Segments
}

func (r *Request) envoyHTTP(method, path, body string, credentials bool) map[string]any {
	attributes := map[string]any{
		"id": r.meta.ID(), "method": method, "path": path, "host": toValidUTF8(r.http.Host), "scheme": r.Scheme(),
		"protocol": strings.TrimSuffix(r.http.Proto, ".0"), "headers": r.envoyHeaders(method, path, credentials),
	}
	if r.http.ContentLength != 0 {
		attributes["size"] = r.http.ContentLength
	}
	if body != "" {
		attributes["body"] = body
	}
	return attributes
}

// envoyHeaders returns one text for each lower-case name, with HTTP/2's
// pseudo-headers.
func (r *Request) envoyHeaders(method, path string, credentials bool) map[string]any {
	headers := map[string]any{
		":authority": toValidUTF8(r.http.Host), ":method": method, ":path": path, ":scheme": r.Scheme(),
		"x-forwarded-for": r.meta.ClientIP, "x-forwarded-proto": r.Scheme(), "x-request-id": r.meta.ID(),
	}
	for name, lines := range r.http.Header {
		folded := FoldHeaderName(name)
		if isForwarding(folded) && !r.meta.TrustedProxy {
			continue
		}
		separator := ","
		if folded == "cookie" {
			separator = "; "
		}
		text := toValidUTF8(strings.Join(lines, separator))
		if !credentials && r.config.isCredential(folded) {
			text = Redacted
		}
		headers[strings.ToLower(toValidUTF8(name))] = text
	}
	return headers
}

// envoySource returns where the request came from, and whose verified
// certificate it showed.
func (r *Request) envoySource() map[string]any {
	_, port, _ := net.SplitHostPort(r.http.RemoteAddr)
	source := envoyAddress(r.meta.ClientIP, port)
	if shown := r.TLS().ClientCertificate; shown.Verified {
		names := slices.Concat(shown.URIs, shown.DNSNames, []string{shown.Subject})
		source["principal"] = names[0]
	}
	return source
}

// envoyTime returns a time as a message of protocol buffers.
func envoyTime(t time.Time) map[string]any {
	return map[string]any{"seconds": t.Unix(), "nanos": t.Nanosecond()}
}

func envoyAddress(host, port string) map[string]any {
	number, _ := strconv.Atoi(port)
	return map[string]any{"address": map[string]any{"socketAddress": map[string]any{"address": host, "portValue": number}}}
}

// localAddress returns the address at which the request came in.
func localAddress(r *http.Request) (host, port string) {
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		host, port, _ = net.SplitHostPort(local.String())
	}
	return host, port
}

func listOf(texts []string) []any {
	list := make([]any, len(texts))
	for i, text := range texts {
		list[i] = toValidUTF8(text)
	}
	return list
}

func listsOf(texts map[string][]string) map[string]any {
	lists := make(map[string]any, len(texts))
	for name, values := range texts {
		lists[name] = listOf(values)
	}
	return lists
}
