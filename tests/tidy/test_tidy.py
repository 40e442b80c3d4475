"""What every file of the project keeps to, whoever writes it: size, words, shape, borders.

Linters judge single lines; these rules are the project's own. Words that no file may hold are
spelled here in pieces, because this file is read as well.
"""

import ast
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FILE = 500
LONGEST_FUNCTION = 70
LONGEST_LINE = 100
LONGEST_SERVICE_README = 80

CODE = (".py", ".pyx", ".pxd", ".pyi", ".lua")
TEXT = (
    *CODE,
    "",
    ".proto",
    ".md",
    ".toml",
    ".yaml",
    ".yml",
    ".lock",
    ".sql",
    ".mako",
    ".txt",
    ".json",
)
FOLDERS = (".ci", "docs", "envoy", "k8s", "mesh", "protos", "svc", "tests")
OTHERS = ("gen", "protos/vendor")
"""What others write: generated stubs and vendored contracts."""

SERVICES = sorted(path.parent for path in (ROOT / "svc").glob("*/servicer.py"))
MODULES = sorted(path.parent for path in (ROOT / "svc").glob("*/__init__.py"))


def files(*suffixes: str) -> list[Path]:
    """Return the project's own files of these kinds; "" is a kind, as of the Makefile."""
    found = [path for path in ROOT.iterdir() if path.is_file() and not path.name.startswith(".")]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    theirs = [ROOT / name for name in OTHERS]
    return sorted(
        path
        for path in found
        if path.suffix in suffixes and not any(path.is_relative_to(folder) for folder in theirs)
    )


def expect_none(found: Iterable[str], why: str) -> None:
    """Fail with every place that was found, which pytest itself would cut short."""
    if listed := "\n  ".join(found):
        pytest.fail(f"{why}:\n  {listed}", pytrace=False)


def here(path: Path, line: int) -> str:
    """Return where something is, as an editor opens it."""
    return f"{path.relative_to(ROOT)}:{line}"


