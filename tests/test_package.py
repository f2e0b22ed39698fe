"""What ships and how it hangs together: the wheel, the layers of the modules, the engine without a clinical word, a quick start."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyscreen import knowledge

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "pyscreen"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
POPULATION = sorted(path.stem for path in (PACKAGE / "population").glob("*.py") if not path.stem.startswith("__"))

LAYERS = [
    {"errors", "truth", "page", "files"},
    {"dates", "ucum", "quantities", "markup", "engine"},
    {"vocabulary", "record", "doses"},
    {"derived", "form"},
    {"written", "questions", "resources", "items"},
    {"codebook", "fhir", "answers", "cells", "cache"},
    {"knowledge"},
    {"kleene", "sources", "targets", "turning", "sequel", "proof"},
    {"screening"},
    {"explain", "gaps", "comparison", "whatif", "asking", "interview", "checking", "describe", "words", "document", "coverage"},
    {"exports", "outline", "drawing", "interchange", "styling"},
    {"render"},
    {"plantext", "asktext", "dialogue", "replies"},
    {"report", "worksheet", "console"},
    {"population_commands", "cli"},
]
"""Each module knows those below it (earlier here), and in its own layer only such as do not know it."""

POPULATION_LAYERS = [
    {"bounds", "exports", "planes", "profile", "reading", "tables"},
    {"choices", "columns", "funnel", "fhir_reader", "fhir_writer", "omop_reader"},
    {"alternatives", "invented", "omop_writer", "rows"},
    {"conversion", "results", "spans", "view"},
    {"completeness", "computed", "statements", "thresholds"},
    {"courses"},
    {"matching"},
    {"batch"},
    {"cohort"},
    {"report"},
]
"""The same of what is of populations; here none knows another one of its own layer."""


# ---- the wheel -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel from a copy of what is in the source tree."""
    copy = tmp_path_factory.mktemp("source")
    for path in _sources():
        target = copy / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    built = tmp_path_factory.mktemp("wheel")
    line = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(built), str(copy)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    (file,) = built.glob("pyscreen-*.whl")
    return zipfile.ZipFile(file)


def _sources() -> Iterator[Path]:
    yield from (ROOT / name for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "NOTICE"))
    for folder in ("pyscreen", "kb"):
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


