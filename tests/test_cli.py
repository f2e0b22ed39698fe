"""Every command on real files: what it prints, its exit status, and that no record or request ever brings it down."""

from __future__ import annotations

import errno
import functools
import json
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import click
import jsonschema
import pytest
from click.testing import CliRunner, Result

from pyscreen import knowledge
from pyscreen.cli import main
from pyscreen.describe import _Guide
from pyscreen.files import write_whole
from pyscreen.markup import load

ROOT = Path(__file__).parent.parent
CASES = [path for path in sorted((ROOT / "kb" / "trials").glob("*/cases/*")) if not path.name.startswith(("cases", "clauses"))]
ANSWERED, USAGE, WRONG_RECORD, WRONG_KB = 0, 2, 4, 5
ON = ("--on", "2026-11-22")
BUNDLE = ROOT / "tests" / "data" / "fhir" / "lupus.json"


def documented_record() -> str:
    """Return the record that stands in docs/records.md."""
    text = (ROOT / "docs" / "records.md").read_text(encoding="utf-8").split("## Written by hand")[1]
    lines = text.strip("\n").splitlines()
    end = next(i for i, line in enumerate(lines) if line and not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[:end]) + "\n"


@pytest.fixture(autouse=True)
def _one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load the shipped knowledge base once for all these tests."""
    monkeypatch.setattr(knowledge, "load", _load)
    monkeypatch.delenv("PYSCREEN_KB", raising=False)


_load_anew = knowledge.load


def _load(trial: str | None = None, root: Path | None = None) -> knowledge.KnowledgeBase:
    return _shipped() if trial is None and root is None else _load_anew(trial, root)


@functools.cache
def _shipped() -> knowledge.KnowledgeBase:
    return _load_anew()


@pytest.fixture
def record(tmp_path: Path) -> Path:
    path = tmp_path / "anna.yaml"
    path.write_text(documented_record(), encoding="utf-8")
    return path


@pytest.fixture
def other_kb(tmp_path: Path) -> Path:
    """A copy of the knowledge base, to spoil."""
    return Path(shutil.copytree(ROOT / "kb", tmp_path / "kb", ignore=shutil.ignore_patterns("__pycache__")))


def run(*arguments: object, given: str | bytes | None = None) -> Result:
    """Run a command; whatever comes of it, it is an answer and no traceback."""
    result = CliRunner().invoke(main, [str(argument) for argument in arguments], input=given)
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (ANSWERED, USAGE, WRONG_RECORD, WRONG_KB), result.output
    return result


def answered(*arguments: object, given: str | bytes | None = None) -> str:
    result = run(*arguments, given=given)
    assert result.exit_code == ANSWERED, result.output
    return result.stdout


def refused(status: int, *arguments: object, given: str | bytes | None = None) -> str:
    result = run(*arguments, given=given)
    assert result.exit_code == status, result.output
    assert not result.stdout
    return result.stderr


def process(*arguments: object, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run a command as its own process."""
    line = [sys.executable, "-c", "from pyscreen.cli import main; main()", *map(str, arguments)]
    done = subprocess.run(line, input=given, capture_output=True, timeout=120, check=False)
    assert b"Traceback" not in done.stdout + done.stderr
    return done


# ---- the commands on real files --------------------------------------------------------------------------------------


def test_screen_says_the_verdict_of_every_cohort(record: Path) -> None:
    shown = answered("screen", record, *ON)
    for cohort in _shipped().cohorts.values():
        assert re.search(rf"^  {re.escape(cohort.code)} .* (ELIGIBLE|INELIGIBLE|UNDECIDED)", shown, re.MULTILINE)
    assert "not a medical device" in " ".join(shown.split())
    assert _shipped().digest in shown


def test_screen_of_one_cohort_says_nothing_of_the_others(record: Path) -> None:
    shown = answered("screen", record, *ON, "--cohort", "sle_itp")
    assert "  1.2  " in shown
    assert "  1.3  " not in shown


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_case_is_screened_in_text_and_json(case: Path) -> None:
    text, data = answered("screen", case, *ON), json.loads(answered("screen", case, *ON, "--format", "json"))
    for verdict in data["verdicts"]:
        assert re.search(rf"^  {re.escape(verdict['code'])} .* {verdict['verdict'].upper()}", text, re.MULTILINE)


