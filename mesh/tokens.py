"""Issues the tokens that the edge verifies, until the identity service does.

Owns the signing key: an Ed25519 key in the installation's folder, readable by its owner only. The
edge gets the public half as a JSON Web Key Set (RFC 7517, RFC 8037).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from svc.kit import ids

ISSUER = "quantamesh"
AUDIENCE = "quantamesh"
DEFAULT_LIFETIME_S = 30 * 24 * 3600


class TokenIssuer:
    """Signs tokens with the key at `path`, which is made on first use."""

    def __init__(self, path: Path) -> None:
        self._key = _load_or_make(path)
        public = self._key.public_key().public_bytes_raw()
        self._key_id = hashlib.sha256(public).hexdigest()[:16]
        self._public = base64.urlsafe_b64encode(public).rstrip(b"=").decode()

    def jwks(self) -> str:
        """The public key as a JSON Web Key Set."""
        key = {
            "kty": "OKP",
            "crv": "Ed25519",
            "alg": "EdDSA",
            "use": "sig",
            "kid": self._key_id,
            "x": self._public,
        }
        return json.dumps({"keys": [key]})

    def issue(self, user_id: int, account_id: int, *, now_s: int, lifetime_s: int) -> str:
        """A token that lets its bearer act as the account, from now for `lifetime_s` seconds."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": ids.to_uuid(user_id),
            "account": ids.to_uuid(account_id),
            "iat": now_s,
            "exp": now_s + lifetime_s,
        }
        return jwt.encode(claims, self._key, algorithm="EdDSA", headers={"kid": self._key_id})


def _load_or_make(path: Path) -> Ed25519PrivateKey:
    if path.exists():
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError(f"{path} holds a key of another kind; an Ed25519 key is needed")
        return key
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    return key
