package pages

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// TestWordings: each language says everything that English says.
func TestWordings(t *testing.T) {
	l, err := loadLanguages()
	if err != nil {
		t.Fatal(err)
	}
	english := l.wordings[0]
	if english.tag != "en" || len(l.wordings) != 4 {
		t.Fatalf("%d languages, first %s", len(l.wordings), english.tag)
	}
	used := map[Class]bool{ClassProviderFailed: true} // by reason and status
	for _, class := range classes {
		used[class] = true
	}
	for _, class := range statusClasses {
		used[class] = true
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(used)), slices.Sorted(maps.Keys(english.Classes))); diff != "" {
		t.Errorf("classes (-used +worded)\n%s", diff)
	}
	for _, words := range l.wordings {
		t.Run(words.tag, func(t *testing.T) {
			if diff := cmp.Diff(slices.Sorted(maps.Keys(english.Labels)), slices.Sorted(maps.Keys(words.Labels))); diff != "" {
				t.Errorf("labels (-en +%s)\n%s", words.tag, diff)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(english.Classes)), slices.Sorted(maps.Keys(words.Classes))); diff != "" {
				t.Errorf("classes (-en +%s)\n%s", words.tag, diff)
			}
			if diff := cmp.Diff(slices.Sorted(maps.Keys(english.SignIn)), slices.Sorted(maps.Keys(words.SignIn))); diff != "" {
				t.Errorf("sign-in pages (-en +%s)\n%s", words.tag, diff)
			}
			texts := slices.Collect(maps.Values(words.Labels))
			for _, say := range words.SignIn {
				texts = append(texts, say.Title, say.Summary)
			}
			for _, say := range words.Classes {
				texts = append(texts, say.Title, say.Summary, say.Advice)
				if !strings.HasSuffix(say.Summary, ".") || !strings.HasSuffix(say.Advice, ".") || strings.HasSuffix(say.Title, ".") {
					t.Errorf("not in the form of the others: %+v", say)
				}
			}
			for _, text := range texts {
				if text == "" || text != strings.TrimSpace(text) || !unicode.IsUpper([]rune(strings.TrimPrefix(text, "¿"))[0]) {
					t.Errorf("not a sentence: %q", text)
				}
			}
		})
	}
}

// TestLanguage: RFC 9110, section 12.5.4; R-CACHE-2.
func TestLanguage(t *testing.T) {
	p := open(t, Config{})
	tests := []struct {
		name   string
		accept []string
		want   string
	}{
		{"none", nil, "en"},
		{"empty", []string{""}, "en"},
		{"German", []string{"de"}, "de"},
		{"a region", []string{"fr-CA"}, "fr"},
		{"a script", []string{"es-Latn-MX"}, "es"},
		{"weights", []string{"de;q=0.2, fr;q=0.8"}, "fr"},
		{"the first that there is", []string{"ja, es;q=0.5, en;q=0.4"}, "es"},
		{"none that there is", []string{"ja"}, "en"},
		{"anything", []string{"*"}, "en"},
		{"not German", []string{"de;q=0, fr"}, "fr"},
		{"several lines", []string{"ja", "de"}, "de"},
		{"no language", []string{"!!"}, "en"},
		{"half of one", []string{"de;q="}, "en"},
		{"very many", []string{strings.Repeat("de,", 10_000)}, "en"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var lines []string
			for _, line := range test.accept {
				lines = append(lines, "Accept-Language", line)
			}
			got := ask(t, p, refuse(403, "policy_denied"), append(lines, "Accept", asHTML)...)
			if tag := got.Header.Get("Content-Language"); tag != test.want {
				t.Errorf("got %s", tag)
			}
			if vary := strings.Join(got.Header["Vary"], ","); !strings.Contains(vary, "Accept-Language") {
				t.Errorf("Vary: %s", vary)
			}
		})
	}
}

// TestLanguageEverywhere: page, document and line speak the language asked for.
func TestLanguageEverywhere(t *testing.T) {
	p := open(t, Config{})
	for _, kind := range kinds {
		body := bodyOf(t, p, refuse(403, "policy_denied"), "Accept", kind, "Accept-Language", "de")
		if !strings.Contains(body, "Sie dürfen diese Seite nicht öffnen.") || kind == asHTML && !strings.Contains(body, `<html lang="de">`) {
			t.Errorf("%s: %s", kind, body)
		}
	}
}

// TestLanguageOfInsecure: where others can read along, whatever was sent is to be
// replaced, in each language; nobody is told that it was a password.
func TestLanguageOfInsecure(t *testing.T) {
	p := open(t, Config{})
	for language, sent := range map[string][]string{
		"en": {"password", "token", "key"}, "de": {"Passwort", "Token", "Schlüssel"}, "es": {"contraseña", "token", "clave"}, "fr": {"mot de passe", "jeton", "clé"},
	} {
		body := bodyOf(t, p, refuse(403, "insecure_transport"), "Accept", asHTML, "Accept-Language", language)
		for _, word := range append(sent, "https://") {
			if !strings.Contains(body, word) {
				t.Errorf("%s: no %s in %s", language, word, body)
			}
		}
	}
}

// FuzzLanguage: a stranger's Accept-Language chooses one of the languages.
func FuzzLanguage(f *testing.F) {
	for _, accept := range []string{"", "de, en;q=0.5", "*", "x-klingon", "en-u-ca-buddhist", strings.Repeat("-", 300)} {
		f.Add(accept)
	}
	l, err := loadLanguages()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		first := l.choose([]string{accept})
		if again := l.choose([]string{accept}); first == nil || again != first || len(accept) <= maxAcceptLanguage && first != l.match(accept) {
			t.Fatalf("%v, then %v", first, again)
		}
	})
}
