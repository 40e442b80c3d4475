"""`from svc.engine import …`: what docs/engine.md shows works as printed, and costs no other."""

import contextlib
import io
import re
import subprocess
import sys
from pathlib import Path

import svc.engine

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "engine.md").read_text()


def test_the_example_of_the_page_prints_what_the_page_says() -> None:
    shown = re.search(r"## From Python\n\n```python\n(.*?)```\n\n```\n(.*?)```\n", PAGE, re.DOTALL)
    assert shown is not None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(shown[1], {})  # noqa: S102  our own page
    assert printed.getvalue() == shown[2]


def test_every_name_that_the_package_promises_is_there_and_on_the_page() -> None:
    for name in svc.engine.__all__:
        assert getattr(svc.engine, name).__name__ == name
        assert f"`{name}`" in PAGE
    assert not hasattr(svc.engine, "Nonsense")


def test_a_module_of_the_package_loads_neither_the_books_nor_each_other() -> None:
    asked = "import sys, svc.engine.config as c; print(*(m for m in sys.modules if 'engine' in m))"
    ran = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.split() == ["svc.engine", "svc.engine.config"]
