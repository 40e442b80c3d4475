"""Turns protos/ into gen/ (stubs, types, the edge's descriptor set) and guards their promises.

gen/ is a function of protos/ and of the locked generators alone: `check` compares byte by byte.

    python -m mesh.generate write|check|image|breaking
"""

import filecmp
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).with_name("buf")
GEN = ROOT / "gen"
IMAGE = ROOT / "protos" / "image.binpb"
# protoc's own types do not say what an extension holds; mypy-protobuf's do.
MYPY_PLUGIN = {"local": "protoc-gen-mypy", "opt": "quiet", "out": ".", "strategy": "all"}
EXTENSION_TYPES = json.dumps({"version": "v2", "plugins": [MYPY_PLUGIN]})
EXTENDING = ["--path", "protos/kit", "--path", "protos/vendor/buf"]
VENDORED = ["--exclude-path", "protos/vendor/google", "--exclude-path", "protos/vendor/buf"]


def buf(*arguments: str) -> None:
    """Run buf at the root; SystemExit with its return code when it refuses."""
    # buf looks for the plugins of buf.gen.yaml on PATH: they are those of this environment.
    path = f"{BUF.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    ended = subprocess.run([str(BUF), *arguments], cwd=ROOT, env=environment, check=False)
    if ended.returncode:
        raise SystemExit(ended.returncode)


def generate(folder: Path) -> None:
    """Fill ``folder`` with what gen/ must hold."""
    buf("generate", "--output", str(folder))
    buf("generate", "--output", str(folder), "--template", EXTENSION_TYPES, *EXTENDING)
    for path in folder.rglob("*_pb2_grpc.pyi"):
        if not path.with_suffix(".py").exists():
            path.unlink()
    for package in [path for path in folder.rglob("*") if path.is_dir()]:
        (package / "__init__.py").touch()
    # Comments stay in: the documentation of methods is read from this set, as Envoy's routes are.
    buf("build", "--as-file-descriptor-set", "--output", str(folder / "descriptor.binpb"))


def write() -> None:
    """Replace gen/ by what protos/ say now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        shutil.rmtree(GEN, ignore_errors=True)
        GEN.mkdir()
        for entry in Path(folder).iterdir():
            shutil.move(entry, GEN)


def check() -> None:
    """SystemExit that names each file of gen/ which is not what protos/ say."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        drift = differences(GEN, Path(folder))
    if drift:
        raise SystemExit("gen/ is not what protos/ say; run `make gen`:\n  " + "\n  ".join(drift))


def differences(left: Path, right: Path) -> list[str]:
    """Return the relative paths of files that only one folder has or whose bytes differ, sorted."""
    names = {
        str(path.relative_to(folder))
        for folder in (left, right)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    _, different, absent = filecmp.cmpfiles(left, right, sorted(names), shallow=False)
    return sorted(different + absent)


def image() -> None:
    """Write the image that later contracts are compared with."""
    buf("build", *VENDORED, "--exclude-source-info", "--output", str(IMAGE))


def breaking() -> None:
    """Refuse protos/ that break what the image promised.

    An image is compared with an image: buf compares no workspace of two modules with one.
    """
    with tempfile.TemporaryDirectory() as folder:
        now = str(Path(folder, "now.binpb"))
        buf("build", *VENDORED, "--output", now)
        buf("breaking", now, "--against", str(IMAGE), "--exclude-imports")


COMMANDS: dict[str, Callable[[], None]] = {
    "write": write,
    "check": check,
    "image": image,
    "breaking": breaking,
}

if __name__ == "__main__":
    _, *words = sys.argv
    if len(words) != 1 or words[0] not in COMMANDS:
        raise SystemExit(f"usage: python -m mesh.generate {'|'.join(COMMANDS)}")
    COMMANDS[words[0]]()
