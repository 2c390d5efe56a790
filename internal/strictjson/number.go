package strictjson

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

const (
	// MaxNumber is how long a number may be, in bytes: arithmetic with more digits
	// takes time that grows with their square.
	MaxNumber = 1000
	// maxExponent bounds a number's exponent beyond what a double needs.
	maxExponent = 9999
)

// CheckNumber refuses a number that costs much to compute with: one of too many
// digits, or one that no double can hold, if less exactly, such as 1e999999999.
func CheckNumber(text string) error {
	if len(text) > MaxNumber {
		return fmt.Errorf("holds a number of more than %d characters", MaxNumber)
	}
	f, err := strconv.ParseFloat(text, 64)
	mantissa, exponent, scaled := strings.Cut(strings.ToLower(text), "e")
	if err != nil || f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return errors.New("holds a number out of range")
	}
	if !scaled {
		return nil
	}
	if by, err := strconv.Atoi(exponent); err != nil || by < -maxExponent || by > maxExponent {
		return errors.New("holds a number out of range")
	}
	return nil
}

// CheckNumbers does the same for each number in a text that is to be read as JSON.
// It takes no memory. It does not check that the text is JSON.
func CheckNumbers(text string) error {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			i = endOfText(text, i)
		case c == '-' || '0' <= c && c <= '9':
			length := strings.IndexAny(text[i:], ",]} \t\r\n")
			if length < 0 {
				length = len(text) - i
			}
			if err := CheckNumber(text[i : i+length]); err != nil {
				return err
			}
			i += length - 1
		}
	}
	return nil
}
