package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"strings"

	"github.com/stere-log/stere/model/access"
)

// An API key is
//
//	stere_<16 hex digits: its id>_<43 digits to base 62: 256 random bits><6: checksum>
//
// The checksum, CRC-32 of all in front of it, lets scanners for leaked secrets
// tell a key from what looks like one, without asking anybody. Admin keys have
// another length.
const (
	keyIDDigits     = 16
	keySecretBytes  = 32
	keySecretDigits = 43
	keySumDigits    = 6
	keyBytes        = len(AdminKeyPrefix) + keyIDDigits + 1 + keySecretDigits + keySumDigits
)

// base62 returns a number in so many digits.
func base62(n *big.Int, digits int) string {
	const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	text := make([]byte, digits)
	base, rest := big.NewInt(int64(len(alphabet))), new(big.Int)
	n = new(big.Int).Set(n)
	for i := range digits {
		n.DivMod(n, base, rest)
		text[digits-1-i] = alphabet[rest.Int64()]
	}
	return string(text)
}

func checksum(text string) string {
	return base62(new(big.Int).SetUint64(uint64(crc32.ChecksumIEEE([]byte(text)))), keySumDigits)
}

// NewKeyID returns the id of a new key.
func NewKeyID(random io.Reader) (string, error) {
	id := make([]byte, keyIDDigits/2)
	if _, err := io.ReadFull(random, id); err != nil {
		return "", fmt.Errorf("choose the id of a key: %w", err)
	}
	return hex.EncodeToString(id), nil
}

// NewKeyText returns a new text of the key with an id, which is for its owner
// alone, and the hash that is kept of it.
func NewKeyText(random io.Reader, id string) (text string, sum []byte, err error) {
	secret := make([]byte, keySecretBytes)
	if _, err := io.ReadFull(random, secret); err != nil {
		return "", nil, fmt.Errorf("make a key: %w", err)
	}
	text = AdminKeyPrefix + id + "_" + base62(new(big.Int).SetBytes(secret), keySecretDigits)
	text += checksum(text)
	hash := sha256.Sum256([]byte(text))
	return text, hash[:], nil
}

// KeyIDOf returns the id in the text of an API key; ok is false for what is none,
// such as an admin key or one with a typing error.
func KeyIDOf(text string) (id string, ok bool) {
	if len(text) != keyBytes || !strings.HasPrefix(text, AdminKeyPrefix) {
		return "", false
	}
	id = text[len(AdminKeyPrefix):][:keyIDDigits]
	body, sum := text[:keyBytes-keySumDigits], text[keyBytes-keySumDigits:]
	return id, access.ValidKeyID(id) && text[len(AdminKeyPrefix)+keyIDDigits] == '_' && checksum(body) == sum
}

// matches reports whether a text is one of the key's at a time. All secrets are
// compared, each in constant time.
func matches(key *access.Key, text string, now int64) bool {
	sum := sha256.Sum256([]byte(text))
	found := 0
	for _, secret := range key.Secrets {
		same := subtle.ConstantTimeCompare(sum[:], secret.Sum)
		if secret.Until != 0 && now >= secret.Until {
			same = 0
		}
		found |= same
	}
	return found == 1
}
