package pages

import (
	"encoding/json"
	"fmt"
	"hash/maphash"
	"io/fs"
	"strings"
	"sync/atomic"

	"golang.org/x/text/language"

	"github.com/policyauth/caddy-policy-auth/errorpages"
)

// wording is what a page says in one language.
type wording struct {
	Labels  map[string]string       `json:"labels"`
	SignIn  map[SignInKind]sentence `json:"sign_in"`
	Classes map[Class]sentence      `json:"classes"`
	tag     string
}

// sentence is what a page says of one class.
type sentence struct {
	Title   string `json:"title"`
	Summary string `json:"summary"`
	Advice  string `json:"advice"`
}

// languages holds the wordings, English first: the language of requests that name none.
type languages struct {
	matcher  language.Matcher
	wordings []*wording
	recent   [64]atomic.Pointer[preference] // by the hash of Accept-Language
	seed     maphash.Seed
}

// preference is the wording that suits an Accept-Language.
type preference struct {
	accept string
	words  *wording
}

// loadLanguages reads the embedded wordings.
func loadLanguages() (*languages, error) {
	names, err := fs.Glob(errorpages.FS, "strings/*.json")
	if err != nil {
		return nil, err
	}
	l := &languages{seed: maphash.MakeSeed()}
	tags := []language.Tag{language.English}
	for _, name := range append([]string{"strings/en.json"}, names...) {
		tag := strings.TrimSuffix(strings.TrimPrefix(name, "strings/"), ".json")
		if tag == "en" && len(l.wordings) > 0 {
			continue
		}
		w, err := loadWording(name, tag)
		if err != nil {
			return nil, err
		}
		if l.wordings = append(l.wordings, w); tag != "en" {
			tags = append(tags, language.MustParse(tag))
		}
	}
	l.matcher = language.NewMatcher(tags)
	return l, nil
}

func loadWording(name, tag string) (*wording, error) {
	content, err := fs.ReadFile(errorpages.FS, name)
	if err != nil {
		return nil, err
	}
	w := &wording{tag: tag}
	if err := json.Unmarshal(content, w); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

// maxAcceptLanguage is how much of Accept-Language is read, in bytes.
const maxAcceptLanguage = 512

// choose returns the wording that suits an Accept-Language best (RFC 9110,
// section 12.5.4).
func (l *languages) choose(lines []string) *wording {
	accept := strings.Join(lines, ",")
	if accept == "" || len(accept) > maxAcceptLanguage {
		return l.wordings[0]
	}
	slot := &l.recent[maphash.String(l.seed, accept)%uint64(len(l.recent))]
	if known := slot.Load(); known != nil && known.accept == accept {
		return known.words
	}
	words := l.match(accept)
	slot.Store(&preference{accept, words})
	return words
}

// match returns the same without looking at those of before.
func (l *languages) match(accept string) *wording {
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return l.wordings[0]
	}
	_, i, _ := l.matcher.Match(wanted...)
	return l.wordings[i]
}
