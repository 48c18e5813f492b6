package certificate

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/des"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"
	"strings"
)

// errPassword says that what came out of a decryption is no key.
var errPassword = errors.New("the password does not fit")

// unsupportedError names a way of encryption that cannot be undone here.
type unsupportedError struct{ what string }

func (e *unsupportedError) Error() string { return "encrypted with " + e.what }

// isEncrypted reports whether a block is encrypted: as PKCS #8 (RFC 5958 3),
// or by the headers of RFC 1421 that OpenSSL once wrote.
func isEncrypted(b *pem.Block) bool {
	return b.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(b.Headers["Proc-Type"], "ENCRYPTED")
}

func decrypt(b *pem.Block, password string) ([]byte, error) {
	if b.Type == "ENCRYPTED PRIVATE KEY" {
		return decryptPKCS8(b.Bytes, password)
	}
	method, _, _ := strings.Cut(b.Headers["DEK-Info"], ",")
	//lint:ignore SA1019 keys of this form are around; what is wrong with it is the form, not the reading
	der, err := x509.DecryptPEMBlock(b, []byte(password))
	switch {
	case err == nil:
		return der, nil
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, errPassword
	}
	return nil, &unsupportedError{quoted(method)}
}

// What follows is PBES2 of RFC 8018: the password and a salt give a key, which
// opens a block cipher in CBC mode.

type encryptedKey struct {
	Algorithm pkix.AlgorithmIdentifier
	Data      []byte
}

type pbes2 struct{ Derivation, Cipher pkix.AlgorithmIdentifier }

type derivation struct {
	Salt       []byte
	Iterations int
	KeyLength  int                      `asn1:"optional"`
	Hash       pkix.AlgorithmIdentifier `asn1:"optional"`
}

// maxIterations bounds the work that a foreign file can ask for: some seconds.
const maxIterations = 2_000_000

func decryptPKCS8(der []byte, password string) ([]byte, error) {
	damaged := &unsupportedError{"parameters that are damaged"}
	var box encryptedKey
	if rest, err := asn1.Unmarshal(der, &box); err != nil || len(rest) > 0 {
		return nil, damaged
	}
	if scheme := box.Algorithm.Algorithm.String(); scheme != "1.2.840.113549.1.5.13" {
		return nil, &unsupportedError{"the scheme " + scheme}
	}
	var p pbes2
	if _, err := asn1.Unmarshal(box.Algorithm.Parameters.FullBytes, &p); err != nil {
		return nil, damaged
	}
	switch kdf := p.Derivation.Algorithm.String(); kdf {
	case "1.2.840.113549.1.5.12":
	case "1.3.6.1.4.1.11591.4.11":
		return nil, &unsupportedError{"scrypt"}
	default:
		return nil, &unsupportedError{"the key derivation " + kdf}
	}
	var d derivation
	if _, err := asn1.Unmarshal(p.Derivation.Parameters.FullBytes, &d); err != nil || d.Iterations < 1 {
		return nil, damaged
	}
	if d.Iterations > maxIterations {
		return nil, &unsupportedError{"more than 2000000 iterations"}
	}
	c, err := blockCipherOf(p.Cipher)
	if err != nil {
		return nil, err
	}
	h, err := hashOf(d.Hash)
	if err != nil {
		return nil, err
	}
	var iv []byte
	if _, err := asn1.Unmarshal(p.Cipher.Parameters.FullBytes, &iv); err != nil || len(iv) != c.block {
		return nil, damaged
	}
	if len(box.Data) == 0 || len(box.Data)%c.block != 0 {
		return nil, damaged
	}
	key, err := pbkdf2.Key(h, password, d.Salt, d.Iterations, c.key)
	if err != nil {
		return nil, &unsupportedError{"parameters that this machine refuses"}
	}
	block, err := c.make(key)
	if err != nil {
		return nil, &unsupportedError{"parameters that this machine refuses"}
	}
	plain := make([]byte, len(box.Data))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, box.Data)
	return unpad(plain, c.block)
}

// blockCipher is a cipher with the length of its key and its blocks in bytes.
type blockCipher struct {
	key, block int
	make       func(key []byte) (cipher.Block, error)
}

func blockCipherOf(a pkix.AlgorithmIdentifier) (blockCipher, error) {
	switch name := a.Algorithm.String(); name {
	case "2.16.840.1.101.3.4.1.2":
		return blockCipher{16, aes.BlockSize, aes.NewCipher}, nil
	case "2.16.840.1.101.3.4.1.22":
		return blockCipher{24, aes.BlockSize, aes.NewCipher}, nil
	case "2.16.840.1.101.3.4.1.42":
		return blockCipher{32, aes.BlockSize, aes.NewCipher}, nil
	case "1.2.840.113549.3.7":
		return blockCipher{24, des.BlockSize, des.NewTripleDESCipher}, nil
	default:
		return blockCipher{}, &unsupportedError{"the cipher " + name}
	}
}

func hashOf(a pkix.AlgorithmIdentifier) (func() hash.Hash, error) {
	if len(a.Algorithm) == 0 {
		return sha1.New, nil
	}
	switch name := a.Algorithm.String(); name {
	case "1.2.840.113549.2.7":
		return sha1.New, nil
	case "1.2.840.113549.2.8":
		return sha256.New224, nil
	case "1.2.840.113549.2.9":
		return sha256.New, nil
	case "1.2.840.113549.2.10":
		return sha512.New384, nil
	case "1.2.840.113549.2.11":
		return sha512.New, nil
	default:
		return nil, &unsupportedError{"the hash " + name}
	}
}

// unpad takes the padding of RFC 8018 6.1.1 away.
func unpad(plain []byte, size int) ([]byte, error) {
	last := int(plain[len(plain)-1])
	if last < 1 || last > size || last > len(plain) {
		return nil, errPassword
	}
	for _, b := range plain[len(plain)-last:] {
		if int(b) != last {
			return nil, errPassword
		}
	}
	return plain[:len(plain)-last], nil
}

func quoted(text string) string {
	if text == "" {
		return "an unknown cipher"
	}
	return plainParseError(errors.New(text))
}
