package node

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

const rootBytes = 32

// identity is all the key material of one environment's server: its operator,
// accounts, signing keys and users. Every key is derived from one root, so
// that there is a single file to protect, and credentials issued once stay
// valid over restarts.
type identity struct {
	root []byte
}

// loadIdentity reads the root key at path, or makes it when there is none.
func loadIdentity(path string) (*identity, error) {
	root, err := os.ReadFile(path)
	switch {
	case err == nil:
		info, statErr := os.Stat(path)
		if statErr != nil {
			return nil, statErr
		}
		if len(root) != rootBytes {
			return nil, &Error{
				Code: CodeIdentity, Op: "read the node key", What: path,
				Cause: fmt.Errorf("it holds %d bytes, not %d", len(root), rootBytes),
				Cure:  "restore it from a backup; removing it makes a new identity, and every credentials file issued before becomes invalid",
			}
		}
		if info.Mode().Perm()&0o077 != 0 {
			return nil, &Error{
				Code: CodeIdentity, Op: "read the node key", What: path,
				Cause: fmt.Errorf("its mode is %04o: others can read it", info.Mode().Perm()),
				Cure:  "chmod 600 " + path,
			}
		}
		return &identity{root: root}, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, &Error{Code: CodeIdentity, Op: "read the node key", What: path, Cause: err, Cure: "make the file readable for the user that runs lockstep"}
	}
	root = make([]byte, rootBytes)
	if _, err := rand.Read(root); err != nil {
		return nil, err
	}
	if err := writePrivate(path, root); err != nil {
		return nil, &Error{Code: CodeIdentity, Op: "write the node key", What: path, Cause: err, Cure: "make the data directory writable"}
	}
	return &identity{root: root}, nil
}

// key derives the key pair for a label, such as "account/MESH".
func (id *identity) key(prefix nkeys.PrefixByte, label string) (nkeys.KeyPair, error) {
	seed, err := hkdf.Key(sha256.New, id.root, nil, "lockstep node "+label, rootBytes)
	if err != nil {
		return nil, err
	}
	raw, err := nkeys.EncodeSeed(prefix, seed)
	if err != nil {
		return nil, err
	}
	return nkeys.FromSeed(raw)
}

// public is the public key of the account, or of the role in one, for a label.
func (id *identity) public(label string) (string, error) {
	kp, err := id.key(nkeys.PrefixByteAccount, label)
	if err != nil {
		return "", err
	}
	return kp.PublicKey()
}

// user issues a user of an account. With a role, the user is signed by the
// role's scoped signing key, and its permissions are those that the account's
// claims give the role now; without one it may do everything in its account.
func (id *identity) user(account, name, role string) (token string, seed []byte, err error) {
	accountKey, err := id.key(nkeys.PrefixByteAccount, "account/"+account)
	if err != nil {
		return "", nil, err
	}
	user, err := id.key(nkeys.PrefixByteUser, "user/"+account+"/"+name)
	if err != nil {
		return "", nil, err
	}
	public, err := user.PublicKey()
	if err != nil {
		return "", nil, err
	}
	claims := jwt.NewUserClaims(public)
	claims.Name = name
	signer := accountKey
	if role != "" {
		if signer, err = id.key(nkeys.PrefixByteAccount, "role/"+account+"/"+role); err != nil {
			return "", nil, err
		}
		if claims.IssuerAccount, err = accountKey.PublicKey(); err != nil {
			return "", nil, err
		}
		claims.SetScoped(true)
	}
	if token, err = claims.Encode(signer); err != nil {
		return "", nil, err
	}
	seed, err = user.Seed()
	return token, seed, err
}

// writeCredentials issues a user and keeps it as an ordinary NATS credentials
// file, which nats.UserCredentials and every other client library reads.
func (id *identity) writeCredentials(path, account, name, role string) error {
	token, seed, err := id.user(account, name, role)
	if err != nil {
		return err
	}
	content, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return err
	}
	if err := writePrivate(path, content); err != nil {
		return &Error{Code: CodeIdentity, Op: "write the credentials file", What: path, Cause: err, Cure: "make the data directory writable"}
	}
	return nil
}

// writePrivate puts content at path, readable by the owner only, in one step:
// whoever reads the path finds the old content or the new, never a part.
func writePrivate(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	temp, err := os.CreateTemp(dir, "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(temp.Name()) }()
	_, err = temp.Write(content)
	if err == nil {
		err = temp.Sync()
	}
	if closeErr := temp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