def functions(path: Path) -> Iterator[tuple[str, int, int]]:
    """Yield name, first line and length of every function, by indentation for Cython's sake."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        begins = re.match(r"( *)(?:async def|def|cpdef|cdef)\b[^=]*?\b(\w+)\(", line)
        if begins is None:
            continue
        signature = next(
            (at for at in range(number, len(lines) + 1) if lines[at - 1].rstrip().endswith(":")),
            len(lines),
        )
        last = signature
        for at in range(signature + 1, len(lines) + 1):
            text = lines[at - 1]
            if text.strip() and len(text) - len(text.lstrip()) <= len(begins[1]):
                break
            if text.strip():
                last = at
        yield begins[2], number, last - number + 1


def test_no_file_is_too_long_to_be_read_at_once() -> None:
    long = [
        f"{path.relative_to(ROOT)}: {length} lines"
        for path in files(*CODE)
        if (length := path.read_text().count("\n")) > LONGEST_FILE
    ]
    expect_none(long, f"more than {LONGEST_FILE} lines")


def test_no_function_is_too_long_to_be_read_at_once() -> None:
    long = [
        f"{here(path, line)} {name}: {length} lines"
        for path in files(".py", ".pyx", ".pxd")
        for name, line, length in functions(path)
        if length > LONGEST_FUNCTION
    ]
    expect_none(long, f"more than {LONGEST_FUNCTION} lines")


def test_the_length_of_a_function_is_counted_right(tmp_path: Path) -> None:
    module = tmp_path / "module.pyx"
    body = "        pass\n\n" * 40
    module.write_text(
        f"class A:\n    def long(\n        self,\n    ):\n{body}    x = 1\n"
        "cdef inline int short(int a) nogil:\n    return a\n\n\nvalue = 1\n"
    )
    assert list(functions(module)) == [("long", 2, 82), ("short", 86, 2)]


PRAGMA = re.compile(r"\s+# (noqa|type:|pragma:).*$")
"""A remark for a tool, which a reader need not see."""


def test_no_line_runs_out_of_sight() -> None:
    long = [
        here(path, number)
        for path in files(*CODE, ".proto")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if len(PRAGMA.sub("", line)) > LONGEST_LINE
    ]
    expect_none(long, f"more than {LONGEST_LINE} characters")


REGISTRIES = [
    "py" + "pi.org",
    "python" + "hosted",
    "registry.npm" + "js",
    "maven" + ".org",
    "proxy.go" + "lang",
    "deb.deb" + "ian.org",
    "buf.bu" + "ild/",
]
MACHINE_PATHS = [r"(?<![\w.])/" + name + r"/" for name in ("work", "root", "farm", "tmp/team")]
UNFINISHED = [rf"\b{a}{b}\b" for a, b in (("TO", "DO"), ("FIX", "ME"), ("XX", "X"), ("HA", "CK"))]


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("a place to download from is the machine's business", REGISTRIES),
        ("a path of one machine is wrong on every other", MACHINE_PATHS),
        ("unfinished work belongs to an issue", UNFINISHED),
    ],
)
def test_no_file_holds_words_that_do_not_belong(kind: str, words: list[str]) -> None:
    forbidden = re.compile("|".join(words))
    found = [
        here(path, number)
        for path in files(*TEXT)
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if forbidden.search(line)
    ]
    expect_none(found, kind)


@pytest.mark.parametrize("words", [REGISTRIES, MACHINE_PATHS, UNFINISHED])
def test_forbidden_words_are_found(words: list[str]) -> None:
    examples = ["see https://py" + "pi.org/x", "in /ro" + "ot/.cache", "# TO" + "DO: later"]
    assert sum(bool(re.search("|".join(words), example)) for example in examples) == 1


@pytest.mark.parametrize("name", ["requirements", "requirements-dev", "requirements-bootstrap"])
def test_a_lock_is_names_versions_and_hashes_and_nothing_else(name: str) -> None:
    text = (ROOT / f"{name}.lock").read_text()
    requirements = re.split(r"\n(?=\S)", text.strip())
    requirement = re.compile(
        r"[a-z0-9][a-z0-9-]*==[\w.+!]+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+"
    )
    assert [line for line in requirements if not requirement.fullmatch(line)] == []


def test_the_locks_hold_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    asked = {
        "requirements.lock": project["project"]["dependencies"],
        "requirements-dev.lock": [*project["project"]["dependencies"], *groups["dev"]],
        "requirements-bootstrap.lock": groups["bootstrap"],
    }
    for lock, requirements in asked.items():
        held = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
        names = {
            re.split(r"[\[<>=~! ]", text)[0].lower().replace("_", "-") for text in requirements
        }
        assert names <= held, f"run `make lock`: {lock} lacks {sorted(names - held)}"


def test_both_locks_agree_on_every_version() -> None:
    versions = [
        dict(re.findall(r"^([a-z0-9-]+)==([\w.+!]+)", (ROOT / lock).read_text(), re.MULTILINE))
        for lock in ("requirements.lock", "requirements-dev.lock")
    ]
    assert versions[0].items() <= versions[1].items()


@pytest.mark.parametrize("service", MODULES, ids=lambda folder: folder.name)
def test_a_service_tells_its_reader_what_it_is_on_one_screen(service: Path) -> None:
    readme = service / "README.md"
    assert readme.exists()
    assert len(readme.read_text().splitlines()) <= LONGEST_SERVICE_README


@pytest.mark.parametrize("service", SERVICES, ids=lambda folder: folder.name)
def test_a_service_starts_alone(service: Path) -> None:
    assert (service / "__main__.py").exists()


def test_every_module_says_what_it_owns() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in files(".py")
        if ast.get_docstring(ast.parse(path.read_text())) is None
    ]
    silent += [
        str(path.relative_to(ROOT))
        for path in files(".pyx")
        if not re.match(r'(#[^\n]*\n|\n)*"""', path.read_text())
    ]
    expect_none(silent, "no docstring at the top")


LENT = {"wallet.money"}
"""Pure functions that one service owns and another computes with: a hold must be the same number
where it is asked for and where it is kept."""

IMPORT = re.compile(
    r"^\s*(?:from|import|cimport) svc\.(\w+)(?:\.(\w+))?(?: import (\w+))?", re.MULTILINE
)


