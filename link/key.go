package link

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"os"
	"strings"
)

const (
	// keyPrefix begins the text of every public key; the digit is the version
	// of the form. It never changes.
	keyPrefix = "pascaline1"
	// checksumSize makes the text a whole number of base32 digits: 35 bytes
	// are 56 digits. A typing error goes unnoticed once in 2^24, and then
	// names a key that nobody holds.
	checksumSize = 3
)

// keyDigits is base32 in lower case: its alphabet has neither 0, 1, 8 nor 9, so
// nothing looks like an o, l, b or g.
var keyDigits = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// A PublicKey is the Ed25519 key that a party is known by.
type PublicKey [ed25519.PublicKeySize]byte

// keyChecksum guards the text of a key against typing errors, not attackers.
func keyChecksum(k PublicKey) []byte {
	h := sha256.New()
	h.Write([]byte("pascaline public key v1"))
	h.Write(k[:])
	return h.Sum(nil)[:checksumSize]
}

// String returns the key as text: "pascaline1" and 56 letters and digits, the
// last of which are a checksum.
func (k PublicKey) String() string {
	return keyPrefix + keyDigits.EncodeToString(append(k[:], keyChecksum(k)...))
}

// ParsePublicKey reads the text of a key, in upper or lower case.
func ParsePublicKey(text string) (PublicKey, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	digits, ok := strings.CutPrefix(text, keyPrefix)
	if !ok {
		return PublicKey{}, fmt.Errorf("public key %q: it does not begin with %q", abridge(text), keyPrefix)
	}
	const size = ed25519.PublicKeySize + checksumSize
	if want := keyDigits.EncodedLen(size); len(digits) != want {
		return PublicKey{}, fmt.Errorf("public key %q: %d characters follow %q where %d are due", abridge(text), len(digits), keyPrefix, want)
	}
	raw, err := keyDigits.DecodeString(digits)
	if err != nil {
		return PublicKey{}, fmt.Errorf("public key %q: it holds a character other than a to z and 2 to 7", abridge(text))
	}
	if len(raw) != size { // base32 skips line breaks
		return PublicKey{}, fmt.Errorf("public key %q: it is broken over lines", abridge(text))
	}
	k := PublicKey(raw[:ed25519.PublicKeySize])
	if !bytes.Equal(raw[ed25519.PublicKeySize:], keyChecksum(k)) {
		return PublicKey{}, fmt.Errorf("public key %q: its checksum is wrong, so it was mistyped or cut", text)
	}
	return k, nil
}

// ReadPublicKey reads a key from pathOrText: the text of one, or the path of a
// file that holds one on a line of its own. Empty lines and lines that begin
// with # do not count.
func ReadPublicKey(pathOrText string) (PublicKey, error) {
	if strings.HasPrefix(strings.ToLower(strings.TrimSpace(pathOrText)), keyPrefix) {
		if _, err := os.Stat(pathOrText); err != nil {
			return ParsePublicKey(pathOrText)
		}
	}
	f, err := os.Open(pathOrText)
	if os.IsNotExist(err) {
		return PublicKey{}, fmt.Errorf("%q is neither a public key (%s…) nor the path of a file with one", abridge(pathOrText), keyPrefix)
	}
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading a public key: %w", err)
	}
	defer f.Close()
	text, err := readKeyFile(f, pathOrText)
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading a public key: %w", err)
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		// Not quoted: it may be somebody's private key.
		return PublicKey{}, fmt.Errorf("reading a public key: %s holds a PEM block, as identity files do, and no public key (%s…)%s",
			pathOrText, keyPrefix, besides(pathOrText+publicSuffix, pathOrText))
	}
	lines := keyLines(text)
	if len(lines) != 1 {
		return PublicKey{}, fmt.Errorf("reading a public key: %s has %d lines that could be one; it must have one", pathOrText, len(lines))
	}
	if !holdsPublicKey(text) {
		// Not quoted either: who knows what file this is.
		return PublicKey{}, fmt.Errorf("reading a public key: %s holds none (%s…)", pathOrText, keyPrefix)
	}
	k, err := ParsePublicKey(lines[0])
	if err != nil {
		return PublicKey{}, fmt.Errorf("reading %s: %w", pathOrText, err)
	}
	return k, nil
}

// WriteFile writes the key's text to a new file that all may read. It never
// replaces a file, and returns once the key is on the disk.
func (k PublicKey) WriteFile(path string) error {
	if err := writeNew(path, []byte(k.String()+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing a public key: %w", err)
	}
	return nil
}

// keyLines returns the lines of a file that could be a public key.
func keyLines(text []byte) []string {
	var lines []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			lines = append(lines, line)
		}
	}
	return lines
}

// holdsPublicKey reports whether the first of those lines begins as keys do.
func holdsPublicKey(text []byte) bool {
	lines := keyLines(text)
	return len(lines) > 0 && strings.HasPrefix(strings.ToLower(lines[0]), keyPrefix)
}

// abridge cuts text that should have been a key to what an error can show.
func abridge(text string) string {
	const most = 80
	if len(text) > most {
		return text[:most] + "…"
	}
	return text
}
