package certificate

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
)

// readKey reads a private key. The messages hold nothing of it.
func readKey(text, password string) (crypto.Signer, []Finding) {
	trouble := func(check Check, cure, format string, args ...any) []Finding {
		return []Finding{{Check: check, Severity: Unusable, Message: fmt.Sprintf(format, args...), Cure: cure}}
	}
	block, trouble1 := keyBlock(text)
	if trouble1 != nil {
		return nil, []Finding{*trouble1}
	}
	der, encrypted := block.Bytes, isEncrypted(block)
	if encrypted {
		if password == "" {
			return nil, trouble(CheckPassword, "give its password: key-password: ${env.KEY_PASSWORD}", "the private key is encrypted, and no password is given")
		}
		var err error
		if der, err = decrypt(block, password); err != nil {
			if unsupported, ok := errors.AsType[*unsupportedError](err); ok {
				return nil, trouble(CheckKey, "convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem", "the private key is encrypted with %s, which cannot be read", unsupported.what)
			}
			return nil, trouble(CheckPassword, "check key-password, and that its variable is the one of this key", "the password does not open the private key")
		}
	}
	key, err := parseKey(der)
	switch {
	case err != nil && encrypted:
		// A wrong password may decrypt to something that looks padded.
		return nil, trouble(CheckPassword, "check key-password, and that its variable is the one of this key", "the password does not open the private key")
	case err != nil:
		return nil, trouble(CheckKey, "export the key again as PKCS #8: openssl pkcs8 -topk8 -nodes -in key.pem -out new.pem", "the private key cannot be read: %s", err)
	case !encrypted && password != "":
		return key, []Finding{{Check: CheckPassword, Severity: Remark, Message: "a password is given, and the private key is not encrypted", Cure: "leave key-password out, or encrypt the key"}}
	}
	return key, nil
}

// keyBlock finds the private key among the blocks of a document.
func keyBlock(text string) (*pem.Block, *Finding) {
	unreadable := func(cure, message string) *Finding {
		return &Finding{Check: CheckKey, Severity: Unusable, Message: message, Cure: cure}
	}
	const want = "give the private key in PEM: -----BEGIN PRIVATE KEY----- …"
	if strings.TrimSpace(text) == "" {
		return nil, unreadable(want, "the private key is empty")
	}
	if len(text) > maxText {
		return nil, unreadable(want, "the private key is larger than 1 MiB")
	}
	var other string
	for _, block := range blocks(text, 4*maxChain) {
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return block, nil
		}
		other = block.Type
	}
	switch {
	case strings.Contains(other, "CERTIFICATE"):
		return nil, unreadable("swap certificate and key, or name the file with the key", "where the private key should be there is a certificate")
	case strings.Contains(other, "PUBLIC KEY"):
		return nil, unreadable("name the file with the private key", "where the private key should be there is a public key")
	case other != "":
		return nil, unreadable(want, fmt.Sprintf("where the private key should be there is %q", other))
	case strings.Contains(text, "-----BEGIN"):
		return nil, unreadable("copy all of it, from -----BEGIN to -----END", "the private key is cut off or garbled")
	case isBinary(text):
		return nil, unreadable("convert it: openssl pkey -inform der -in FILE -out key.pem, or openssl pkcs12 -nocerts -in FILE -out key.pem for a .p12 or .pfx", "the private key is binary, not PEM")
	}
	return nil, unreadable(want, "the private key is not in PEM")
}

// parseKey reads PKCS #8, PKCS #1 or SEC 1, whatever the block is called.
func parseKey(der []byte) (crypto.Signer, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
		return nil, errors.New("it is for key agreement and signs nothing")
	}
	rsaKey, err := x509.ParsePKCS1PrivateKey(der)
	if err == nil {
		return rsaKey, nil
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key, nil
	}
	return nil, errors.New("it is neither PKCS #8 nor PKCS #1 nor SEC 1, or is damaged")
}
