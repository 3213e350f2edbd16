package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// key is a key that signatures are checked with.
type key struct {
	id        string // "" if it has none
	algorithm string // the only one that it is for; "" for all of its kind
	material  any    // []byte, *rsa.PublicKey, *ecdsa.PublicKey or ed25519.PublicKey
}

// fits reports whether a key is made for an algorithm.
func (k key) fits(algorithm string) bool {
	if k.algorithm != "" && k.algorithm != algorithm {
		return false
	}
	switch material := k.material.(type) {
	case []byte:
		return strings.HasPrefix(algorithm, "HS")
	case *rsa.PublicKey:
		return strings.HasPrefix(algorithm, "RS") || strings.HasPrefix(algorithm, "PS")
	case *ecdsa.PublicKey:
		return map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[material.Curve.Params().Name] == algorithm
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}

// usable reports whether something is a public key that is strong enough.
func usable(material any) error {
	switch material := material.(type) {
	case *rsa.PublicKey:
		if material.N.BitLen() < rsaBitsMin {
			return fmt.Errorf("an RSA key of %d bits, want at least %d", material.N.BitLen(), rsaBitsMin)
		}
	case *ecdsa.PublicKey:
		if _, err := material.ECDH(); err != nil { // not on its curve
			return fmt.Errorf("an elliptic key: %w", err)
		}
	case ed25519.PublicKey:
	default:
		return fmt.Errorf("a %T is no public key for signatures", material)
	}
	return nil
}

// parsePEM reads public keys and certificates.
func parsePEM(text []byte) ([]key, error) {
	var keys []key
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		var material any
		var err error
		switch block.Type {
		case "PUBLIC KEY":
			material, err = x509.ParsePKIXPublicKey(block.Bytes)
		case "RSA PUBLIC KEY":
			material, err = x509.ParsePKCS1PublicKey(block.Bytes)
		case "CERTIFICATE":
			var certificate *x509.Certificate
			if certificate, err = x509.ParseCertificate(block.Bytes); err == nil {
				material = certificate.PublicKey
			}
		default:
			err = fmt.Errorf("a block %.40q, want PUBLIC KEY or CERTIFICATE", block.Type)
		}
		if err == nil {
			err = usable(material)
		}
		if err != nil {
			return nil, fmt.Errorf("read PEM: %w", err)
		}
		if keys = append(keys, key{material: material}); len(keys) > keysMax {
			return nil, fmt.Errorf("read PEM: more than %d keys", keysMax)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("read PEM: there is no key in it")
	}
	return keys, nil
}

// parseSet reads a key set. Keys that are of no use are left out: those of other
// kinds, too weak ones, those for encryption, and everything that is not public,
// since a secret in a document that others can read is none.
func parseSet(text []byte) ([]key, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	if len(set.Keys) > keysMax {
		return nil, fmt.Errorf("read key set: %d keys, want at most %d", len(set.Keys), keysMax)
	}
	var keys []key
	for _, raw := range set.Keys {
		var one jose.JSONWebKey
		if one.UnmarshalJSON(raw) != nil || !one.Valid() || one.Use != "" && one.Use != "sig" || len(one.KeyID) > keyIDMax || usable(one.Key) != nil {
			continue
		}
		keys = append(keys, key{id: one.KeyID, algorithm: one.Algorithm, material: one.Key})
	}
	if len(keys) == 0 {
		return nil, errors.New("read key set: there is no usable key in it")
	}
	return keys, nil
}
