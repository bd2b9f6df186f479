package link

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAPublicKeySurvivesItsText(t *testing.T) {
	for range 100 {
		k := newIdentity(t).Public()
		text := k.String()
		if !strings.HasPrefix(text, "pascaline1") || len(text) != 66 {
			t.Fatalf("odd text %q", text)
		}
		for _, form := range []string{text, strings.ToUpper(text), "  " + text + "\n"} {
			back, err := ParsePublicKey(form)
			if err != nil || back != k {
				t.Fatalf("%q came back as %v (%v)", form, back, err)
			}
		}
	}
}

// The text is part of what people keep in files and notes: it never changes.
func TestTheTextOfAKeyIsStable(t *testing.T) {
	var k PublicKey
	for i := range k {
		k[i] = byte(i)
	}
	const want = "pascaline1aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypragog"
	if k.String() != want {
		t.Errorf("got %s, want %s", k, want)
	}
}

func TestATypingErrorInAKeyIsFound(t *testing.T) {
	text := newIdentity(t).Public().String()
	for i := len(keyPrefix); i < len(text); i++ {
		for _, c := range "abz27" {
			typo := text[:i] + string(c) + text[i+1:]
			if _, err := ParsePublicKey(typo); (err == nil) != (typo == text) {
				t.Errorf("%q for %q: %v", typo, text, err)
			}
		}
		if i > len(keyPrefix) && text[i] != text[i-1] {
			swapped := text[:i-1] + string(text[i]) + string(text[i-1]) + text[i+1:]
			mustSay(t, errOf(ParsePublicKey(swapped)), "mistyped")
		}
	}
	for text, says := range map[string]string{
		"":                           "does not begin",
		"hello":                      "does not begin",
		"pascaline2" + text[10:]:     "does not begin",
		text[:65]:                    "55 characters",
		text + "a":                   "57 characters",
		text[:30] + "1" + text[31:]:  "other than a to z",
		text[:30] + "\n" + text[31:]: "broken over lines",
		strings.Repeat(text, 100):    "characters follow",
		text[:30] + " " + text[31:]:  "other than a to z",
		"pascaline1" + text[10:34] + "é" + text[36:]: "other than a to z",
	} {
		mustSay(t, errOf(ParsePublicKey(text)), "public key", says)
	}
}

func TestAPublicKeyIsReadFromTextOrFile(t *testing.T) {
	k := newIdentity(t).Public()
	path := filepath.Join(t.TempDir(), "server.key")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{k.String(), "# the server in the cellar\n\n  " + k.String() + "\r\n"} {
		write(text)
		if got, err := ReadPublicKey(path); err != nil || got != k {
			t.Errorf("%q was read as %v (%v)", text, got, err)
		}
	}
	if got, err := ReadPublicKey(k.String()); err != nil || got != k {
		t.Errorf("its text was read as %v (%v)", got, err)
	}
	for text, says := range map[string]string{
		"":                                 "0 lines",
		k.String() + "\n" + k.String():     "2 lines",
		"secret words":                     "holds none",
		k.String() + "x":                   "characters follow",
		"-----BEGIN PRIVATE KEY-----\nMC4": "identity files",
		strings.Repeat("#", maxKeyFile+1):  "no key file",
	} {
		write(text)
		err := errOf(ReadPublicKey(path))
		mustSay(t, err, path, says)
		if strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "MC4") {
			t.Errorf("the error quotes the file: %v", err)
		}
	}
	mustSay(t, errOf(ReadPublicKey("nowhere.key")), "neither a public key", "nowhere.key")
	mustSay(t, errOf(ReadPublicKey(k.String()[:40])), "characters follow")
	mustSay(t, errOf(ReadPublicKey(t.TempDir())), "reading a public key")
}

func FuzzParsePublicKey(f *testing.F) {
	f.Add(PublicKey{}.String())
	f.Add("pascaline1")
	f.Add("pascaline1aaaqeayeaudaocajbifqydiob4ibceqtcqkrmfyydenbwha5dypragog")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParsePublicKey(text)
		if err == nil && k.String() != strings.ToLower(strings.TrimSpace(text)) {
			t.Errorf("%q was accepted as %s", text, k)
		}
	})
}