def imported(path: Path) -> set[tuple[str, str]]:
    """Return what a module imports from below svc/: package, and module with its package."""
    return {
        (package, f"{package}.{module or name}")
        for package, module, name in IMPORT.findall(path.read_text())
    }


@pytest.mark.parametrize("service", MODULES, ids=lambda folder: folder.name)
def test_services_meet_through_their_contracts_alone(service: Path) -> None:
    allowed = {service.name, "topology"} | ({"kit"} if service.name != "kit" else set())
    strangers = [
        f"{path.relative_to(ROOT)} imports svc.{module}"
        for path in sorted(service.rglob("*.py*"))
        if path.suffix in CODE
        for package, module in sorted(imported(path))
        if package not in allowed and module not in LENT
    ]
    expect_none(strangers, "a service imports kit and itself; what three need belongs in kit")


def test_an_import_across_services_is_found(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "from svc.wallet import money\nfrom svc.kit.ids import to_uuid\n"
        "def later():\n    import svc.risk.checks\n"
    )
    assert imported(module) == {
        ("wallet", "wallet.money"),
        ("kit", "kit.ids"),
        ("risk", "risk.checks"),
    }


def durations(tree: ast.AST) -> set[ast.AST]:
    """Return all nodes inside a value that is named as seconds or as a moment of a clock."""
    named = re.compile(r".*(_s|_at|_S|_SECONDS)$")
    held: list[ast.AST | None] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign | ast.AnnAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if named.match(ast.unparse(target)):
                held.append(node.value)
        elif isinstance(node, ast.keyword) and node.arg and named.match(node.arg):
            held.append(node.value)
        elif isinstance(node, ast.arguments):
            last = [*node.posonlyargs, *node.args][-len(node.defaults) or len(node.args) :]
            pairs = [*zip(last, node.defaults, strict=False)]
            pairs += [(a, d) for a, d in zip(node.kwonlyargs, node.kw_defaults, strict=True) if d]
            held += [default for argument, default in pairs if named.match(argument.arg)]
    return {inner for value in held if value is not None for inner in ast.walk(value)}


def floats(path: Path) -> Iterator[int]:
    """Yield the lines where a module makes a float that is not a number of seconds."""
    tree = ast.parse(path.read_text())
    allowed = durations(tree)
    for node in ast.walk(tree):
        literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
        call = isinstance(node, ast.Call) and ast.unparse(node.func) == "float"
        if (literal or call) and node not in allowed:
            assert isinstance(node, ast.expr)
            yield node.lineno


def test_no_float_touches_a_price_a_quantity_or_a_balance() -> None:
    found = [
        here(path, line)
        for service in MODULES
        if service.name != "kit"
        for path in sorted(service.rglob("*.py"))
        if path.name != "metrics.py"
        for line in floats(path)
    ]
    found += [
        here(path, number)
        for path in [*ROOT.glob("svc/**/*.pyx"), *ROOT.glob("svc/**/*.pxd")]
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if re.search(r"^[^#]*\b(float|double)\b", line)
    ]
    expect_none(found, "a float that is not called *_s or *_at")


def test_a_float_near_money_is_found_and_a_number_of_seconds_is_not(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text(
        "LEASE_S = 1.5\ndef wait(timeout_s: float = 0.5, *, pause_s: float = 0.1) -> None:\n"
        "    sleep(grace_s=2.5)\nfee = 0.1\ndef price(value: str = '', rate: float = 1.5): ...\n"
        "total = float(fee)\n"
    )
    assert sorted(floats(module)) == [4, 5, 6]


def test_a_test_names_only_rules_that_the_specification_has(
    shared_data: Path, absent: Callable[[str], None]
) -> None:
    rules = shared_data.parent / "spec" / "checklists" / "rules.tsv"
    if not rules.exists():
        absent("no rules.tsv beside the captured sessions")
    known = {line.split("\t")[2] for line in rules.read_text().splitlines()}
    unknown = [
        f"{here(path, node.lineno)} {name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.spec"
        for argument in node.args
        if (name := ast.literal_eval(argument)) not in known
    ]
    expect_none(unknown, "rules.tsv has no such rule_id")