def test_the_wheel_holds_the_whole_knowledge_base(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    for path in (ROOT / "kb").rglob("*"):
        if path.suffix in (".lp", ".yaml", ".json", ".md"):
            assert f"pyscreen/kb/{path.relative_to(ROOT / 'kb').as_posix()}" in names
    for path in (*(ROOT / "pyscreen" / "templates").iterdir(), *(ROOT / "pyscreen").glob("*.json")):
        assert path.relative_to(ROOT).as_posix() in names
    assert any(re.fullmatch(r"pyscreen/kb/trials/\w+/cases/\w+\.yaml", name) for name in names)


def test_the_wheel_holds_every_module_and_the_marker_for_types(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {f"pyscreen/{module}.py" for module in MODULES} <= names
    assert "pyscreen/py.typed" in names


def test_the_wheel_holds_the_worksheet_and_the_licence_of_what_is_not_ours(wheel: zipfile.ZipFile) -> None:
    files = {path.relative_to(ROOT).as_posix() for path in (PACKAGE / "web").rglob("*") if path.is_file()}
    assert "pyscreen/web/vendor/js-yaml.LICENSE" in files
    assert files <= set(wheel.namelist())


def test_the_wheel_holds_licence_and_notice_and_no_tests(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    assert [name for name in names if re.search(r"dist-info/(licenses/)?LICENSE$", name)]
    (notice,) = (name for name in names if re.search(r"dist-info/(licenses/)?NOTICE$", name))
    text = wheel.read(notice).decode()
    assert all(
        owner in text for owner in ("LOINC", "SNOMED CT", "RxNorm", "UCUM", "ICD-10", "ATC", "not a medical device")
    )
    assert not [name for name in names if name.startswith(("tests/", "docs/", "benchmarks/"))]


def test_the_wheel_says_what_it_needs(wheel: zipfile.ZipFile) -> None:
    (metadata,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    text = wheel.read(metadata).decode()
    needed = set(re.findall(r"^Requires-Dist: (\w+)[^;\n]*$", text, re.MULTILINE))
    assert needed == {"clingo", "click", "msgspec", "networkx", "PyYAML"}
    assert "License-Expression: Apache-2.0" in text or "License: Apache-2.0" in text
    assert "Requires-Python: >=3.11" in text


# ---- the modules -----------------------------------------------------------------------------------------------------


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Yield what a module imports (of the package: the module's name with a dot before), and whether only for types."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    typing = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and isinstance(test.test, ast.Name) and test.test.id == "TYPE_CHECKING"
        for node in ast.walk(test)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) in typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((f"{'.' * node.level}{name}", id(node) in typing) for name in names)


def test_every_module_has_its_layer() -> None:
    named = [module for layer in LAYERS for module in layer]
    assert sorted(named) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_a_module_knows_only_what_is_below_it(module: str) -> None:
    level = {name: number for number, layer in enumerate(LAYERS) for name in layer}
    level |= {"population": level["cli"], "population.tables": level["sources"]}
    for name, for_types in imports(module):
        if name.startswith(".") and not for_types:
            found = level.get(name[1:], level[name[1:].split(".")[0]])
            assert found <= level[module], f"{module} imports {name}"


@pytest.mark.parametrize("module", POPULATION)
def test_what_is_of_populations_knows_neither_how_it_is_shown_nor_the_command_line(module: str) -> None:
    known = {name[2:].split(".")[0] for name, _ in imports(f"population/{module}") if name.startswith("..")}
    assert known <= set(MODULES) - {"cli", "console", "population_commands", "render"}


def test_every_module_of_populations_has_its_layer() -> None:
    named = [module for layer in POPULATION_LAYERS for module in layer]
    assert sorted(named) == POPULATION


@pytest.mark.parametrize("module", POPULATION)
def test_a_module_of_populations_knows_only_what_is_below_it(module: str) -> None:
    """Not even for types, nor inside a function: what would be known so is a circle."""
    level = {name: number for number, layer in enumerate(POPULATION_LAYERS) for name in layer}
    known = {name[1:] for name, _ in imports(f"population/{module}") if name.startswith(".") and not name.startswith("..")}
    assert {name for name in known if level[name] >= level[module]} == set()


@pytest.mark.parametrize("module", POPULATION)
def test_what_is_of_populations_imports_what_is_of_the_package_at_its_top(module: str) -> None:
    tree = ast.parse((PACKAGE / "population" / f"{module}.py").read_text(encoding="utf-8"))
    own = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert [ast.unparse(node) for node in own if node not in tree.body] == []


def test_populations_are_imported_where_they_are_asked_for() -> None:
    """At the top of no module, since they need what a single record does not."""
    for module in MODULES:
        tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
        top = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level]
        known = {name.split(".")[0] for node in top for name in ([node.module] if node.module else [one.name for one in node.names])}
        assert "population" not in known, module


def test_no_two_modules_know_each_other() -> None:
    known = {
        m: {name[1:] for name, for_types in imports(m) if name.startswith(".") and not for_types and name[1:] in MODULES}
        for m in MODULES
    }
    below: dict[str, set[str]] = {}

    def reach(module: str) -> set[str]:
        if module not in below:
            below[module] = set()
            below[module] = known[module].union(*(reach(other) for other in known[module]))
        return below[module]

    assert [module for module in MODULES if module in reach(module)] == []


def test_one_module_imports_clingo() -> None:
    assert {m for m in MODULES if any(name.split(".")[0] == "clingo" for name, _ in imports(m))} == {"engine"}


@pytest.mark.parametrize("module", MODULES)
def test_what_is_heavy_is_imported_where_it_is_used(module: str) -> None:
    """At the top of a module only what every command needs."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))
    top = [alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names]
    top += [node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom) and not node.level]
    assert not {name.split(".")[0] for name in top} & {"networkx", "polars", "numpy", "pint", "ucumvert", "hypothesis", "jinja2", "pygraphviz"}


def test_the_command_line_starts_without_what_it_does_not_need() -> None:
    line = [sys.executable, "-X", "importtime", "-c", "import pyscreen.cli"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    loaded = {row.rsplit("|", 1)[-1].strip().split(".")[0] for row in done.stderr.splitlines()}
    assert "clingo" in loaded
    assert loaded & {"networkx", "polars", "numpy", "pint", "ucumvert", "jsonschema", "hypothesis", "pytest", "jinja2", "pygraphviz"} == set()


def test_screening_a_record_needs_no_graph_library() -> None:
    code = (
        "import sys; from datetime import date; from pyscreen import load, Screener; from pyscreen.sources import parse_record; "
        "kb = load(); Screener(kb).screen(parse_record(b'sex: female', kb), date(2026, 11, 22)); "
        "print(sorted({name.split('.')[0] for name in sys.modules} & {'networkx', 'polars', 'numpy', 'pint', 'ucumvert', 'jinja2', 'pygraphviz'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


# ---- the engine ------------------------------------------------------------------------------------------------------

ENGINE = sorted((ROOT / "kb" / "engine").rglob("*.lp"))


def code(path: Path) -> str:
    """Return a logic program without its comments."""
    text = re.sub(r"%\*.*?\*%", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return "\n".join(
        re.sub(r'("(?:[^"\\]|\\.)*")|%.*', lambda found: found[1] or "", line) for line in text.splitlines()
    )


@pytest.fixture(scope="module")
def kb() -> knowledge.KnowledgeBase:
    return knowledge.load()


@pytest.mark.parametrize("path", ENGINE, ids=lambda path: path.stem)
def test_the_engine_has_no_clinical_word(path: Path, kb: knowledge.KnowledgeBase) -> None:
    vocabulary = kb.vocabulary
    concepts = {
        name
        for kind in ("measurement", "finding", "therapy", "procedure", "event", "judgement", "consent")
        for name in vocabulary.labels(kind)
    }
    named = {
        name
        for name in (*concepts, *kb.cohorts, *kb.readings, *kb.clauses, *kb.criteria, *vocabulary.methods)
        if "(" not in name
    }
    words = set(re.findall(r"[a-z]\w*|\"[^\"]*\"", code(path)))
    words |= {word.strip('"') for word in words}
    assert words & (named - {"always", "never", "weight"}) == set()  # the items of a score have a weight too


@pytest.mark.parametrize(
    "path", sorted((ROOT / "kb").rglob("*.lp")), ids=lambda path: path.relative_to(ROOT / "kb").as_posix()
)
def test_the_knowledge_base_is_pure_asp(path: Path) -> None:
    text = code(path)
    assert "#script" not in text
    assert "@" not in re.sub(r"@(\w+|L\+\d+)\s*[,;:]", "", re.sub(r'"[^"]*"', "", text)), "a function call"
