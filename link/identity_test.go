package link

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnIdentitySurvivesItsFile(t *testing.T) {
	id := newIdentity(t)
	path := filepath.Join(t.TempDir(), "identity.pem")
	if err := id.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("the file has mode %04o, not 0600", info.Mode().Perm())
	}
	back, err := ReadIdentity(path)
	if err != nil {
		t.Fatal(err)
	}
	if !back.key.Equal(id.key) {
		t.Error("another key came back")
	}
}

func TestAnIdentityFileIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity.pem")
	first := newIdentity(t)
	if err := first.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	err := newIdentity(t).WriteFile(path)
	mustSay(t, err, "exists already", path)
	back, err := ReadIdentity(path)
	if err != nil || back.Public() != first.Public() {
		t.Errorf("the first identity is gone (%v)", err)
	}
}

func TestAnIdentityThatCannotBeWrittenLeavesNoFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "identity.pem")
	mustSay(t, newIdentity(t).WriteFile(path), "writing an identity", path)
	path = filepath.Join(t.TempDir(), "identity.pem")
	mustSay(t, Identity{}.WriteFile(path), "never generated")
	if _, err := os.Stat(path); err == nil {
		t.Error("an empty identity left a file")
	}
}

func TestAnIdentityOthersCanReadIsRefused(t *testing.T) {
	for _, mode := range []os.FileMode{0o640, 0o604, 0o660, 0o620, 0o644} {
		path := filepath.Join(t.TempDir(), "identity.pem")
		if err := newIdentity(t).WriteFile(path); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadIdentity(path)
		mustSay(t, err, "chmod 600 "+path, fmt.Sprintf("%04o", mode))
	}
}

func TestAFileThatIsNoIdentityIsRefused(t *testing.T) {
	id := newIdentity(t)
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	otherDER, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	good := block(pemType, der)
	for _, c := range []struct{ name, text, says string }{
		{"empty", "", "not an identity file"},
		{"words", "hello", "not an identity file"},
		{"public key", id.Public().String(), "holds a public key"},
		{"other block", block("CERTIFICATE", der), "CERTIFICATE"},
		{"cut", block(pemType, der[:len(der)-1]), "damaged"},
		{"nothing in it", block(pemType, nil), "damaged"},
		{"other key", block(pemType, otherDER), "Ed25519"},
		{"two keys", good + good, "more than one key"},
		{"huge", strings.Repeat("x", maxKeyFile+1), "no key file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "identity.pem")
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := ReadIdentity(path)
			mustSay(t, err, "reading an identity", path, c.says)
		})
	}
	if _, err := ReadIdentity(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that does not exist was read")
	}
	mustSay(t, errOf(ReadIdentity(t.TempDir())), "no regular file")
}

// Whoever confuses the two files hears so, and not about the public one's mode.
func TestAPublicKeyInThePlaceOfAnIdentityIsNamed(t *testing.T) {
	id := newIdentity(t)
	path := filepath.Join(t.TempDir(), "a.key")
	if err := id.Public().WriteFile(path + ".pub"); err != nil {
		t.Fatal(err)
	}
	err := errOf(ReadIdentity(path + ".pub"))
	mustSay(t, err, "holds a public key")
	if strings.Contains(err.Error(), "chmod") || strings.Contains(err.Error(), "use ") {
		t.Errorf("the advice is wrong: %v", err)
	}
	if err := id.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	mustSay(t, errOf(ReadIdentity(path+".pub")), "holds a public key", "use "+path)
	mustSay(t, errOf(ReadIdentity(id.Public().String())), "is a public key")
	mustSay(t, errOf(ReadPublicKey(path)), "identity files", "use "+path+".pub")
	mustSay(t, id.Public().WriteFile(path+".pub"), "writing a public key", "exists already")
}

func TestNothingPrintsAnIdentity(t *testing.T) {
	id := newIdentity(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		fmt.Fprintf(&out, verb+verb, id, &id)
	}
	slog.New(slog.NewTextHandler(&out, nil)).Info("id", "id", id)
	slog.New(slog.NewJSONHandler(&out, nil)).Info("id", "id", id)
	j, err := json.Marshal(map[string]any{"id": id})
	if err != nil {
		t.Fatal(err)
	}
	out.Write(j)
	seed := id.key.Seed()
	for _, form := range []string{
		string(seed[:8]), fmt.Sprintf("%x", seed[:8]), fmt.Sprintf("%X", seed[:8]),
		strings.Trim(fmt.Sprint(seed[:8]), "[]"), fmt.Sprintf("%#x", seed[0]) + ", ",
	} {
		if strings.Contains(out.String(), form) {
			t.Errorf("the private key was printed: %q", out.String())
		}
	}
}

func errOf[T any](_ T, err error) error { return err }

// mustSay checks that err is an error that says all of these.
func mustSay(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, where one should say %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("the error does not say %q: %v", p, err)
		}
	}
}
