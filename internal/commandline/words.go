package commandline

import (
	"strconv"
	"strings"
	"unicode"
)

// Words writes a command as a shell takes it, quoted where it must be. What cannot be
// printed is written as bash takes it, and nothing of it reaches the terminal as it is.
func Words(words ...string) string {
	quoted := make([]string, len(words))
	for i, word := range words {
		switch {
		case strings.ContainsFunc(word, func(r rune) bool { return !unicode.IsPrint(r) }):
			inner := strconv.Quote(word)
			inner = strings.NewReplacer(`\"`, `"`, "'", `\'`).Replace(inner[1 : len(inner)-1])
			quoted[i] = "$'" + inner + "'"
		case word == "" || strings.ContainsFunc(word, special):
			quoted[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		default:
			quoted[i] = word
		}
	}
	return strings.Join(quoted, " ")
}

// special reports whether a shell may take a character for something else.
func special(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_./=,:+@%", r))
}
