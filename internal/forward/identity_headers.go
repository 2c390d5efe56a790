package forward

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/policyauth/caddy-policy-auth/authenticator"
	"github.com/policyauth/caddy-policy-auth/internal/claimpath"
	"github.com/policyauth/caddy-policy-auth/internal/exchange"
	"github.com/policyauth/caddy-policy-auth/internal/headers"
	"github.com/policyauth/caddy-policy-auth/internal/request"
)

// IdentityHeaders are a site's identity headers.
type IdentityHeaders struct {
	lines    []line
	encoding Encoding
}

// line is one identity header.
type line struct {
	name   string          // canonical
	folded string          // as request.FoldHeaderName has it
	field  claimpath.Field // nil: SetToken sets the header
	late   bool            // StripAuthorization removes it
}

// CheckName returns an error if a header of that name cannot be an identity header.
func CheckName(name string) error {
	if !httpguts.ValidHeaderFieldName(name) {
		return fmt.Errorf("%q is not a header's name", name)
	}
	if headers.BelongsToConnection(name) {
		return fmt.Errorf("header %s belongs to the connection and cannot be set", http.CanonicalHeaderKey(name))
	}
	return nil
}

// NewIdentityHeaders returns the identity headers for a map from a header's name to the
// identity field that it carries, and the encoding of their values. Two
// spellings of one name are an error.
func NewIdentityHeaders(fieldOf map[string]string, encoding Encoding) (*IdentityHeaders, error) {
	if err := encoding.check(); err != nil {
		return nil, err
	}
	if encoding != "" && len(fieldOf) == 0 {
		return nil, errNoHeaders
	}
	h := &IdentityHeaders{encoding: encoding}
	for _, name := range slices.Sorted(maps.Keys(fieldOf)) {
		fieldName := fieldOf[name]
		if err := CheckName(name); err != nil {
			return nil, err
		}
		field, err := claimpath.ParseField(fieldName)
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		l := line{name: http.CanonicalHeaderKey(name), folded: request.FoldHeaderName(name), field: field}
		if h.Reserved(name) {
			return nil, fmt.Errorf("header %s is named twice, in one spelling or in another", name)
		}
		h.lines = append(h.lines, l)
	}
	return h, nil
}

// Reserve makes a header that SetToken sets an identity header too.
func (h *IdentityHeaders) Reserve(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if h.Reserved(name) {
		return fmt.Errorf("header %s is one of identity_headers", name)
	}
	h.lines = append(h.lines, line{name: http.CanonicalHeaderKey(name), folded: request.FoldHeaderName(name)})
	return nil
}

// ReserveAuthorization makes Authorization such a header. It is not removed by Strip,
// because methods read it, but by StripAuthorization.
func (h *IdentityHeaders) ReserveAuthorization() error {
	if err := h.Reserve("Authorization"); err != nil {
		return err
	}
	h.lines[len(h.lines)-1].late = true
	return nil
}

// StripAuthorization removes a reserved Authorization from the client's request.
func (h *IdentityHeaders) StripAuthorization(r *http.Request, shared *exchange.Shared) {
	for i := range h.lines {
		if l := &h.lines[i]; l.late && !shared.HasIdentityHeader(l.folded) {
			removeHeaders(r.Header, l.folded)
		}
	}
}

// Names returns the names of the identity headers, as request.FoldHeaderName has them.
func (h *IdentityHeaders) Names() []string {
	var names []string
	for i := range h.lines {
		if !h.lines[i].late {
			names = append(names, h.lines[i].folded)
		}
	}
	return names
}

// Reserved reports whether a name is one of the identity headers, in any spelling.
func (h *IdentityHeaders) Reserved(name string) bool {
	return slices.ContainsFunc(h.lines, func(l line) bool { return request.SameHeaderName(name, l.folded) })
}

