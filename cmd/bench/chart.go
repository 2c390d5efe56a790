//go:build linux

package main

import (
	"fmt"
	"html"
	"strings"
)

// Sizes of the chart, in pixels.
const (
	lineHeight = 26
	labelWidth = 300
	barWidth   = 380
	chartWidth = labelWidth + barWidth + 60
	chartTop   = 46
)

// style suits a light page and a dark one.
const style = `text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.quiet{fill:#57606a}
.ours{fill:#0969da}.other{fill:#8c959f}.grid{stroke:#d0d7de}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.quiet{fill:#9198a1}.ours{fill:#4493f8}.other{fill:#656c76}.grid{stroke:#3d444d}}`

// chart draws the ratios as bars, in SVG.
func chart(results []result) string {
	height := chartTop + len(results)*lineHeight + 10
	var b strings.Builder
	fmt.Fprintf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %[1]d %[2]d\" role=\"img\">\n", chartWidth, height)
	fmt.Fprintf(&b, "<title>Requests per CPU second of the servers, bare Caddy = 1</title>\n<style>%s</style>\n", style)
	b.WriteString("<text class=\"title\" x=\"10\" y=\"22\">Requests per CPU second of the servers, bare Caddy = 1</text>\n")
	for tenth := 0; tenth <= 10; tenth += 2 {
		x := labelWidth + barWidth*tenth/10
		fmt.Fprintf(&b, "<line class=\"grid\" x1=\"%d\" x2=\"%[1]d\" y1=\"%d\" y2=\"%d\"/>\n", x, chartTop-8, height-10)
	}
	for i, r := range results {
		y := chartTop + i*lineHeight
		width := min(int(r.Ratio*barWidth), barWidth+10)
		class := "other"
		if strings.HasPrefix(r.Label, "policy_auth") {
			class = "ours"
		}
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", labelWidth-10, y+13, html.EscapeString(r.Label))
		fmt.Fprintf(&b, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%d\" height=\"18\" rx=\"2\"/>", class, labelWidth, y, width)
		fmt.Fprintf(&b, "<text class=\"quiet\" x=\"%d\" y=\"%d\">%.2f</text>\n", labelWidth+width+6, y+13, r.Ratio)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
