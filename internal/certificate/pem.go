package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

const (
	// maxText bounds a document; maxChain how many certificates are looked at.
	maxText  = 1 << 20
	maxChain = 16
)

var (
	boundary = regexp.MustCompile(`-----(BEGIN|END) [A-Z0-9 ]+-----`)
	blank    = regexp.MustCompile(`[ \t\r\n]+`)
)

// Lines gives PEM the line feeds back that it lost on its way through JSON,
// environment variables and forms: those written as \n, those that became
// blanks, and those that were left out (wire/sap.md 1.5 shows such a one).
// Text that is PEM already, or no PEM at all, stays as it is.
func Lines(text string) string {
	if len(text) > maxText || !strings.Contains(text, "-----BEGIN ") {
		return text
	}
	if !strings.Contains(text, "\n") || strings.Contains(text, `-----\n`) || strings.Contains(text, `-----\r\n`) {
		text = strings.NewReplacer(`\r\n`, "\n", `\n`, "\n").Replace(text)
	}
	places := boundary.FindAllStringIndex(text, -1)
	var b strings.Builder
	end := 0
	for n, at := range places {
		between := text[end:at[0]]
		if n > 0 && strings.HasPrefix(text[at[0]:], "-----END") && !strings.Contains(strings.TrimSpace(between), "\n") {
			between = fold(between)
		}
		b.WriteString(between)
		if b.Len() > 0 && !strings.HasSuffix(b.String(), "\n") {
			b.WriteByte('\n')
		}
		b.WriteString(text[at[0]:at[1]])
		if at[1] < len(text) && text[at[1]] != '\n' && text[at[1]] != '\r' {
			b.WriteByte('\n')
		}
		end = at[1]
	}
	b.WriteString(text[end:])
	return b.String()
}

// fold writes the base64 of a block in lines, a line feed before them. Headers of an encrypted key
// cannot be told apart any more once their line feeds are gone.
func fold(body string) string {
	const width = 64
	body = blank.ReplaceAllString(body, "")
	var b strings.Builder
	b.WriteByte('\n')
	for len(body) > width {
		b.WriteString(body[:width] + "\n")
		body = body[width:]
	}
	b.WriteString(body)
	return b.String()
}

// blocks gives the blocks of a PEM document, at most so many.
func blocks(text string, most int) []*pem.Block {
	var all []*pem.Block
	rest := []byte(Lines(text))
	for len(all) < most {
		block, after := pem.Decode(rest)
		if block == nil {
			break
		}
		all = append(all, block)
		rest = after
	}
	return all
}

// readChain reads the certificates of a document, in the order of the file.
func readChain(text string) ([]*x509.Certificate, *Finding) {
	unreadable := func(cure, format string, args ...any) *Finding {
		return &Finding{Check: CheckCertificate, Severity: Unusable, Message: fmt.Sprintf(format, args...), Cure: cure}
	}
	const want = "give the certificate in PEM: -----BEGIN CERTIFICATE----- …"
	switch {
	case strings.TrimSpace(text) == "":
		return nil, unreadable(want, "the certificate is empty")
	case len(text) > maxText:
		return nil, unreadable(want, "the certificate is larger than 1 MiB")
	}
	var chain []*x509.Certificate
	var other string
	for _, block := range blocks(text, 4*maxChain) {
		if block.Type != "CERTIFICATE" && block.Type != "X509 CERTIFICATE" {
			other = block.Type
			continue
		}
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, unreadable("export the certificate again; take all of it, from -----BEGIN to -----END",
				"certificate %d of the chain cannot be read: %s", len(chain)+1, plainParseError(err))
		}
		if len(chain) == maxChain {
			return nil, unreadable("keep the certificate and those that signed it", "the chain has more than %d certificates", maxChain)
		}
		chain = append(chain, parsed)
	}
	switch {
	case len(chain) > 0:
		return chain, nil
	case strings.Contains(other, "PRIVATE KEY"):
		return nil, unreadable("swap certificate and key, or name the file with the certificate", "where the certificate should be there is a private key")
	case strings.Contains(other, "REQUEST"):
		return nil, unreadable("have the request signed and use the certificate that comes back", "where the certificate should be there is a certificate request (CSR)")
	case strings.Contains(other, "PKCS7"):
		return nil, unreadable("convert it: openssl pkcs7 -print_certs -in FILE -out cert.pem", "the certificate is packed as PKCS #7")
	case other != "":
		return nil, unreadable(want, "where the certificate should be there is %q", other)
	case strings.Contains(text, "-----BEGIN"):
		return nil, unreadable("copy all of it, from -----BEGIN to -----END", "the certificate is cut off or garbled")
	case isBinary(text):
		return nil, unreadable("convert it: openssl x509 -inform der -in FILE -out cert.pem, or openssl pkcs12 -in FILE -out cert.pem for a .p12 or .pfx", "the certificate is binary, not PEM")
	}
	return nil, unreadable(want, "the certificate is not in PEM")
}

// isBinary recognises DER: a SEQUENCE of more than 127 bytes.
func isBinary(text string) bool { return len(text) > 2 && text[0] == 0x30 && text[1] >= 0x80 }

// plainParseError takes the names of the libraries away.
func plainParseError(err error) string {
	text := strings.ToValidUTF8(err.Error(), "\ufffd")
	for _, prefix := range []string{"x509: ", "crypto/x509: ", "asn1: ", "crypto/rsa: ", "crypto/ecdsa: "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	if r := []rune(text); len(r) > maxName {
		text = string(r[:maxName]) + "…"
	}
	return text
}
