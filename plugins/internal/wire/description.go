package wire

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"pascaline/api"
	"pascaline/correlation"
)

// What a description may hold, in bytes. It is printed, compared between the two
// parties and written to logs.
const (
	maxName     = 64
	maxText     = 1024
	maxSettings = 64
	maxValue    = 4096
	// MaxDescription bounds a whole description in its encoding.
	MaxDescription = 128 << 10
)

// CheckDescription reports what makes a description unusable.
func CheckDescription(d correlation.Description) error {
	if err := checkWord("its name", d.Name); err != nil {
		return err
	}
	if err := checkWord("its version", d.Version); err != nil {
		return err
	}
	if err := checkText("whom to trust", d.Trust, maxText); err != nil {
		return err
	}
	if d.Trust == "" {
		return fmt.Errorf("it does not say whom its users must trust")
	}
	if len(d.Kinds) == 0 {
		return fmt.Errorf("it makes no kind of correlation")
	}
	for i, k := range d.Kinds {
		if k < correlation.Triples || k > correlation.Linear {
			return fmt.Errorf("it makes correlations of unknown %v", k)
		}
		if slices.Contains(d.Kinds[:i], k) {
			return fmt.Errorf("it lists %v twice", k)
		}
	}
	return checkSettings(d.Settings)
}

// checkSettings checks settings or what is said of them.
func checkSettings(settings map[string]string) error {
	if len(settings) > maxSettings {
		return fmt.Errorf("%d settings; there may be %d", len(settings), maxSettings)
	}
	for name, text := range settings {
		if err := checkWord("the name of a setting", name); err != nil {
			return err
		}
		if err := checkText("setting "+name, text, maxValue); err != nil {
			return err
		}
	}
	return nil
}

// checkWord checks that text is one word: printable ASCII without spaces.
func checkWord(what, text string) error {
	if text == "" || len(text) > maxName {
		return fmt.Errorf("%s has %d bytes; it must have from 1 to %d", what, len(text), maxName)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r >= unicode.MaxASCII }) {
		return fmt.Errorf("%s is %q, which is not one word", what, text)
	}
	return nil
}

// checkText checks that text can be printed on a line.
func checkText(what, text string, limit int) error {
	if len(text) > limit {
		return fmt.Errorf("%s takes %d bytes; it may have %d", what, len(text), limit)
	}
	if Presentable(text, limit) != text {
		return fmt.Errorf("%s cannot be printed on one line", what)
	}
	return nil
}

// DescriptionMessage encodes a description.
func DescriptionMessage(d correlation.Description) *api.BackendDescription {
	m := &api.BackendDescription{Name: d.Name, Version: d.Version, Trust: d.Trust, Settings: d.Settings}
	for _, k := range d.Kinds {
		m.Kinds = append(m.Kinds, uint32(k))
	}
	return m
}

// ReadDescription is the inverse of [DescriptionMessage] for what came from
// anybody.
func ReadDescription(m *api.BackendDescription) (correlation.Description, error) {
	d := correlation.Description{Name: m.Name, Version: m.Version, Trust: m.Trust, Settings: m.Settings}
	for _, k := range m.Kinds {
		d.Kinds = append(d.Kinds, correlation.Kind(min(k, 255)))
	}
	return d, CheckDescription(d)
}

// Presentable makes text from anybody safe to print: it has at most limit bytes
// and a mark, is valid UTF-8, and cannot drive a terminal or break a line.
func Presentable(text string, limit int) string {
	text, cut := shorten(text, limit)
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case !unicode.IsPrint(r):
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text, longer := shorten(text, limit) // by what was replaced
	if cut || longer {
		text += "…"
	}
	return text
}

// shorten cuts text to limit bytes, between characters where there are any.
func shorten(text string, limit int) (string, bool) {
	if len(text) <= limit {
		return text, false
	}
	end := limit
	for end > max(0, limit-utf8.UTFMax) && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end], true
}
