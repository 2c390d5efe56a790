package strictjson

// Limits bound what a text may hold.
type Limits struct {
	// Values is how many values there may be: members, items and the outermost one.
	Values int
	// Depth is how deep arrays and objects may nest, the outermost included.
	Depth int
}

// TooComplex reports whether JSON goes beyond the limits. It takes no memory, and
// reads no more than it needs to. It does not check that the text is JSON.
func TooComplex[Text string | []byte](text Text, limits Limits) bool {
	values, depth, empty := 1, 0, false // empty: nothing has come since an opening bracket
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		case ']', '}':
			depth--
		default:
			if empty {
				values++ // the first item or member
			}
		}
		empty = c == '[' || c == '{'
		switch {
		case empty:
			depth++
		case c == ',':
			values++
		case c == '"':
			i = endOfText(text, i)
		}
		if values > limits.Values || depth > limits.Depth {
			return true
		}
	}
	return false
}

// endOfText returns where a string ends that begins at a quote.
func endOfText[Text string | []byte](text Text, i int) int {
	for i++; i < len(text) && text[i] != '"'; i++ {
		if text[i] == '\\' {
			i++
		}
	}
	return i
}
