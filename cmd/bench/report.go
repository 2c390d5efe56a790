//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is the result of a row.
type result struct {
	Name     string `json:"name"`
	Label    string `json:"label"`
	Requests int    `json:"requests"`
	// PerCPUSecond is requests per second of the servers' computing.
	PerCPUSecond float64 `json:"requests_per_cpu_second"`
	// Base is the label of the row that this one is compared with.
	Base string `json:"base"`
	// Ratio is PerCPUSecond in units of the base's: the median of the pairs. Low and
	// High are the ends of its 95 % interval.
	Ratio float64 `json:"ratio"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Pairs int     `json:"pairs"`
	// P50 and P99 are quantiles of the response time, in nanoseconds.
	P50 time.Duration `json:"p50_ns"`
	P99 time.Duration `json:"p99_ns"`
	// Memory is the resident memory, in bytes.
	Memory int64 `json:"memory"`
}

// summarize compares each subject with what its base did just before, so that what
// else the machine does weighs on both. Bare Caddy's own row is compared with itself:
// how far its interval lies from 1 is how far to trust the others.
func summarize(subjects []*subject) ([]result, error) {
	var results []result
	for _, s := range subjects {
		r := result{Name: s.name, Label: s.label, Base: s.base.label, Pairs: len(s.pairs)}
		var cpu float64
		for _, p := range s.pairs {
			r.Requests += p.requests
			cpu += p.cpu
		}
		slices.Sort(s.waits)
		m := medianOf(s.ratios())
		r.PerCPUSecond = float64(r.Requests) / cpu
		r.Ratio, r.Low, r.High = m.value, m.low, m.high
		r.P50, r.P99 = quantile(s.waits, 0.5), quantile(s.waits, 0.99)
		for _, p := range s.servers {
			memory, err := p.memory()
			if err != nil {
				return nil, err
			}
			r.Memory += memory
		}
		results = append(results, r)
	}
	return results, nil
}

// quantile returns a quantile of sorted values.
func quantile[T any](sorted []T, q float64) T {
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// report prints the table, and writes all results to a file if one is configured.
func report(o options, results []result) error {
	markdown := markdown(results)
	fmt.Print(markdown)
	if o.out == "" {
		return nil
	}
	document := map[string]any{
		"go": runtime.Version(), "system": runtime.GOOS + "/" + runtime.GOARCH, "cores": min(2, runtime.NumCPU()),
		"connections": connections, "rows": results,
	}
	for name, content := range map[string][]byte{"performance.json": encode(document), "performance.svg": []byte(chart(results))} {
		if err := os.WriteFile(filepath.Join(o.out, name), content, 0o644); err != nil {
			return err
		}
	}
	return insert(filepath.Join(o.out, "performance.md"), markdown)
}

// tableStart and tableEnd enclose the table in the document.
const (
	tableStart = "<!-- the table below is written by tools/bench/run -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// insert replaces the table in the document.
func insert(path, table string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(content), tableStart)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !found || !ended {
		return fmt.Errorf("%s has no place for the table", path)
	}
	return os.WriteFile(path, []byte(before+tableStart+table+tableEnd+after), 0o644)
}

// markdown writes the table. Everything is in units of bare Caddy, whose own
// figures are behind it.
func markdown(results []result) string {
	var b strings.Builder
	b.WriteString("| before `respond \"ok\"` | requests per CPU second ÷ bare Caddy | 95 % interval | pairs | p50 ÷ bare | p99 ÷ bare | memory ÷ bare |\n|---|---|---|---|---|---|---|\n")
	base := results[0]
	for _, r := range results {
		label := r.Label
		if r.Base != base.Label {
			label += ", ÷ " + r.Base
		}
		fmt.Fprintf(&b, "| %s | **%.2f** | %.3f–%.3f | %d | %.2f | %.2f | %.2f |\n", label, r.Ratio, r.Low, r.High, r.Pairs,
			float64(r.P50)/float64(base.P50), float64(r.P99)/float64(base.P99), float64(r.Memory)/float64(base.Memory))
	}
	fmt.Fprintf(&b, "\nBare Caddy: %.0f requests per CPU second, p50 %s, p99 %s, %d MB.\n",
		base.PerCPUSecond, base.P50.Round(time.Microsecond), base.P99.Round(time.Microsecond), base.Memory>>20)
	return b.String()
}