def test_a_bundle_is_screened_and_tells_what_it_did_not_use() -> None:
    data = json.loads(answered("screen", BUNDLE, *ON, "--format", "json"))
    assert len(data["verdicts"]) == len(_shipped().cohorts)
    assert {note["kind"] for note in data["notes"]} <= {"unmapped", "ignored"}


def test_exact_never_turns_a_decided_verdict(record: Path) -> None:
    plain = json.loads(answered("screen", record, *ON, "--format", "json"))["verdicts"]
    exact = json.loads(answered("screen", record, *ON, "--format", "json", "--exact"))["verdicts"]
    for before, after in zip(plain, exact, strict=True):
        assert before["verdict"] in ("undecided", after["verdict"])


@pytest.mark.parametrize("cohort", ["1.1", "1.2", "1.3", "1.4", "1.5", "1.6"])
def test_explain_shows_the_cohort_as_a_tree_with_evidence(record: Path, cohort: str) -> None:
    shown = answered("explain", record, *ON, "--cohort", cohort)
    assert f": {cohort} " in shown.splitlines()[0]
    assert "[gen.consent]" in answered("explain", record, *ON, "--cohort", cohort, "--all")
    assert len(shown) < len(answered("explain", record, *ON, "--cohort", cohort, "--all"))


def test_explain_speaks_json(record: Path) -> None:
    data = json.loads(answered("explain", record, *ON, "--cohort", "1.2", "--format", "json"))
    assert data["format"] == "pyscreen.explanation/1"


def test_explain_draws_a_graph_that_networkx_reads(record: Path) -> None:
    nx = pytest.importorskip("networkx")
    shown = answered("explain", record, *ON, "--cohort", "1.2", "--format", "graphml")
    assert "sle_itp" in nx.parse_graphml(shown)


DOT_LINE = re.compile(r'  n\d+( -> n\d+)? \[label="(?:[^"\\\n]|\\.)*", [a-z]+="?[#a-z0-9]+"?\];')
MERMAID_LINE = re.compile(
    r'  n\d+\["[^"<>\n]*(?:<br/>[^"<>\n]*)*"\]:::\w+|  n\d+ -\.?->(?:\|"[^"<>\n]*"\|)? n\d+|  classDef .*'
)


@pytest.mark.parametrize(("form", "line"), [("dot", DOT_LINE), ("mermaid", MERMAID_LINE)])
def test_explain_draws_lines_of_the_language(record: Path, form: str, line: re.Pattern[str]) -> None:
    shown = answered("explain", record, *ON, "--cohort", "1.2", "--all", "--format", form).splitlines()
    body = shown[2:-1] if form == "dot" else shown[1:]
    assert body
    assert [found for found in body if not line.fullmatch(found)] == []


def test_whatif_plans_or_says_what_bars(record: Path) -> None:
    shown = answered("whatif", record, *ON, "--cohort", "1.2", "--cohort", "1.6", "--plans", "1")
    assert shown.count("Plan") + shown.count("No plan") >= 2
    data = json.loads(answered("whatif", record, *ON, "--cohort", "1.2", "--plans", "2", "--format", "json"))
    (cohort,) = data["cohorts"]
    assert bool(cohort["plans"]) is not bool(cohort["bar"])
    assert len(cohort["plans"]) <= 2


def test_facts_give_stock_clingo_the_same_verdicts(record: Path, tmp_path: Path) -> None:
    expected = {v["cohort"]: v["verdict"] for v in _verdicts(record)}
    assert _by_stock_clingo(answered("facts", record, *ON), tmp_path) == expected


