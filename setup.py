"""Builds the Cython modules of svc/ and maps gen/ as a second import root."""

from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).parent
GENERATED = find_packages("gen")
# The engine is small functions with one hot path: GCC's bounds for a unit's growth are too low to
# make it one piece, which costs a tenth of its speed. Other compilers pass them over.
FLAGS = [
    "-O3",
    "--param=inline-unit-growth=300",
    "--param=max-inline-insns-single=2000",
    "--param=large-function-growth=1000",
]


def extensions() -> list[Extension]:
    """One per ``.pyx`` under svc/, named after its path; only what changed is translated again."""
    sources = sorted(path.relative_to(ROOT) for path in (ROOT / "svc").rglob("*.pyx"))
    modules = [
        Extension(".".join(source.with_suffix("").parts), [str(source)], extra_compile_args=FLAGS)
        for source in sources
    ]
    return list(cythonize(modules, build_dir="build/cython", language_level=3, nthreads=2))


setup(
    packages=[*find_packages(include=["svc*", "mesh*"]), *GENERATED],
    package_dir={name: f"gen/{name}" for name in GENERATED if "." not in name},
    package_data={
        "": ["py.typed", "*.pyi", "*.pyx", "*.pxd", "*.lua", "*.toml", "migrations/**/*"],
        "mesh": ["bench_java/*"],
    },
    ext_modules=extensions(),
)