// Strip removes the identity headers from a client's request in every
// spelling, from its trailers, and from the list of headers that its
// Connection asks the next hop to drop (T-26 to T-28). What another
// policy_auth handler of the route has set stays. From a peer that is not a trusted proxy it
// removes the rewriting headers too. Kinds are those of the request's headers.
func (h *IdentityHeaders) Strip(r *http.Request, shared *exchange.Shared, trusted bool, kinds request.HeaderKinds) {
	if !trusted && kinds.Has(request.PathOverrideHeader) {
		removeHeaders(r.Header, request.PathOverrideHeaders...)
	}
	for i := range h.lines {
		folded := h.lines[i].folded
		if shared.HasIdentityHeader(folded) {
			continue
		}
		if kinds.Has(request.ConfiguredHeader) && !h.lines[i].late {
			removeHeaders(r.Header, folded)
		}
		removeHeaders(r.Trailer, folded)
		if kinds.Has(request.ConnectionHeader) {
			unlistConnection(r.Header, folded)
		}
	}
	h.guardTrailer(r)
}

// guardTrailer removes the identity headers from the trailers that are still to come.
func (h *IdentityHeaders) guardTrailer(r *http.Request) {
	if len(h.lines) > 0 && r.Trailer != nil && r.Body != nil && r.Body != http.NoBody {
		r.Body = &trailerGuard{ReadCloser: r.Body, trailer: r.Trailer, lines: h.lines}
	}
}

// trailerGuard removes the identity headers from a request's trailers, which
// net/http fills in only when the body has been read, declared or not.
type trailerGuard struct {
	io.ReadCloser
	trailer http.Header
	lines   []line
}

func (g *trailerGuard) Read(p []byte) (int, error) {
	n, err := g.ReadCloser.Read(p)
	if err != nil {
		for i := range g.lines {
			removeHeaders(g.trailer, g.lines[i].folded)
		}
	}
	return n, err
}

// Set sets the identity headers. It returns the names of headers that are left out because
// their value is not valid in a header. Kinds are those of
// the request's headers.
func (h *IdentityHeaders) Set(r *http.Request, id *authenticator.Identity, shared *exchange.Shared, kinds request.HeaderKinds) (leftOut []string) {
	for i := range h.lines {
		l := &h.lines[i]
		if kinds.Has(request.ConfiguredHeader) {
			removeHeaders(r.Header, l.folded) // an earlier handler may have set it for another caller
		}
		if l.field == nil {
			continue
		}
		text, ok := h.encoding.text(l.field(id))
		switch {
		case !ok:
			leftOut = append(leftOut, l.name)
		case text != "":
			r.Header[l.name] = []string{text}
			shared.AddIdentityHeader(l.folded)
		}
	}
	return leftOut
}

// SetToken sets a reserved header, or leaves it out for "".
func (h *IdentityHeaders) SetToken(r *http.Request, name, value string, shared *exchange.Shared) {
	name = http.CanonicalHeaderKey(name)
	shared.ReplaceHeader(name, value) // an earlier handler may have consumed the client's own
	if value == "" {
		return
	}
	for i := range h.lines {
		if l := &h.lines[i]; l.name == name {
			r.Header[name] = []string{value}
			shared.AddIdentityHeader(l.folded)
		}
	}
}

// isPrintable reports whether a value is valid in a header and arrives unchanged:
// printable ASCII without a space at either end.
func isPrintable(value string) bool {
	for i := range len(value) {
		if value[i] < 0x20 || value[i] >= 0x7f {
			return false
		}
	}
	return strings.TrimSpace(value) == value
}

// removeHeaders deletes each spelling of some headers.
func removeHeaders(h http.Header, folded ...string) {
	for name := range h {
		if slices.ContainsFunc(folded, func(f string) bool { return request.SameHeaderName(name, f) }) {
			delete(h, name)
		}
	}
}

// protect removes a header from Connection, with which a client could make the next hop
// drop the header.
func unlistConnection(h http.Header, folded string) {
	lines := h["Connection"]
	if len(lines) == 0 {
		return
	}
	named := func(option string) bool { return request.SameHeaderName(strings.TrimSpace(option), folded) }
	for i, text := range lines {
		options := strings.Split(text, ",")
		if slices.ContainsFunc(options, named) {
			lines = slices.Clone(lines)
			lines[i] = strings.Join(slices.DeleteFunc(options, named), ",")
			h["Connection"] = lines
		}
	}
}
