"""Keys, certificates and seals that everybody may see."""

# ruff: noqa: E501  # rows are as wide as in the files they are for

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from negatives.pools import File, b64, b64url, fill, kind, sheet

if TYPE_CHECKING:
    from random import Random

DASHES = "-" * 5


def armour(label: str, raw: bytes) -> str:
    """Bytes in PEM armour."""
    text = base64.b64encode(raw).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join((f"{DASHES}BEGIN {label}{DASHES}", *lines, f"{DASHES}END {label}{DASHES}"))


def sequence(rng: Random, size: int) -> bytes:
    """A DER SEQUENCE filled with noise."""
    return b"\x30\x82" + (size).to_bytes(2, "big") + rng.randbytes(size)


def ssh_key(rng: Random) -> str:
    """The public half of an SSH key."""
    name = rng.choice((b"ssh-ed25519", b"ssh-rsa", b"ecdsa-sha2-nistp256"))
    size = {b"ssh-ed25519": 32, b"ssh-rsa": 257}.get(name, 65)
    raw = len(name).to_bytes(4, "big") + name + size.to_bytes(4, "big") + rng.randbytes(size)
    return f"{name.decode()} {base64.b64encode(raw).decode()}"


@kind("certificates and public keys")
def certificates(rng: Random) -> File:
    """A bundle of certificates, requests and public keys."""
    labels = (
        "CERTIFICATE",
        "PUBLIC KEY",
        "CERTIFICATE REQUEST",
        "RSA PUBLIC KEY",
        "X509 CRL",
        "PGP PUBLIC KEY BLOCK",
        "PGP SIGNATURE",
        "SSH2 PUBLIC KEY",
        "DH PARAMETERS",
    )
    blocks = [
        fill("# @svc @saynoun\n", rng)
        + armour(rng.choice(labels), sequence(rng, rng.randint(90, 1400)))
        for _ in range(6)
    ]
    return File(fill("certs/@svc.pem", rng), "\n".join(blocks) + "\n")


@kind("certificates in code")
def certificates_in_code(rng: Random) -> File:
    """Certificates as one line in configuration, as code and in JSON."""
    pem = armour(rng.choice(("CERTIFICATE", "PUBLIC KEY")), sequence(rng, 550))
    escaped = pem.replace("\n", "\\n")
    body = "".join(pem.split("\n")[1:-1])
    indented = pem.replace("\n", "\n    ")
    text = fill(
        f'{{"public_key": "{escaped}", "kid": "@hex:40",\n "x5c": ["{body}"]}}\n'
        f'const @svc_PUBLIC_KEY = `{pem}`;\n@SVC_CA_CERT="{escaped}"\n'
        f"certificate-authority-data: {base64.b64encode(pem.encode()).decode()}\n"
        f'public_key: |\n    {indented}\njwt.verify(token, "{escaped}");\n'
        f"<ds:X509Certificate>{body}</ds:X509Certificate>\n",
        rng,
    )
    return File(fill("src/auth/@svc_keys.txt", rng), text)


@kind("ssh public keys")
def ssh_public_keys(rng: Random) -> File:
    """What authorized_keys, known_hosts and cloud configuration hold."""
    lines = []
    for _ in range(40):
        key = ssh_key(rng)
        lines += [
            fill(f"{key} @word@@svc-host", rng),
            fill(f"@svc.example.org,@ip {key}", rng),
            f"|1|{b64(20, rng)}|{b64(20, rng)} {key}",
            fill(f'  public_key = "{key} deploy@@svc"', rng),
            fill(f'  ssh_authorized_keys: ["{key}"]', rng),
            fill("256 SHA256:" + b64(32, rng).rstrip("=") + " @word@@svc (ED25519)", rng),
            fill(
                "2048 MD5:" + ":".join(f"{byte:02x}" for byte in rng.randbytes(16)) + " @svc", rng
            ),
        ]
    return File(rng.choice(("authorized_keys", "known_hosts", "infra/keys.tf")), "\n".join(lines))


@kind("key sets")
def key_sets(rng: Random) -> File:
    """JSON Web Key Sets and OpenID configuration: the public half only."""
    rows = []
    for _ in range(20):
        rows += [
            '    {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "' + b64url(32, rng) + '",',
            '     "n": "' + b64url(256, rng) + '", "e": "AQAB",',
            '     "x5t": "' + b64url(20, rng) + '", "x5t#S256": "' + b64url(32, rng) + '"},',
            '    {"kty": "EC", "crv": "P-256", "kid": "' + rng.randbytes(16).hex() + '",',
            '     "x": "' + b64url(32, rng) + '", "y": "' + b64url(32, rng) + '"},',
            '    {"kty": "OKP", "crv": "Ed25519", "x": "' + b64url(32, rng) + '"},',
        ]
    return File(fill("tests/@svc/jwks.json", rng), '{"keys": [\n' + "\n".join(rows) + "\n{}]}\n")


sheet(
    "public halves",
    "config/@word.conf",
    (
        "PublicKey = @b64:32",
        "# @svc peer\nPublicKey = @b64:32\nAllowedIPs = @ip/32",
        "age1@lownum:58",
        "  - recipient: age1@lownum:58",
        '  "public_key": "@b64:32",',
        "SUPublicEDKey: @b64:32",
        "untrusted comment: minisign public key @HEX:16\nRWQ@b64:39",
        "fingerprint: @HEX:40",
        "gpg --recv-keys @HEX:40",
        "pub   rsa4096/0x@HEX:16 @date [SC]",
        "Key fingerprint = @HEX:4 @HEX:4 @HEX:4 @HEX:4 @HEX:4  @HEX:4 @HEX:4 @HEX:4 @HEX:4 @HEX:4",
        "cosign_public_key: @b64:91",
        'vapidPublicKey: "BKd@b64url:63"',
        "trusted-key: @HEX:16",
        'data-sitekey="6L@b64url:28"',
        'applicationServerKey: "BKd@b64url:63",',
        "p=MIGfMA0GCSqGSIb3DQEBAQUAA4GN@b64:135",
        "v=DKIM1; k=rsa; p=@b64:162",
        '_acme-challenge.@svc.example.org. 300 IN TXT "@b64url:32"',
        "@svc.example.org. IN DS @n:60000 13 2 @HEX:64",
        "nacl_public: @hex:64",
        "tor: @lownum:56.onion",
        "NodeId: @hex:40",
        "peer_id: 12D3KooW@alnum:44",
    ),
)

sheet(
    "sealed values",
    "deploy/@svc/sealed.yaml",
    (
        "    @svc_@noun: ENC[AES256_GCM,data:@b64:33,iv:@b64:32,tag:@b64:16,type:str]",
        "    @noun: AgB@b64:330",
        "    @svc_@noun: vault:v1:@b64:60",
        "    @svc_@noun: '{cipher}@hex:96'",
        '    secure: "@b64:512"',
        "    password: ENC(@b64:24)",
        "    @noun: '!vault |'",
        "          $ANSIBLE_VAULT;1.1;AES256\n          @hex:80\n          @hex:80\n          @hex:80",
        "    @svc_@noun: kms:AQICAHi@b64:150",
        "    encrypted_value: @b64:96",
        "    mac: ENC[AES256_GCM,data:@b64:60,iv:@b64:32,tag:@b64:16,type:str]",
        "    @svc_@noun_encrypted: @b64:64",
        "    ciphertext: @b64:128",
    ),
    head="apiVersion: bitnami.com/v1alpha1\nkind: SealedSecret\nspec:\n  encryptedData:\n",
    count=30,
)
