package strictjson

import (
	"strings"
	"testing"
	"time"
)

// TestN11Numbers: what costs much to compute with is refused, wherever it stands,
// and what is usual is not, nor what only looks like a number.
func TestN11Numbers(t *testing.T) {
	long := strings.Repeat("1", MaxNumber+1)
	for text, fits := range map[string]bool{
		`[1, -2.5e3, 0, 1E+10, 1e308, 5e-324]`: true,
		`{"1` + long + `": "` + long + `"}`:    true,
		`["\"` + long + `"]`:                   true,
		`0.` + long[:MaxNumber-2]:              true,
		``:                                     true,
		`"`:                                    true,
		`-`:                                    false,
		long:                                   false,
		`[1,` + long + `]`:                     false,
		`{"a":-` + long + "\n}":                false,
		`[1e309]`:                              false,
		`[1e-400]`:                             false,
		`0e10000`:                              false,
	} {
		if err := CheckNumbers(text); (err == nil) != fits {
			t.Errorf("N-11 %.40s: %v", text, err)
		}
	}
	start := time.Now()
	if _, err := Decode([]byte("["+strings.Repeat("1", 1<<20)+"]"), 2); err == nil || time.Since(start) > time.Second {
		t.Errorf("N-11 a megabyte of digits: %v after %s", err, time.Since(start))
	}
}
