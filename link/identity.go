package link

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// maxKeyFile bounds what is read of a file that should hold one key.
const maxKeyFile = 16 << 10

// pemType is the PEM type of a PKCS#8 private key (RFC 5958, RFC 7468).
const pemType = "PRIVATE KEY"

// An Identity is a party's Ed25519 key pair. Its zero value is nobody: [Dial]
// and [NewServer] refuse it.
type Identity struct {
	key ed25519.PrivateKey
}

// GenerateIdentity draws a new identity from crypto/rand.
func GenerateIdentity() (Identity, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Identity{}, fmt.Errorf("drawing an identity: %w", err)
	}
	return Identity{key}, nil
}

// Public returns the key that the other parties know the identity by.
func (id Identity) Public() PublicKey {
	if id.key == nil {
		return PublicKey{}
	}
	return PublicKey(id.key[ed25519.SeedSize:])
}

// Format keeps the private key out of logs, errors and debug output, whatever
// the verb.
func (id Identity) Format(f fmt.State, _ rune) { io.WriteString(f, "identity(redacted)") }

// WriteFile writes the identity to a new file that only its owner can read, as
// a PEM block of PKCS#8. It never replaces a file, and returns once the key is
// on the disk.
func (id Identity) WriteFile(path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("writing an identity: %w", err)
		}
	}()
	if id.key == nil {
		return errors.New("it was never generated")
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return err
	}
	defer clear(der)
	text := pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der})
	defer clear(text)
	return writeNew(path, text, 0o600)
}

// writeNew writes a key to a file that must not exist yet, and returns once it
// is on the disk. Where it fails there is no file.
func writeNew(path string, text []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already, and a key is never overwritten: choose another path, or move it away first", path)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = syncDirectory(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path) // half a key is worse than none
	}
	return err
}

// syncDirectory makes the entry of a new file durable.
func syncDirectory(path string) error {
	if runtime.GOOS == "windows" {
		return nil // directories cannot be synced there
	}
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// ReadIdentity reads what [Identity.WriteFile] wrote. It refuses a file that
// others than its owner may read or write.
func ReadIdentity(path string) (id Identity, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("reading an identity: %w", err)
		}
	}()
	f, err := os.Open(path)
	if err != nil {
		if _, notKey := ParsePublicKey(path); notKey == nil {
			return Identity{}, fmt.Errorf("%s is a public key, and the path of a private one is needed", path)
		}
		return Identity{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return Identity{}, err
	}
	if !info.Mode().IsRegular() {
		return Identity{}, fmt.Errorf("%s is no regular file", path)
	}
	text, err := readKeyFile(f, path)
	if err != nil {
		return Identity{}, err
	}
	defer clear(text)
	if holdsPublicKey(text) {
		// Before the mode: that of a public key is right as it is.
		return Identity{}, fmt.Errorf("%s holds a public key, and the private one is needed%s", path, besides(strings.TrimSuffix(path, publicSuffix), path))
	}
	// Windows keeps access rights elsewhere; its mode bits say nothing.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return Identity{}, fmt.Errorf("%s is open to other users (mode %04o): run chmod 600 %s, and make a new identity if somebody may have read it", path, mode, path)
	}
	block, rest := pem.Decode(text)
	switch {
	case block == nil:
		return Identity{}, fmt.Errorf("%s holds no PEM block %q: it is not an identity file", path, pemType)
	case block.Type != pemType:
		return Identity{}, fmt.Errorf("%s holds a PEM block %q where %q is needed", path, block.Type, pemType)
	case len(bytes.TrimSpace(rest)) != 0:
		return Identity{}, fmt.Errorf("%s holds more than one key", path)
	}
	defer clear(block.Bytes)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The parser's own text is left out: it could quote key material.
		return Identity{}, fmt.Errorf("%s holds a damaged private key: restore it from a copy, or make a new identity", path)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return Identity{}, fmt.Errorf("%s holds a key of type %T; an identity is an Ed25519 key", path, key)
	}
	return Identity{private}, nil
}

// publicSuffix is how the file of a public key ends that lies beside the private
// one; "pascaline keygen" names them so.
const publicSuffix = ".pub"

// besides says that path is the file to use instead of the given one, if it is
// there.
func besides(path, given string) string {
	if info, err := os.Stat(path); path == given || err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return ": use " + path
}

// readKeyFile reads f, which must be small enough to be a key.
func readKeyFile(f io.Reader, path string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("%s is larger than %d bytes: it is no key file", path, maxKeyFile)
	}
	return text, nil
}
