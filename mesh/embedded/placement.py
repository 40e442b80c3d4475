"""Where a server's files live and who runs it.

PostgreSQL refuses to run as root. Started by root it runs as an existing user without rights, and
all it needs must be within that user's reach: where the home asked for is not, the files live below
/var/lib and the home keeps a note of the place, which stays true when the home is moved. Only the
folder with the server's files is that user's; no folder but ours changes its owner or its mode.
"""

import hashlib
import os
import pwd
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from mesh.embedded.child import Account, ServerError

NOTE = "location"
ELSEWHERE = Path("/var/lib")
UNPRIVILEGED = ("postgres", "nobody")
LONGEST_SOCKET_PATH = 100
"""Systems allow 104 to 108 bytes for the path of a Unix socket."""


@dataclass(frozen=True, slots=True)
class Place:
    """The folder that is the server's own, and who runs it; None means the caller himself."""

    folder: Path
    account: Account | None


def place_for(home: Path) -> Place:
    """Make and return the place of a server below `home`, which stays the caller's.

    Raises ServerError where root has no account to step down to, or the folder is another's.
    """
    home.mkdir(parents=True, exist_ok=True)
    note = home / NOTE
    folder = Path(note.read_text().strip()) if note.exists() else home / "server"
    if os.geteuid() != 0:
        folder.mkdir(mode=0o700, exist_ok=True)
        if not os.access(folder, os.W_OK | os.X_OK):
            raise ServerError(f"{folder} was made by root or another user: start as that user")
        return Place(folder, None)
    account = _owner(folder) or _unprivileged()
    home.chmod(0o711)
    if folder.parent == home and not _can(account, "-x", home):
        folder = ELSEWHERE / f"quantamesh-{_digest(home)}"
        note.write_text(f"{folder}\n")
    _give(folder, account)
    return Place(folder, account)


def socket_folder(place: Place) -> Path:
    """Make and return the folder for the server's socket, which only its user (and root) enters.

    It is inside the server's own folder where the path is short enough for a socket.
    """
    folder = place.folder / "run"
    if len(os.fsencode(folder / ".s.PGSQL.5432")) > LONGEST_SOCKET_PATH:
        folder = Path("/tmp", f"quantamesh-{_digest(place.folder)}")  # noqa: S108 - checked below
    uid = os.geteuid() if place.account is None else place.account.uid
    try:
        folder.mkdir(mode=0o700)
        if place.account is not None:
            os.chown(folder, uid, place.account.gid, follow_symlinks=False)
    except FileExistsError:
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
            raise ServerError(
                f"{folder} is there and is not a private folder of user {uid}: remove it"
            ) from None
    return folder


def programs_for(place: Place, installed: Path, needed: tuple[str, ...]) -> Path:
    """Return the folder with the programs: `installed`, or a copy that the account can reach.

    `needed` are the parts to copy, relative to `installed`; their arrangement stays, because the
    programs find their libraries by it.
    """
    account = place.account
    needed = tuple(part for part in needed if (installed / part).exists())
    if account is None or all(_can(account, "-r", installed / part) for part in needed):
        return installed
    copy = place.folder / f"programs-{_digest(installed)}"
    if not copy.exists():
        fresh = copy.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        for part in needed:
            _copy_readable(installed / part, fresh / part)
        for folder, _, _ in os.walk(fresh):
            Path(folder).chmod(0o755)
        fresh.replace(copy)
    return copy


def _copy_readable(source: Path, target: Path) -> None:
    files = [path for path in source.rglob("*") if path.is_file()] if source.is_dir() else [source]
    for path in files:
        to = target / path.relative_to(source) if source.is_dir() else target
        to.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, to)
        to.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)


def _give(folder: Path, account: Account) -> None:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        os.chown(folder, account.uid, account.gid, follow_symlinks=False)
    except OSError as error:
        raise ServerError(f"{folder} cannot be given to user {account.name}: {error}") from error


def _owner(folder: Path) -> Account | None:
    uid = folder.stat().st_uid if folder.exists() else 0
    if uid == 0:
        return None
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise ServerError(f"{folder} belongs to user {uid}, whom this system lacks") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _unprivileged() -> Account:
    for name in UNPRIVILEGED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name, entry.pw_uid, entry.pw_gid)
    raise ServerError(
        "PostgreSQL does not run as root and this system has no user "
        f"{' or '.join(UNPRIVILEGED)} to run it: start as an ordinary user"
    )


def _can(account: Account, how: str, path: Path) -> bool:
    """Ask the system itself, as that account: only it knows of every rule that applies."""
    try:
        asked = subprocess.run(
            ["/usr/bin/test", how, str(path)],
            cwd="/",
            user=account.uid,
            group=account.gid,
            extra_groups=[],
            check=False,
        )
    except OSError as error:
        raise ServerError(
            f"root may not act as user {account.name} here ({error}): start as an ordinary user"
        ) from error
    return asked.returncode == 0


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]