def _verdicts(record: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(answered("screen", record, *ON, "--format", "json"))["verdicts"]
    return found


def _by_stock_clingo(facts: str, folder: Path) -> dict[str, str]:
    answers = folder / "answers.lp"
    answers.write_text(facts, encoding="utf-8")
    program = ROOT / "kb" / "trials" / "cd19_autoimmune" / "main.lp"
    line = [sys.executable, "-m", "clingo", str(program), str(answers), "--outf=2", "--warn=all"]
    done = subprocess.run(line, capture_output=True, timeout=120, check=False)
    assert not done.stderr, done.stderr
    (witness,) = json.loads(done.stdout)["Call"][0]["Witnesses"]
    atoms = (re.fullmatch(r"(eligible|ineligible|undecided)\((\w+)\)", atom) for atom in witness["Value"])
    return {atom[2]: atom[1] for atom in atoms if atom}


def test_a_chosen_reading_reaches_the_facts_and_the_report(record: Path, tmp_path: Path) -> None:
    readings = tmp_path / "readings.yaml"
    readings.write_text("G17: below_30\n", encoding="utf-8")
    assert 'choose("G17",below_30).' in answered("facts", record, *ON, "--readings", readings)
    data = json.loads(answered("screen", record, *ON, "--readings", readings, "--format", "json"))
    assert data["readings"] == {"G17": "below_30"}


def test_the_schema_fits_the_documented_record_and_every_case() -> None:
    schema = json.loads(answered("schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    written = [path.read_text(encoding="utf-8") for path in CASES if path.suffix == ".yaml"]
    for text in (documented_record(), *written):
        assert list(validator.iter_errors(load(text).value)) == []
    assert list(validator.iter_errors(load(documented_record().replace("platelets", "plateletz")).value))


@pytest.mark.parametrize(
    "what",
    ["cohorts", "clauses", "readings", "criteria", "tests", "quantities", "findings", "therapies", "procedures", "events",
     "judgements", "consents", "acts"],
)  # fmt: skip
def test_kb_lists_what_it_has(what: str) -> None:
    assert len(answered("kb", "list", what).splitlines()) > 2 or what in ("consents", "events", "procedures")
    assert answered("kb", "list", what)


SHOWN = [
    ("1.2", "cohort 1.2 sle_itp", "trials/cd19_autoimmune/trial.lp:"),
    ("sle_itp", "excludes, as every cohort", "1.2.platelets"),
    ("1.3.tma", "clause 1.3.tma", "trials/cd19_autoimmune/clauses.lp:"),
    ("g17", "reading G17", "default      below_50"),
    ("low_platelets", "criterion low_platelets", "G17 below_50 (default)"),
    ("low_platelets_twice", "3 criteria", 'low_platelets_twice("30 10*9/L")'),
    (
        "any_two_platelets_low(50 10*9/L)",
        "test any_two_platelets_low",
        "asks         consecutive(2) of measurement(platelets)",
    ),
    ("below(platelets, '100 10*9/L')", "asked in", "criteria/thrombotic_microangiopathy.lp:"),
    ("platelets", "quantity platelets", "unit         10*9/L"),
    ("creatinine", "5/442", "umol/L"),
    ("prednisone", "drug prednisone", "RxNorm"),
    ("glucocorticoid", "class glucocorticoid", "lower: Taper the glucocorticoid"),
    ("sle", "finding sle", "ICD-10"),
    ("informed_consent", "consent informed_consent", "gen.consent"),
    ("anti_dsdna_measured_by_elisa", "selection", "method(elisa)"),
    ("criteria/sledai_2k", "source: Gladman 2002", "SLEDAI-2K of at least 8"),
    ("kb/engine/status.lp", "engine/status.lp", "strong Kleene logic"),
]


@pytest.mark.parametrize(("name", "first", "second"), SHOWN, ids=[name for name, _, _ in SHOWN])
def test_kb_shows_what_it_says_about_a_name(name: str, first: str, second: str) -> None:
    shown = answered("kb", "show", name)
    assert first in shown
    assert second in shown or name == "informed_consent"


@pytest.fixture(scope="module")
def guide() -> _Guide:
    return _Guide(_shipped())


def test_kb_shows_every_name_that_it_lists(guide: _Guide) -> None:
    for what in ("cohorts", "clauses", "readings", "quantities", "procedures", "events", "judgements", "consents", "acts"):
        for line in answered("kb", "list", what).splitlines():
            name = line.split()[0]
            assert any(name in page.lines[0] for page in guide.sections(name))


def test_every_criterion_has_a_page_that_says_where_it_stands(guide: _Guide) -> None:
    for criterion in list(_shipped().criteria.values())[::7]:
        (page, *_) = guide.sections(criterion.id)
        assert re.search(r"^  (defined|asked) in +[a-z0-9_/]+\.lp:\d+$", "\n".join(page.lines), re.MULTILINE)


def test_kb_check_finds_no_mistake_in_our_own() -> None:
    result = run("kb", "check")
    assert result.exit_code == ANSWERED, result.output
    assert "0 errors" in result.stderr


def test_kb_readings_lists_them_with_options_and_default() -> None:
    shown, data = answered("kb", "readings"), json.loads(answered("kb", "readings", "--format", "json"))
    assert "G17" in shown
    assert "below 30" in shown
    assert data


def test_kb_document_is_written_where_asked(tmp_path: Path) -> None:
    markdown, page = answered("kb", "document"), answered("kb", "document", "--format", "html")
    assert "1.2" in markdown
    assert "<html" in page
    written = tmp_path / "trial.md"
    assert answered("kb", "document", "--output", written) == ""
    assert written.read_text(encoding="utf-8") == markdown
    assert "cannot be written" in refused(USAGE, "kb", "document", "--output", tmp_path / "none" / "trial.md")


def test_robust_readings_decide_no_more_than_the_defaults(record: Path) -> None:
    plain = json.loads(answered("screen", record, *ON, "--format", "json"))["verdicts"]
    robust = json.loads(answered("screen", record, *ON, "--format", "json", "--readings", "robust"))["verdicts"]
    for default, certain in zip(plain, robust, strict=True):
        assert certain["verdict"] in ("undecided", default["verdict"])


def test_kb_show_guesses_what_was_meant() -> None:
    assert "did you mean 'low_platelets'" in refused(USAGE, "kb", "show", "low_platelet")
    assert refused(USAGE, "kb", "show", "../../etc/passwd")


# ---- wrong requests --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["screen", "explain", "whatif"])
def test_an_unknown_cohort_is_refused_with_a_guess(record: Path, command: str) -> None:
    said = refused(USAGE, command, record, *ON, "--cohort", "sle_ipt")
    assert "no cohort 'sle_ipt'" in said
    assert "did you mean 'sle_itp'" in said


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("Z99: below_30", "no reading 'Z99'"),
        ("G17: below_3", "did you mean 'below_30'"),
        ("G17: [below_30]", "expected lines such as"),
        ("- G17", "expected lines such as"),
        ("", "expected lines such as"),
        ("G17: {", "readings.yaml"),
        ("G17: below_30\nG17: below_50", "G17"),
    ],
)
def test_wrong_readings_are_refused(record: Path, tmp_path: Path, written: str, said: str) -> None:
    readings = tmp_path / "readings.yaml"
    readings.write_text(written, encoding="utf-8")
    assert said in refused(USAGE, "screen", record, *ON, "--readings", readings)


def test_readings_that_cannot_be_read_are_refused(record: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refused(USAGE, "screen", record, *ON, "--readings", tmp_path / "none.yaml")
    assert "cannot be read" in refused(USAGE, "screen", record, *ON, "--readings", tmp_path)


@pytest.mark.parametrize("day", ["tomorrow", "2026-13-01", "2026-02-30", "22.11.2026", "", "2026", "9999-99-99", "-1"])
def test_a_day_that_is_none_is_refused(record: Path, day: str) -> None:
    assert "is no day" in refused(USAGE, "screen", record, "--on", day)


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2201-01-01", "9999-12-31"])
def test_a_day_in_no_patients_life_is_refused(record: Path, day: str) -> None:
    assert "outside the years 1900 to 2200" in refused(USAGE, "screen", record, "--on", day)


@pytest.mark.parametrize("day", ["1900-01-01", "2200-12-31"])
def test_a_day_before_or_long_after_the_record_is_a_day(record: Path, day: str) -> None:
    answered("screen", record, "--on", day)
    answered("whatif", record, "--on", day, "--cohort", "1.2", "--plans", "1")


@pytest.mark.parametrize("plans", ["0", "-1", "51", "many"])
def test_a_number_of_plans_that_is_none_is_refused(record: Path, plans: str) -> None:
    refused(USAGE, "whatif", record, *ON, "--plans", plans)


def test_an_unknown_trial_or_knowledge_base_is_refused(record: Path, tmp_path: Path) -> None:
    assert "did you mean 'cd19_autoimmune'" in refused(USAGE, "screen", record, "--trial", "cd19_autoimune")
    assert "no trial under" in refused(USAGE, "screen", record, "--kb", tmp_path)
    assert "no trial under" in refused(USAGE, "screen", record, "--kb", tmp_path / "none")


def test_an_unknown_command_or_format_is_refused(record: Path) -> None:
    refused(USAGE, "scren", record)
    refused(USAGE, "screen", record, "--format", "xml")
    refused(USAGE, "explain", record)


# ---- wrong records ---------------------------------------------------------------------------------------------------


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(WRONG_RECORD, "screen", tmp_path / "none.yaml")


def test_a_directory_is_no_record(tmp_path: Path) -> None:
    assert "cannot be read" in refused(WRONG_RECORD, "screen", tmp_path)


WRONG = {
    "empty": b"",
    "blank": b"\n\n",
    "comment": b"# nothing\n",
    "list": b"- a\n- b\n",
    "word": b"hello\n",
    "number": b"42",
    "binary": bytes(range(256)) * 8,
    "zip": b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(200),
    "latin": "record: Jürg".encode("latin-1"),
    "utf16": "record: anna\n".encode("utf-16"),
    "half": b"measurements:\n- {quantity: platelets, value: 22 10*9/L",
    "tag": b"record: !!python/object/apply:os.system [ls]\n",
    "fields": b"birthdate: 1989-04-12\nfindings: [{find: sle}]\n",
    "unit": b"measurements: [{quantity: platelets, value: 22 kg}]\n",
    "xml": b'<Bundle xmlns="http://hl7.org/fhir"/>',
    "fhir": b'{"resourceType": "Bundle", "type": "history"}',
    "fhir_cut": b'{"resourceType": "Bundle", "entry": [',
    "fhir_other": b'{"resourceType": "Practitioner"}',
    "deep": b"[" * 5000,
    "deep_json": b'{"a":' * 5000,
    "laughs": b"a: &a [x, x]\n"
    + b"".join(
        b"b%d: &b%d [*%s, *%s]\n" % (i, i, p, p) for i, p in enumerate([b"a"] + [b"b%d" % i for i in range(40)])
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_that_is_no_record_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.yaml"
    path.write_bytes(WRONG[name])
    assert f"{name}.yaml" in refused(WRONG_RECORD, "screen", path, *ON)


def test_all_problems_of_a_record_are_told_with_line_and_guess(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text("sex: femal\nmeasurements:\n- {quantity: platelts, value: 1}\n- {quantity: ldh, value: 3 kg}\n")
    said = refused(WRONG_RECORD, "screen", path, *ON).splitlines()
    assert len(said) == 3
    assert "p.yaml:1 sex" in said[0]
    assert "did you mean 'platelets'" in said[1]
    assert "p.yaml:4" in said[2]


def test_standard_input_is_a_record(record: Path) -> None:
    given = record.read_bytes()
    assert answered("screen", "-", *ON, given=given) == answered("screen", record, *ON)
    assert answered("screen", "-", *ON, given=BUNDLE.read_bytes())
    refused(WRONG_RECORD, "screen", "-", given=b"")


@pytest.mark.parametrize("day", ["0001-01-01", "0001", "9999-12-31", "9999"])
def test_the_ends_of_the_calendar_are_dates_of_a_record(tmp_path: Path, day: str) -> None:
    path = tmp_path / "p.yaml"
    text = documented_record()
    for line in ("2026-11-18", "2024-03-10", "2024-03", "2021-06"):
        text = text.replace(line, f'"{day}"')
    path.write_text(text.replace("birth_date: 1989-04-12\n", ""), encoding="utf-8")
    answered("screen", path, *ON)
    answered("whatif", path, *ON, "--cohort", "1.2", "--plans", "1")


def test_several_patients_want_one_named(tmp_path: Path) -> None:
    lines = [f'{{"resourceType": "Patient", "id": "{name}", "gender": "female"}}' for name in ("p1", "p2")]
    path = tmp_path / "two.ndjson"
    path.write_text("\n".join(lines) + "\n")
    assert "p1, p2" in refused(WRONG_RECORD, "screen", path, *ON)
    assert "p2, screened on" in answered("screen", path, *ON, "--patient", "p2")
    assert "no patient 'p3'" in refused(WRONG_RECORD, "screen", path, *ON, "--patient", "p3")


def test_a_written_record_is_of_the_patient_who_is_named(record: Path) -> None:
    assert "anna, screened on" in answered("screen", record, *ON, "--patient", "anna")
    assert "no patient 'berta'; the file holds anna" in refused(WRONG_RECORD, "screen", record, *ON, "--patient", "berta")


def test_what_takes_one_reading_of_each_place_is_not_robust(record: Path, tmp_path: Path) -> None:
    said = refused(USAGE, "worksheet", record, "-o", tmp_path / "out", "--readings", "robust")
    assert "'robust' reads them all" in said
    assert not (tmp_path / "out").exists()


# ---- hostile records -------------------------------------------------------------------------------------------------

RAW = [chr(n) for n in (*range(32), *range(127, 160), 0x2028, 0x2029, 0x202E, 0x200B) if chr(n) not in "\n"]
HOSTILE = [
    'a"); yes(x). %',
    "a\\",
    'a\\"b',
    "<script>alert(1)</script>",
    "]]><b>&amp;",
    "%* open comment",
    "#script (python) x #end.",
    "{{7*7}} ${x} `id`",
    'n1["x"] --> n2',
    "é漢字",
    "x" * 200,
]


def hostile_bundle(texts: list[str]) -> dict[str, object]:
    """A bundle whose every free text is hostile, with one value that is used and much that is not."""
    subject = {"reference": "Patient/p"}
    known = {"coding": [{"system": "http://loinc.org", "code": "777-3"}]}
    count = {"value": 22, "unit": "10*9/L", "system": "http://unitsofmeasure.org", "code": "10*9/L"}
    entries: list[dict[str, object]] = [
        {"resourceType": "Patient", "id": "p", "gender": "female", "birthDate": "1989-04-12"}
    ]
    for number, text in enumerate(texts):
        concept = {"text": text, "coding": [{"system": "http://loinc.org", "code": text, "display": text}]}
        entries += [
            {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": known, "valueQuantity": count,
             "effectiveDateTime": "2026-11-18", "performer": [{"display": text}]},
            {"resourceType": "Observation", "status": text, "code": concept, "subject": subject, "valueString": text},
            {"resourceType": "Observation", "status": "final", "code": concept, "subject": subject, "valueString": text},
            {"resourceType": "Observation", "status": "final", "code": known, "subject": subject, "valueString": text},
            {"resourceType": "Condition", "code": concept, "subject": subject},
            {"resourceType": "MedicationStatement", "status": "active", "medicationCodeableConcept": concept, "subject": subject},
            {"resourceType": text},
        ]  # fmt: skip
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": entry} for entry in entries]}


def hostile_record(texts: list[str]) -> dict[str, object]:
    """A hand-written record whose every free text is hostile."""
    return {
        "record": texts[0],
        "description": "".join(texts),
        "measurements": [
            {"quantity": "platelets", "value": "22 10*9/L", "date": f"2026-11-{day:02}", "id": text}
            for day, text in enumerate(texts, 1)
        ],
        "judgements": [{"judgement": "low_dose_glucocorticoid_possible", "by": text, "id": text} for text in texts],
        "consents": [{"consent": "informed_consent", "by": text} for text in texts],
    }


@pytest.fixture(params=["written", "bundle"])
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    content = hostile_record(HOSTILE) if request.param == "written" else hostile_bundle(HOSTILE)
    path = tmp_path / "hostile.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def assert_clean(shown: str) -> None:
    assert not [c for c in shown if c in RAW], shown


@pytest.mark.parametrize("text", [*(f"a{c}b" for c in RAW), "a\nyes(x).", "\x1b[2J\x1b]0;title\x07"], ids=ascii)
def test_a_written_record_with_control_characters_is_refused_and_not_echoed(tmp_path: Path, text: str) -> None:
    path = tmp_path / "p.json"
    for content in ({"record": text}, {"measurements": [{"quantity": text}]}, {text: 1}, {"birth_date": text}):
        path.write_text(json.dumps(content), encoding="utf-8")
        assert_clean(refused(WRONG_RECORD, "screen", path, *ON))


def test_control_characters_of_a_bundle_never_reach_a_terminal(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    texts = ["".join(f"a{c}" for c in RAW), "a\nyes(x).", "\x1b[2J\x1b]0;title\x07"]
    path.write_text(json.dumps(hostile_bundle(texts)), encoding="utf-8")
    assert_clean(answered("screen", path, *ON))
    assert_clean(answered("explain", path, *ON, "--cohort", "1.2", "--all"))
    assert all(
        line.startswith(("%", "yes(", "no(", "choose(")) for line in answered("facts", path, *ON).split("\n")[:-1]
    )


@pytest.mark.parametrize(
    "command", [("screen",), ("explain", "--cohort", "1.2"), ("whatif", "--cohort", "1.2", "--plans", "1")]
)
def test_hostile_text_stays_text(hostile: Path, command: tuple[str, ...]) -> None:
    assert_clean(answered(*command, hostile, *ON))
    assert json.loads(answered(*command, hostile, *ON, "--format", "json"))


def test_hostile_text_stays_text_in_drawings(hostile: Path) -> None:
    drawn = {
        form: answered("explain", hostile, *ON, "--cohort", "1.2", "--all", "--format", form)
        for form in ("dot", "mermaid", "graphml")
    }
    ElementTree.fromstring(drawn["graphml"])
    assert [line for line in drawn["dot"].splitlines()[2:-1] if not DOT_LINE.fullmatch(line)] == []
    assert [line for line in drawn["mermaid"].splitlines()[1:] if not MERMAID_LINE.fullmatch(line)] == []
    assert "<script>" not in drawn["mermaid"] + drawn["graphml"]


def test_hostile_text_breaks_no_facts(hostile: Path, tmp_path: Path) -> None:
    facts = answered("facts", hostile, *ON)
    assert all(line.startswith(("%", "yes(", "no(", "choose(")) for line in facts.splitlines())
    assert _by_stock_clingo(facts, tmp_path) == {v["cohort"]: v["verdict"] for v in _verdicts(hostile)}


# ---- wrong knowledge bases -------------------------------------------------------------------------------------------


def test_another_knowledge_base_is_read(record: Path, other_kb: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = answered("screen", record, *ON)
    assert answered("screen", record, *ON, "--kb", other_kb, "--trial", "cd19_autoimmune") == shown
    monkeypatch.setenv("PYSCREEN_KB", str(other_kb))
    assert answered("screen", record, *ON) == shown
    monkeypatch.setenv("PYSCREEN_KB", str(other_kb / "none"))
    refused(USAGE, "screen", record, *ON)


SPOILED = {
    "a syntax error": ("cohort(sle_itp", "syntax error"),
    "an undefined criterion": ('requires(sle_itp, "1.2.age", low_platelet).', "did you mean 'low_platelets'"),
    "an undeclared quantity": (
        'requires(sle_itp, "1.2.age", below(platelts, "5 10*9/L")).',
        "did you mean 'platelets'",
    ),
    "a unit that does not fit": ('requires(sle_itp, "1.2.age", below(platelets, "5 kg")).', "unit 'kg'"),
    "an impossible interval": ('requires(sle_itp, "1.2.age", between(age, "70 a", "18 a")).', "impossible interval"),
    "an unsafe rule": ("cohort(X, Y, Z).", "unsafe"),
    "a file that is not there": ('#include "nowhere.lp".', "nowhere.lp"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_wrong_knowledge_base_is_refused_with_file_and_line(record: Path, other_kb: Path, name: str) -> None:
    added, said = SPOILED[name]
    path = other_kb / "trials" / "cd19_autoimmune" / "trial.lp"
    lines = len(path.read_text(encoding="utf-8").splitlines())
    with path.open("a", encoding="utf-8") as file:
        file.write(f"\n{added}\n")
    told = refused(WRONG_KB, "screen", record, *ON, "--kb", other_kb)
    assert said in told
    assert re.search(rf"trial\.lp:({lines + 2}|{lines + 3}|{lines + 1})\b", told)


def test_kb_check_tells_of_a_wrong_knowledge_base(other_kb: Path) -> None:
    with (other_kb / "trials" / "cd19_autoimmune" / "trial.lp").open("a", encoding="utf-8") as file:
        file.write('requires(sle_itp, "1.2.age", low_platelet).')
    result = run("kb", "check", "--kb", other_kb)
    assert result.exit_code == WRONG_KB
    assert "low_platelet" in result.output


# ---- processes -------------------------------------------------------------------------------------------------------


def test_the_exit_status_tells_what_was_wrong(record: Path, tmp_path: Path, other_kb: Path) -> None:
    assert process("screen", record, *ON).returncode == ANSWERED
    assert process("screen", "-", *ON, given=record.read_bytes()).returncode == ANSWERED
    assert process("screen", record, "--cohort", "9.9").returncode == USAGE
    assert process("screen", tmp_path / "none").returncode == WRONG_RECORD
    (other_kb / "trials" / "cd19_autoimmune" / "trial.lp").write_text("cohort(\n")
    done = process("screen", record, "--kb", other_kb)
    assert done.returncode == WRONG_KB
    assert b"trial.lp:" in done.stderr


def test_a_reader_that_stops_early_is_no_mistake(record: Path) -> None:
    code = "from pyscreen.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "facts", str(record)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.readline()
        running.stdout.close()
        assert b"Traceback" not in running.stderr.read()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("line", [["kb", "list", "tests"], ["--version"]])
def test_a_full_disk_is_told(line: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        code = "from pyscreen.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", code, *line], stdout=full, stderr=subprocess.PIPE, timeout=120, check=False)
    assert done.returncode == USAGE
    assert done.stderr.decode() == "pyscreen: the answer cannot be written: No space left on device\n"


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "page.html"
    write_whole(file, b"old")
    file.chmod(0o640)
    write_whole(file, b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", 0o640)

    def full(path: Path, data: bytes) -> None:
        path.open("wb").write(data[:1])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert "No space left" in refused(USAGE, "kb", "export", "--schema", "-o", file)
    assert file.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [file]


# ---- documented ------------------------------------------------------------------------------------------------------


def commands(command: click.Command, path: str = "pyscreen") -> Iterator[tuple[str, click.Command]]:
    """Yield every command of a group with its path."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from commands(inner, f"{path} {name}")


ALL = dict(commands(main))
DOCUMENTS = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
)


@pytest.mark.parametrize("path", ALL)
def test_every_command_and_option_is_documented_and_helps(path: str) -> None:
    command = ALL[path]
    shown = answered(*path.split()[1:], "--help")
    assert f"`{path}" in DOCUMENTS
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            long = max(parameter.opts, key=len)
            assert long in shown
            assert f"`{long}" in DOCUMENTS
            assert f"`{long}" in (ROOT / "README.md").read_text(encoding="utf-8")
            assert parameter.help or long == "--format", f"{path} {long} has no help"


def test_every_command_and_option_of_the_readme_exists() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`pyscreen ((?:kb )?[a-z]+)", readme))
    assert {f"pyscreen {name}" for name in named} <= set(ALL)
    options = {option for command in ALL.values() for parameter in command.params for option in parameter.opts}
    assert set(re.findall(r"`(--[a-z]+)", readme)) <= options | {"--help", "--version"}
    rows = re.findall(r"^\| `(--[a-z]+) .*?` \| ([^|]*) \|", readme, re.MULTILINE)
    for option, where in rows:
        for name in (part.strip() for part in where.split(",")):
            for path in ALL if name == "all" else [f"pyscreen {name}"]:
                known = {o for parameter in ALL[path].params for o in parameter.opts}
                assert option in known or (name == "all" and isinstance(ALL[path], click.Group)), (option, path)
