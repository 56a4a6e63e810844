import "reflect-metadata";
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";

/** PEM of a certificate and of its key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

/** An authority that only its own test knows. */
export interface Authority {
  /** PEM of its certificate. */
  readonly ca: string;
  /** For a server under these names; an address is a name too. */
  readonly server: (names: readonly string[]) => Promise<KeyPair>;
  /** For a client: the user, and the groups that it is in. */
  readonly client: (user: string, groups?: readonly string[]) => Promise<KeyPair>;
}

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
const DAY_MS = 86_400_000;

const pemOf = async (key: CryptoKey): Promise<string> => {
  const der = Buffer.from(await crypto.subtle.exportKey("pkcs8", key));
  return `-----BEGIN PRIVATE KEY-----\n${der.toString("base64").replaceAll(/(.{64})/g, "$1\n")}\n-----END PRIVATE KEY-----\n`;
};

const generalName = (name: string): JsonGeneralName => ({
  type: /^[\d.]+$|:/.test(name) ? "ip" : "dns",
  value: name,
});

/** Makes an authority as kubeadm does, with keys of its own. */
export const createAuthority = async (name = "kubernetes"): Promise<Authority> => {
  const begin = Date.now();
  const validity = { notBefore: new Date(begin - DAY_MS), notAfter: new Date(begin + DAY_MS) };
  const makeKeys = async () => crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const keys = await makeKeys();
  const own = await X509CertificateGenerator.createSelfSigned({
    ...validity,
    serialNumber: "01",
    name: `CN=${name}`,
    signingAlgorithm: ALGORITHM,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    ],
  });
  let issued = 1;

  const issue = async (
    subject: string,
    usage: ExtendedKeyUsage,
    names: readonly string[],
  ): Promise<KeyPair> => {
    const subjectKeys = await makeKeys();
    issued += 1;
    const certificate = await X509CertificateGenerator.create({
      ...validity,
      serialNumber: issued.toString(16).padStart(2, "0"),
      subject,
      issuer: own.subject,
      publicKey: subjectKeys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new ExtendedKeyUsageExtension([usage]),
        ...(names.length > 0 ? [new SubjectAlternativeNameExtension(names.map(generalName))] : []),
      ],
    });
    return { cert: certificate.toString("pem"), key: await pemOf(subjectKeys.privateKey) };
  };

  return {
    ca: own.toString("pem"),
    server: async (names) => issue("CN=kube-apiserver", ExtendedKeyUsage.serverAuth, names),
    client: async (user, groups = []) =>
      issue(
        [...groups.map((group) => `O=${group}`), `CN=${user}`].join(", "),
        ExtendedKeyUsage.clientAuth,
        [],
      ),
  };
};
