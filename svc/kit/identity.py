"""Who calls: one identity per service, and the user that the edge vouches for.

A caller presents its name and its secret with every call, also inside a shared process. A secret
is a file that only its owner needs; everybody else holds its SHA-256 digest. Users are known to
the edge alone, so what the metadata says about a user counts only when the edge said it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from svc.kit import ids
from svc.kit.call import CURRENT_CALL, Context
from svc.kit.errors import DomainError, unauthenticated

EDGE = "edge"
"""Name of the edge's identity: the only one whose word about users is believed."""

OPERATOR = "mesh"
"""Name of the operator's program."""

CALLER_KEY = "x-mesh-caller"
SECRET_KEY = "x-mesh-secret"  # noqa: S105 (the name of the header, not what it holds)
USER_KEY = "x-user-id"
ACCOUNT_KEY = "x-account-id"
SOURCE_KEY = "x-source"

_DIGESTS_FILE = "identities.json"
_SECRET_BYTES = 32
_SHORTEST_SECRET = 32  # characters; a digest without salt is safe only over full entropy


class IdentityFilesError(Exception):
    """The secrets folder is missing something or contradicts itself."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A name and the secret that proves it, as sent with each call."""

    name: str
    secret: str

    def metadata(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """The metadata entries that present this identity."""
        return ((CALLER_KEY, self.name), (SECRET_KEY, self.secret))

    def __repr__(self) -> str:
        return f"Identity({self.name})"  # never the secret: it would reach logs


class Identities:
    """The digests of everybody's secrets: enough to check a caller, not to be one."""

    def __init__(self, digests: Mapping[str, str]) -> None:
        """``digests``: lower-case hexadecimal SHA-256 of each secret by name."""
        self._digests = dict(digests)
        # The secret that proved each name; spares the hash on every later call. Bounded by the
        # number of names, for only what matches a digest gets in.
        self._verified: dict[str, bytes] = {}

    def verify(self, name: str, secret: str) -> bool:
        """Whether ``secret`` is that of ``name``, in time independent of how much of it fits."""
        presented = secret.encode()
        verified = self._verified.get(name)
        if verified is not None:
            return hmac.compare_digest(verified, presented)
        digest = self._digests.get(name)
        if digest is None:
            return False
        if not hmac.compare_digest(digest, hashlib.sha256(presented).hexdigest()):
            return False
        self._verified[name] = presented
        return True


def create_secrets(folder: Path, names: Iterable[str]) -> None:
    """Makes what is missing of the folder, keeping what is there: safe to run at every start.

    ``<name>.secret`` per name, readable by its owner alone (mode 0600, folder 0700), and
    ``identities.json`` with the digests of all secrets found.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in names:
        path = _secret_path(folder, name)
        if not path.exists():
            _write_private(path, secrets.token_urlsafe(_SECRET_BYTES) + "\n")
    digests = {
        path.name.removesuffix(".secret"): _digest(_read_secret(path))
        for path in sorted(folder.glob("*.secret"))
    }
    _write_private(folder / _DIGESTS_FILE, json.dumps(digests, indent=2) + "\n")


def load_identity(folder: Path, name: str) -> Identity:
    """The identity of ``name``. Raises IdentityFilesError when its file is missing or too short."""
    return Identity(name, _read_secret(_secret_path(folder, name)))


def load_identities(folder: Path) -> Identities:
    """Everybody's digests. Raises IdentityFilesError when the file is missing or unreadable."""
    path = folder / _DIGESTS_FILE
    try:
        digests = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise IdentityFilesError(f"{path}: {error}; `mesh up` makes this file.") from error
    if not isinstance(digests, dict) or not all(
        isinstance(value, str) and len(value) == hashlib.sha256().digest_size * 2
        for value in digests.values()
    ):
        raise IdentityFilesError(f"{path}: not a JSON object of SHA-256 digests by name.")
    return Identities(digests)


def _secret_path(folder: Path, name: str) -> Path:
    return folder / f"{name}.secret"


def _read_secret(path: Path) -> str:
    try:
        secret = path.read_text().strip()
    except OSError as error:
        raise IdentityFilesError(f"{path}: {error}; `mesh up` makes this file.") from error
    if len(secret) < _SHORTEST_SECRET:
        raise IdentityFilesError(
            f"{path}: {len(secret)} characters, at least {_SHORTEST_SECRET} of them random."
        )
    return secret


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _write_private(path: Path, text: str) -> None:
    # Written aside and renamed: a reader, or a crash, never meets half a file.
    aside = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    aside.replace(path)


@dataclass(frozen=True, slots=True)
class Principal:
    """The user for whom the edge calls, by our internal ids.

    ``source`` is how the user came (REST, GRPC, WEBSOCKET…), as the edge says, or empty.
    """

    user_id: int
    account_id: int
    source: str


def caller(context: Context) -> str:
    """Name of the verified caller of this call. Empty when nothing verified it."""
    call = CURRENT_CALL.get()
    return call.caller if call is not None and call.context is context else ""


def principal(context: Context) -> Principal:
    """The user on whose behalf the edge makes this call.

    Raises UNAUTHENTICATED, reason USER_REQUIRED, unless the caller is the edge and both ids are
    there once and are ids of ours. Called from another task than the call's it refuses as well.
    """
    if caller(context) != EDGE:
        raise unauthenticated("USER_REQUIRED", "Only calls through the edge carry a user.")
    found: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if key in (USER_KEY, ACCOUNT_KEY, SOURCE_KEY):
            if key in found or not isinstance(value, str):
                raise unauthenticated("USER_REQUIRED", f"Header {key} was given twice.")
            found[key] = value
    return Principal(
        user_id=_user_header(found, USER_KEY),
        account_id=_user_header(found, ACCOUNT_KEY),
        source=found.get(SOURCE_KEY, ""),
    )


def _user_header(found: Mapping[str, str], key: str) -> int:
    try:
        return ids.from_uuid(found[key])
    except (KeyError, ValueError):
        raise _user_required(key) from None


def _user_required(key: str) -> DomainError:
    return unauthenticated("USER_REQUIRED", f"A token with a user is needed: {key} is not an id.")
