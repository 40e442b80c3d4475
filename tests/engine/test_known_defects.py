"""Every defect that docs/matching.md names has its test, by the name that stands there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEADING = "## What went wrong elsewhere"
DEFECTS_OF_OTHERS = 11


def test_every_known_defect_of_other_engines_has_a_test_of_that_name() -> None:
    page = (ROOT / "docs" / "matching.md").read_text()
    table = page.split(HEADING)[1].split("## ")[0]
    rows = re.findall(
        r"^\| (?!defect|---)(.+?) \| \[(\w+\.py)\].*?`(test_\w+)`", table, re.MULTILINE
    )
    assert len(rows) == DEFECTS_OF_OTHERS
    for defect, file, test in rows:
        assert f"def {test}(" in (ROOT / "tests" / "engine" / file).read_text(), defect
