// Certificates of the test's own, signed by an authority that it makes.

import crypto from 'node:crypto';
import forge from 'node-forge';

const day = 24 * 3600 * 1000;

const pair = () => {
  const { privateKey, publicKey } = crypto.generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  return { key: privateKey, private: forge.pki.privateKeyFromPem(privateKey), public: forge.pki.publicKeyFromPem(publicKey) };
};

const serial = () => '01' + crypto.randomBytes(15).toString('hex');

// authority makes one; its issue() gives {key, cert} in PEM for a name, and
// selfSigned() one that nobody else vouches for.
export function authority(commonName) {
  const root = pair();
  const subject = [{ name: 'organizationName', value: 'iflowtest' }, { name: 'commonName', value: commonName }];
  const make = (keys, name, by, signer, extensions) => {
    const c = forge.pki.createCertificate();
    c.publicKey = keys.public;
    c.serialNumber = serial();
    c.validity.notBefore = new Date(Date.now() - day);
    c.validity.notAfter = new Date(Date.now() + 90 * day);
    c.setSubject(name);
    c.setIssuer(by);
    c.setExtensions(extensions);
    c.sign(signer, forge.md.sha256.create());
    return forge.pki.certificateToPem(c);
  };
  const cert = make(root, subject, subject, root.private, [
    { name: 'basicConstraints', cA: true, critical: true },
    { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
    { name: 'subjectKeyIdentifier' },
  ]);
  const leaf = server => [
    { name: 'basicConstraints', cA: false, critical: true },
    { name: 'keyUsage', digitalSignature: true, critical: true },
    server
      ? { name: 'extKeyUsage', serverAuth: true }
      : { name: 'extKeyUsage', clientAuth: true },
    ...(server ? [{ name: 'subjectAltName', altNames: [{ type: 2, value: 'localhost' }, { type: 7, ip: '127.0.0.1' }] }] : []),
  ];
  const name = cn => [{ name: 'organizationName', value: 'iflowtest' }, { name: 'commonName', value: cn }];
  return {
    cert,
    server: cn => { const k = pair(); return { key: k.key, cert: make(k, name(cn), subject, root.private, leaf(true)) }; },
    client: cn => { const k = pair(); return { key: k.key, cert: make(k, name(cn), subject, root.private, leaf(false)) }; },
    selfSigned: cn => { const k = pair(); return { key: k.key, cert: make(k, name(cn), name(cn), k.private, leaf(false)) }; },
  };
}

// thumbprint is what cnf x5t#S256 of a bound token names (RFC 8705 3.1).
export const thumbprint = cert => crypto.createHash('sha256').update(new crypto.X509Certificate(cert).raw).digest('base64url');

// encrypted is a private key in PKCS #8 that a password opens.
export const encrypted = (key, passphrase) =>
  crypto.createPrivateKey(key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase });
