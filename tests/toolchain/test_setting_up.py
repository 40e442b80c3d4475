"""Setting up: what a machine lacks is named with its remedy, and `mesh` is there afterwards."""

import os
import subprocess
import sys
import sysconfig
from importlib import import_module
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from mesh import preflight
from mesh.__main__ import COMMANDS, main

ROOT = Path(__file__).parents[2]


def run_preflight(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-I", ROOT / "mesh" / "preflight.py"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_machine_with_everything_is_let_through_in_silence() -> None:
    passed = run_preflight()
    assert (passed.returncode, passed.stderr) == (0, "")


def test_a_missing_compiler_is_named_with_its_remedy() -> None:
    refused = run_preflight(CC="no-such-compiler -m64")
    assert refused.returncode == 1
    assert "'no-such-compiler' is not found" in refused.stderr
    assert "apt-get install gcc" in refused.stderr


def test_missing_headers_are_named_with_their_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": "/nowhere"})
    (missing,) = preflight.missing_parts()
    assert "/nowhere/Python.h" in missing
    assert "python3-dev" in missing


def test_an_old_python_is_named_and_nothing_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "OLDEST_PYTHON", (99, 0))
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"include": "/nowhere"})
    (missing,) = preflight.missing_parts()
    assert sys.executable in missing
    assert "PYTHON=" in missing


def test_mesh_lists_its_commands_with_examples() -> None:
    said = CliRunner().invoke(main, ["--help"])
    assert said.exit_code == 0
    assert "Examples:" in said.output
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in said.output
        assert line.split()[0] in said.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_mesh_explains_itself(name: str) -> None:
    command = import_module(COMMANDS[name][0]).command
    assert isinstance(command, click.Command)
    said = CliRunner().invoke(main, [name, "--help"])
    assert said.exit_code == 0
    assert f"{name} [OPTIONS]" in said.output


def test_an_unknown_command_is_refused_with_the_way_to_help() -> None:
    said = CliRunner().invoke(main, ["trade"])
    assert said.exit_code == 2
    assert "No such command 'trade'" in said.output
