package respheader

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestS09OwnCookies: an answer of the next handler sets none of our cookies, in any
// spelling that a browser takes for one; what we have set ourselves and every other
// cookie stays.
func TestS09OwnCookies(t *testing.T) {
	const ours = "__Host-policy_auth=; Path=/; Max-Age=0"
	tests := []struct {
		name              string
		before, set, want []string
		reported          []string
	}{
		{"S-09 none", nil, nil, nil, nil},
		{"S-09 others", nil, []string{"a=1; Path=/", "b=__Host-policy_auth"}, []string{"a=1; Path=/", "b=__Host-policy_auth"}, nil},
		{"S-09 one", nil, []string{"__Host-policy_auth=evil; Path=/; Secure"}, nil, []string{"__Host-policy_auth"}},
		{"S-09 between others", nil, []string{"a=1", "__Host-policy_auth=evil", "b=2"}, []string{"a=1", "b=2"}, []string{"__Host-policy_auth"}},
		{"S-09 other letters", nil, []string{"__HOST-policy_auth=evil"}, nil, []string{"__HOST-policy_auth"}},
		{"S-09 spaces", nil, []string{" __Host-policy_auth\t= evil"}, nil, []string{"__Host-policy_auth"}},
		{"S-09 without a name", nil, []string{"=__Host-policy_auth=evil"}, nil, []string{"__Host-policy_auth"}},
		{"S-09 without a value", nil, []string{"policy_auth"}, nil, []string{"policy_auth"}},
		{"S-09 removed", nil, []string{"policy_auth=; Max-Age=0"}, nil, []string{"policy_auth"}},
		{"S-09 a name that begins alike", nil, []string{"__Host-policy_auth2=1", "policy_auth.x=1"}, []string{"__Host-policy_auth2=1", "policy_auth.x=1"}, nil},
		{"S-09 our own", []string{ours}, []string{"a=1"}, []string{ours, "a=1"}, nil},
		{"S-09 our own and another", []string{ours}, []string{"__Host-policy_auth=evil"}, []string{ours}, []string{"__Host-policy_auth"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			var rail HeaderWriter
			rail.Wrap(recorder)
			for _, line := range test.before {
				recorder.Header().Add("Set-Cookie", line)
			}
			var reported []string
			rail.WithholdCookies(&OwnCookies{Names: []string{"__Host-policy_auth", "policy_auth"}, Report: func(name string) { reported = append(reported, name) }})
			w := rail.Writer()
			for _, line := range test.set {
				w.Header().Add("Set-Cookie", line)
			}
			_, _ = w.Write([]byte("x"))
			if diff := cmp.Diff(test.want, recorder.Result().Header["Set-Cookie"]); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(test.reported, reported); diff != "" {
				t.Errorf("reported: %s", diff)
			}
		})
	}
}

// TestS09Informational: an answer before the answer brings none either.
func TestS09Informational(t *testing.T) {
	var seen http.Header
	w := &informed{ResponseRecorder: httptest.NewRecorder(), seen: &seen}
	var rail HeaderWriter
	rail.Wrap(w)
	rail.WithholdCookies(&OwnCookies{Names: []string{"policy_auth"}, Report: func(string) {}})
	rail.Writer().Header().Add("Set-Cookie", "policy_auth=evil")
	rail.Writer().WriteHeader(http.StatusEarlyHints)
	if seen["Set-Cookie"] != nil {
		t.Errorf("got %v", seen)
	}
}

// informed keeps the headers of an informational answer.
type informed struct {
	*httptest.ResponseRecorder
	seen *http.Header
}

func (w *informed) WriteHeader(int) { *w.seen = w.Header().Clone() }
