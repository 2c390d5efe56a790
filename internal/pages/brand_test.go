package pages

import (
	"strings"
	"testing"
)

// TestBrand: T-39, T-63: what could be a danger on a page, or could not be
// shown, is an error that names the field and the value.
func TestBrand(t *testing.T) {
	const pixel = "data:image/png;base64,iVBORw0KGgo="
	tests := []struct {
		name  string
		brand Brand
		want  string // of the error; "" if it is good
	}{
		{"nothing", Brand{}, ""},
		{"everything", Brand{"N <b>", "/logo.svg", "#36c", "mailto:a@example.com", "https://example.com/?a=b", "/"}, ""},
		{"long color", Brand{Color: "#3366CC"}, ""},
		{"a picture", Brand{Logo: pixel}, ""},
		{"http", Brand{HomeURL: "http://example.com"}, ""},
		{"scheme in capitals", Brand{HomeURL: "HTTPS://example.com"}, ""},
		{"path with a query", Brand{HomeURL: "/a?b=c#d"}, ""},
		{"color name", Brand{Color: "red"}, `color: "red"`},
		{"color with more", Brand{Color: "#36c;}body{background:url(//evil.example)"}, "color: "},
		{"four digits", Brand{Color: "#36cc"}, "color: "},
		{"color with a line break", Brand{Color: "#36c\n"}, "color: "},
		{"logo elsewhere", Brand{Logo: "https://cdn.example.com/logo.svg"}, "logo: "},
		{"logo of a neighbour", Brand{Logo: "//cdn.example.com/logo.svg"}, "logo: "},
		{"logo that is a page", Brand{Logo: "data:text/html;base64,AAAA"}, "logo: "},
		{"logo that is not base64", Brand{Logo: "data:image/svg+xml,<svg onload=alert(1)>"}, "logo: "},
		{"relative logo", Brand{Logo: "logo.svg"}, "logo: "},
		{"script", Brand{SupportURL: "javascript:alert(1)"}, `support_url: "javascript:alert(1)"`},
		{"script in capitals", Brand{SupportURL: "JavaScript:alert(1)"}, "support_url: "},
		{"script behind a tab", Brand{SupportURL: "java\tscript:alert(1)"}, "support_url: "},
		{"script behind a space", Brand{SupportURL: " javascript:alert(1)"}, "support_url: "},
		{"data", Brand{RequestAccessURL: "data:text/html,x"}, "request_access_url: "},
		{"neighbour", Brand{HomeURL: "//evil.example"}, "home_url: "},
		{"backslash", Brand{HomeURL: `/\evil.example`}, "home_url: "},
		{"relative", Brand{HomeURL: "home"}, "home_url: "},
		{"no host", Brand{HomeURL: "https:///x"}, "home_url: "},
		{"no address", Brand{HomeURL: "mailto:"}, "home_url: "},
		{"line break", Brand{HomeURL: "/a\nb"}, "home_url: "},
		{"placeholder of a host", Brand{HomeURL: "https://{env.HOST}/"}, "home_url: "},
		{"markup", Brand{HomeURL: "http://<script>.example.com"}, "home_url: "},
		{"placeholder", Brand{HomeURL: "{env.HOME_URL}"}, "home_url: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := test.brand.Validate()
			if (err == nil) != (test.want == "") || err != nil && !strings.HasPrefix(err.Error(), test.want) {
				t.Fatalf("got %v", err)
			}
			if p, newErr := New(Config{Brand: test.brand}, func(error) {}); (newErr == nil) != (err == nil) || (p == nil) != (newErr != nil) {
				t.Errorf("New: %v", newErr)
			}
		})
	}
}
