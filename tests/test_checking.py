"""The knowledge base finds its own mistakes: each broken file of tests/kb/broken says which, on the line where they stand.

A line's mark `% <- kind, kind (warning)` names what `check` must find there, and `refused` that loading must fail there too.
Each file is added, alone, to the sound little knowledge base of tests/kb/broken/sound, with the real engine.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from pathlib import Path

import pytest

from pyscreen import knowledge
from pyscreen.checking import PREDICATES, Finding, check
from pyscreen.errors import KnowledgeBaseError

HERE = Path(__file__).parent
KB = HERE.parent / "kb"
BROKEN = HERE / "kb" / "broken"
FOLDERS = {"vocabulary": "vocabulary", "criteria": "criteria", "trials": "trials/tiny"}
FILES = sorted(path for folder in FOLDERS for path in (BROKEN / folder).glob("*.lp"))


def build(root: Path, broken: Path | None = None) -> Path:
    """Build the sound knowledge base with one broken file in it."""
    shutil.copytree(BROKEN / "sound", root)
    shutil.copytree(KB / "engine", root / "engine")
    for folder in FOLDERS.values():
        (root / folder / "broken.lp").touch()
    if broken:
        shutil.copy(broken, root / FOLDERS[broken.parent.name] / "broken.lp")
    return root


def marks(path: Path) -> list[tuple[str, int]]:
    """Return what a broken file says of itself: kind (with its level where it is a warning) and line."""
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        _, arrow, kinds = line.partition("% <- ")
        found += [(kind.strip(), number) for kind in kinds.split(",") if arrow]
    return found


def kind(finding: Finding) -> str:
    return finding.kind if finding.level == "error" else f"{finding.kind} ({finding.level})"


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def test_the_sound_knowledge_base_is_sound(tmp_path: Path) -> None:
    assert check(root=build(tmp_path / "kb")) == []


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_mistake_is_found_where_it_stands(path: Path, tmp_path: Path) -> None:
    root = build(tmp_path / "kb", path)
    found = check(root=root)
    assert {finding.file for finding in found} == {str((root / FOLDERS[path.parent.name] / "broken.lp").resolve())}
    wanted = Counter(mark for mark in marks(path) if mark[0] != "refused")
    assert Counter((kind(finding), finding.line) for finding in found) == wanted, "\n".join(map(str, found))


@pytest.mark.parametrize("path", [path for path in FILES if "refused" in path.read_text()], ids=name)
def test_what_would_make_answers_wrong_is_refused_when_loaded(path: Path, tmp_path: Path) -> None:
    root = build(tmp_path / "kb", path)
    with pytest.raises(KnowledgeBaseError) as caught:
        knowledge.load(root=root)
    lines = {problem.line for problem in caught.value.problems if problem.file.endswith("broken.lp")}
    assert {line for kind, line in marks(path) if kind == "refused"} <= lines, str(caught.value)


def test_every_kind_of_finding_has_a_broken_file() -> None:
    from pyscreen.checking import _WORDINGS

    shown = {kind.split(" ")[0] for path in FILES for kind, _ in marks(path)}
    assert set(_WORDINGS) <= shown


def test_every_kind_that_the_rules_derive_is_worded() -> None:
    from pyscreen.checking import _WORDINGS

    derived = set(re.findall(r"^problem\((\w+)", (KB / "engine" / "check.lp").read_text(), re.MULTILINE))
    assert derived == {*_WORDINGS, "undeclared"}


def test_a_misspelt_name_is_met_with_the_nearest_one(tmp_path: Path) -> None:
    [finding] = check(root=build(tmp_path / "kb", BROKEN / "trials" / "undeclared_quantity.lp"))
    assert "did you mean 'sugar'?" in finding.message


def test_a_misspelt_predicate_is_met_with_the_nearest_one(tmp_path: Path) -> None:
    findings = check(root=build(tmp_path / "kb", BROKEN / "trials" / "misspelt_predicate.lp"))
    assert "did you mean 'requires'?" in findings[0].message


def test_requirements_that_exclude_each_other_are_named_and_no_others(tmp_path: Path) -> None:
    [finding] = check(root=build(tmp_path / "kb", BROKEN / "trials" / "unsatisfiable.lp"))
    assert "1.entry entry and 1.low at_most(sugar,1 g/L) exclude each other" in finding.message.replace('"', "")
    assert "1.age" not in finding.message


def test_a_file_of_the_trial_that_its_main_file_leaves_out_is_found(tmp_path: Path) -> None:
    root = build(tmp_path / "kb")
    shutil.copy(root / "criteria" / "shared.lp", root / "trials" / "tiny" / "forgotten.lp")
    [finding] = check(root=root)
    assert (finding.kind, Path(finding.file).name, finding.line) == ("left_out", "forgotten.lp", 1)


def test_a_broken_file_of_another_trial_is_that_trial_s_matter(tmp_path: Path) -> None:
    root = build(tmp_path / "kb")
    (root / "trials" / "other").mkdir()
    shutil.copy(BROKEN / "trials" / "syntax_error.lp", root / "trials" / "other")
    assert check(root=root) == []


def test_every_predicate_of_the_readme_is_known() -> None:
    """Every fact shown in an indented block of kb/README.md is in the one list of predicates."""
    shown = {
        found[1]
        for line in (KB / "README.md").read_text().splitlines()
        if line.startswith("    ")
        for found in re.finditer(r"(?:^ {4}|\.  ?)([a-z_]+)\(", line)
    }
    tests_in_place = {"below", "at_most", "above", "at_least", "equals", "between", "sex"}
    assert shown - tests_in_place <= set(PREDICATES)


@pytest.mark.parametrize("trial", knowledge.trials(KB))
def test_our_own_knowledge_base_is_clean(trial: str) -> None:
    errors = [str(finding) for finding in check(trial, KB) if finding.level == "error"]
    assert not errors, "\n".join(errors)
