"""Secrets on disk: made once, private, and enough to be somebody; digests, and not enough."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from svc.kit.identity import (
    Identities,
    IdentityFilesError,
    create_secrets,
    load_identities,
    load_identity,
)


def test_the_folder_and_its_files_are_their_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "secrets"
    create_secrets(folder, ("order", "edge"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {
        "order.secret",
        "edge.secret",
        "identities.json",
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_making_them_again_keeps_what_is_there_and_adds_what_is_missing(tmp_path: Path) -> None:
    create_secrets(tmp_path, ("order",))
    before = load_identity(tmp_path, "order")
    create_secrets(tmp_path, ("order", "wallet"))
    assert load_identity(tmp_path, "order") == before
    identities = load_identities(tmp_path)
    for name in ("order", "wallet"):
        assert identities.verify(name, load_identity(tmp_path, name).secret)


def test_every_secret_is_another_one_and_proves_its_own_name_only(tmp_path: Path) -> None:
    create_secrets(tmp_path, ("order", "wallet"))
    order, wallet = load_identity(tmp_path, "order"), load_identity(tmp_path, "wallet")
    assert order.secret != wallet.secret
    identities = load_identities(tmp_path)
    for _ in range(2):  # the second time what was verified is remembered
        assert identities.verify("order", order.secret)
        assert not identities.verify("order", wallet.secret)
        assert not identities.verify("order", "")
        assert not identities.verify("risk", order.secret)


def test_the_digests_do_not_hold_a_secret(tmp_path: Path) -> None:
    create_secrets(tmp_path, ("order",))
    digests = (tmp_path / "identities.json").read_text()
    assert load_identity(tmp_path, "order").secret not in digests
    assert not Identities(json.loads(digests)).verify("order", json.loads(digests)["order"])


def test_an_identity_does_not_print_its_secret(tmp_path: Path) -> None:
    create_secrets(tmp_path, ("order",))
    identity = load_identity(tmp_path, "order")
    assert identity.secret not in f"{identity} {identity!r}"


def test_a_missing_file_is_told_with_its_path_and_who_makes_it(tmp_path: Path) -> None:
    with pytest.raises(IdentityFilesError, match=r"order\.secret.*`mesh up`"):
        load_identity(tmp_path, "order")
    with pytest.raises(IdentityFilesError, match=r"identities\.json.*`mesh up`"):
        load_identities(tmp_path)


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "order.secret").write_text("letmein\n")
    with pytest.raises(IdentityFilesError, match="7 characters, at least 32"):
        load_identity(tmp_path, "order")


@pytest.mark.parametrize("text", ["", "[]", '{"order": "abc"}', '{"order": 7}'])
def test_digests_that_are_none_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "identities.json").write_text(text)
    with pytest.raises(IdentityFilesError, match=r"identities\.json"):
        load_identities(tmp_path)
