package command

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// words is a flag that takes words separated by commas, also more than once.
type words struct{ list *[]string }

// addWords adds such a flag.
func addWords(flags *pflag.FlagSet, list *[]string, name, usage string) {
	flags.Var(words{list}, name, usage+", separated by commas")
}

// String returns what was set.
func (w words) String() string {
	if w.list == nil {
		return ""
	}
	return strings.Join(*w.list, ",")
}

// Type names the flag's values in help.
func (w words) Type() string { return "words" }

// Set adds words. Spaces around them do not count; nothing between two commas is
// an error: a role that is empty is a mistake.
func (w words) Set(text string) error {
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			return fmt.Errorf("an item is empty; for an empty list, leave the flag out")
		}
		*w.list = append(*w.list, word)
	}
	return nil
}
