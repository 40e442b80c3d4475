"""Says what this machine lacks to build QuantaMesh, before anything is downloaded.

Runs under whatever ``python3`` the machine has, so it imports nothing but the standard library and
keeps to what old interpreters understand: they must be told so in words, not by a SyntaxError. Run
it isolated (``python3 -I``), lest a neighbour in this folder be taken for the standard library's.
"""

import importlib.util
import os
import shutil
import sys
import sysconfig
from pathlib import Path

OLDEST_PYTHON = (3, 11)


def missing_parts() -> "list[str]":
    """Return a sentence per missing part, with the command that adds it; empty if all is there."""
    if sys.version_info < OLDEST_PYTHON:
        here = ".".join(str(part) for part in sys.version_info[:2])
        return [
            f"Python 3.11 or newer is needed and {sys.executable} is {here}: make PYTHON=/path/to/…"
        ]
    missing = []
    if importlib.util.find_spec("ensurepip") is None:
        missing.append("Python's venv module is incomplete: apt-get install python3-venv")
    compiler = os.environ.get("CC", "cc").split()[0]
    if shutil.which(compiler) is None:
        missing.append(
            f"a C compiler is needed for the matching engine and {compiler!r} is not found: "
            "apt-get install gcc (macOS: xcode-select --install), or set CC"
        )
    header = Path(sysconfig.get_paths()["include"], "Python.h")
    if not header.exists():
        missing.append(
            f"the headers of {sys.executable} are needed and {header} is not there: "
            "apt-get install python3-dev (Fedora: dnf install python3-devel)"
        )
    return missing


def main() -> None:
    """Print what is missing and exit 1, or exit 0 in silence."""
    missing = missing_parts()
    for sentence in missing:
        sys.stderr.write(f"QuantaMesh cannot be built here: {sentence}\n")
    sys.exit(1 if missing else 0)


if __name__ == "__main__":
    main()
