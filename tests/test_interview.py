"""Interviews: answers become items of a record that reads back alike, what cannot be taken is refused, and the end is a decision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from pyscreen.asking import Question
from pyscreen.cli import main
from pyscreen.dialogue import expected, talk
from pyscreen.errors import RecordError, RequestError
from pyscreen.interview import Interview, Refused, comments_of, open_record, save
from pyscreen.markup import amended, load
from pyscreen.sources import read_record
from tests.partial import DAY, knowledge, screener

CASES = knowledge().root / "trials/cd19_autoimmune/cases"


def begun(**written: object) -> Interview:
    return Interview(screener(), {"record": "anna", **written}, "anna", DAY, by="Dr Meier")


def question(interview: Interview, kind: str, concept: str = "") -> Question:
    return next(q for q in interview.state.questions() if q.kind == kind and concept in ("", q.concept))


def reply(interview: Interview, asked: Question, random: Random) -> str:
    """Return a likely answer to a question."""
    if asked.kind == "sex":
        return random.choice(("female", "male"))
    if asked.kind == "birth":
        return str(random.randint(1950, 2015))
    if asked.kind != "value":
        return random.choice(("yes", "no", "no on 2026-11-20", "?"))
    scale = knowledge().vocabulary.quantities[asked.concept].scale
    if scale.grades:
        return random.choice(list(scale.grades))
    number = random.choice(("0.5", "3", "25", "60", "140", "480"))
    return number if scale.unit in ("", "1", "{score}") else f"{number} {scale.unit}"


@pytest.mark.parametrize("seed", range(3))
def test_an_interview_ends_with_a_record_that_reads_back_alike(seed: int, tmp_path: Path) -> None:
    interview, random, said = begun(), Random(seed), []
    output = tmp_path / "anna.yaml"

    def hear(_: str) -> str:
        advice = interview.next()
        assert advice is not None
        assert expected(interview, advice.question)
        return reply(interview, advice.question, random)

    talk(interview, hear, said.append, output)
    assert interview.asked >= 3
    assert said[-1].strip().startswith(("Everything is decided.", "Nothing more can be asked."))
    again = screener().screen(read_record(output, knowledge()), DAY, dependences=False)
    assert again.statuses == interview.screening.statuses
    assert any("->" in line for line in said), "verdicts move"


KINDS = {
    "value": ("22 10*9/L on 2026-11-18", "measurements", {"quantity": "platelets", "value": "22 10*9/L", "date": "2026-11-18"}),
    "finding": ("no", "findings", {"finding": "malignancy", "present": False, "date": "2026-11-22"}),
    "procedure": ("yes on 2020-05", "procedures", {"procedure": "solid_organ_transplant", "date": "2020-05"}),
    "judgement": ("no", "judgements", {"judgement": "low_dose_glucocorticoid_possible", "answer": False, "date": "2026-11-22", "by": "Dr Meier"}),
    "consent": ("yes", "consents", {"consent": "informed_consent", "date": "2026-11-22", "by": "Dr Meier"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_written_as_what_it_is(kind: str) -> None:
    text, section, row = KINDS[kind]
    interview = begun()
    interview.answer(question(interview, kind, str(next(iter(row.values())))), text)
    assert interview.written[section] == [row]


def test_who_and_when_the_patient_was_born_are_fields_of_the_record() -> None:
    interview = begun()
    interview.answer(question(interview, "birth"), "1989-04")
    interview.answer(question(interview, "sex"), "F")
    assert (interview.written["birth_date"], interview.written["sex"]) == ("1989-04", "female")


def test_what_no_item_can_say_is_a_direct_answer() -> None:
    interview = begun()
    asked = question(interview, "direct")
    interview.answer(asked, "yes")
    assert interview.written["answers"] == [{"test": asked.concept, "answer": True, "date": "2026-11-22", "by": "Dr Meier"}]
    assert interview.screening.answers[asked.concept].truth is True


def test_a_laboratory_gives_its_limits_behind_the_value() -> None:
    interview = begun()
    interview.answer(question(interview, "value", "ldh"), "610 U/L (135-250)")
    assert interview.written["measurements"] == [
        {"quantity": "ldh", "value": "610 U/L", "date": "2026-11-22", "low": "135", "high": "250"}
    ]


@pytest.mark.parametrize(
    ("kind", "concept", "text", "words"),
    [
        ("value", "platelets", "22", "unit"),
        ("value", "platelets", "22 mmHg", "mmHg"),
        ("value", "platelets", "many", "many"),
        ("value", "platelets", "-22 10*9/L", "'-22 10*9/L' is impossible; expected 0 10*9/L or more"),
        ("value", "platelets", "1:22 10*9/L", "is a titre"),
        ("value", "platelets", "22 10*9/L on 2026-11-23", "after the screening date"),
        ("value", "platelets", "22 10*9/L on never", "no date"),
        ("value", "platelets", "\x1b[31m", "'"),
        ("value", "platelets", "9" * 5000, "too long"),
        ("birth", "age", "2027-01-01", "after the screening date"),
        ("birth", "age", "soon", "no date"),
        ("sex", "sex", "yes", "female or male"),
        ("finding", "malignancy", "perhaps", "yes or no"),
    ],
)
def test_what_the_record_would_not_take_is_refused(kind: str, concept: str, text: str, words: str) -> None:
    interview = begun()
    before = dict(interview.written)
    with pytest.raises(Refused) as refused:
        interview.answer(question(interview, kind, concept), text)
    assert words in str(refused.value)
    assert (interview.written, interview.asked) == (before, 0)


def test_what_contradicts_the_record_is_refused() -> None:
    interview = begun(birth_date="1990")
    with pytest.raises(Refused, match="before the birth"):
        interview.answer(question(interview, "value", "platelets"), "22 10*9/L on 1985-01-01")


def test_back_takes_answers_back_one_by_one() -> None:
    interview = begun()
    start = interview.written, interview.screening.statuses
    interview.answer(question(interview, "birth"), "1989")
    middle = interview.written, interview.screening.statuses
    interview.do_not_know(question(interview, "sex"))
    assert "sex" not in {q.kind for q in interview.state.questions()}
    assert interview.back()
    assert "sex" in {q.kind for q in interview.state.questions()}
    assert (interview.written, interview.screening.statuses) == middle
    assert interview.back()
    assert (interview.written, interview.screening.statuses, interview.asked) == (*start, 0)
    assert not interview.back()


def lines(*said: str) -> Iterator[str]:
    yield from said


def test_the_end_of_the_input_stops(tmp_path: Path) -> None:
    said: list[str] = []
    replies = lines("back", "nonsense", "1989", "?")
    talk(begun(), lambda _: next(replies, None), said.append, tmp_path / "a.yaml")
    text = "".join(said)
    assert "no answer to take back" in text
    assert "Not taken" in text
    assert "Stopped." in text
    assert "1989" in (tmp_path / "a.yaml").read_text(encoding="utf-8")


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_record_is_resumed_where_it_was_left(tmp_path: Path) -> None:
    for name in ("anna.yaml", "anna.json"):
        file = tmp_path / name
        interview = begun()
        interview.answer(question(interview, "birth"), "1989")
        save(interview.written, file)
        again = open_record(file, screener())
        assert again == {"record": "anna", "birth_date": "1989"} or again == interview.written
        assert "birth" not in {q.kind for q in Interview(screener(), again, "anna", DAY).state.questions()}
    assert open_record(tmp_path / "new.yaml", screener()) == {"record": "new"}
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_fhir_is_a_beginning_too() -> None:
    bundle = Path(__file__).parent / "data" / "fhir" / "lupus.json"
    written = open_record(bundle, screener())
    assert Interview(screener(), written, "lupus", DAY).screening.record.birth is not None


def test_fhir_is_not_written_over(tmp_path: Path) -> None:
    source = Path(__file__).parent / "data" / "fhir" / "lupus.json"
    bundle = tmp_path / "lupus.json"
    bundle.write_bytes(source.read_bytes())
    line = ["interview", str(bundle), "--on", DAY.isoformat()]
    for more in ([], ["-o", str(bundle)]):
        refused = CliRunner().invoke(main, [*line, *more], input="yes\nstop\n")
        assert (refused.exit_code, refused.stdout) == (2, "")
        assert "lupus.json: is FHIR, and is not written over" in refused.stderr
    assert bundle.read_bytes() == source.read_bytes()
    assert CliRunner().invoke(main, [*line, "-o", str(tmp_path / "new.yaml")], input="yes\nstop\n").exit_code == 0
    assert (tmp_path / "new.yaml").exists()


def test_a_wrong_record_is_told_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text("record: a\nsex: f\n", encoding="utf-8")
    with pytest.raises(RecordError, match=r"wrong\.yaml:2"):
        open_record(file, screener())


def test_what_cannot_be_saved_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="cannot be written"):
        save({"record": "a"}, tmp_path / "nowhere" / "a.yaml")
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(RequestError, match="cannot be written"):
        save({"record": "a"}, tmp_path / "folder.yaml")
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.yaml"]
    assert [path.name for path in tmp_path.iterdir()] == ["folder.yaml"]


# ---- the command -----------------------------------------------------------------------------------------------------


def test_through_a_pipe(tmp_path: Path) -> None:
    file = tmp_path / "anna.yaml"
    result = CliRunner().invoke(main, ["interview", str(file), "--on", "2026-11-22", "--by", "Dr Meier"], input="1989-04-12\nyes\n")
    assert result.exit_code == 0, result.output
    assert "birth_date: 1989-04-12" in file.read_text(encoding="utf-8")
    other = tmp_path / "other.yaml"
    result = CliRunner().invoke(main, ["interview", str(file), "-o", str(other), "--on", "2026-11-22"], input="no\nstop\n")
    assert result.exit_code == 0, result.output
    assert "Birth date?" not in result.output
    assert "birth_date: 1989-04-12" in other.read_text(encoding="utf-8")


@pytest.mark.parametrize("line", [["interview", "-"], ["interview", "a.yaml", "--readings", "robust"]])
def test_what_an_interview_cannot_do_is_said(line: list[str]) -> None:
    result = CliRunner().invoke(main, line)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_the_shipped_records_can_be_asked_on() -> None:
    for path in sorted(CASES.glob("*_eligible.yaml"))[:3]:
        interview = Interview(screener(), open_record(path, screener()), path.stem, DAY)
        advice = interview.next()
        assert advice is None or advice.worth >= 0


COMMENTED = """# From the ward round.
record: anna   # not her name
findings:
  # told by phone
  - {finding: malignancy, present: false, date: 2026-11-20}
  - finding: sepsis
    present: false   # no fever either
    date: 2026-11-20

# To be measured again:
measurements:
- {quantity: platelets, value: 22 10*9/L, date: 2026-11-18}
"""


def test_an_interview_keeps_the_comments_of_the_record(tmp_path: Path) -> None:
    path = tmp_path / "anna.yaml"
    path.write_text(COMMENTED, encoding="utf-8")
    interview, random = Interview(screener(), open_record(path, screener()), "anna", DAY, source=comments_of(path)), Random(1)
    words = iter([None, None, "back", None, None, None, None, "stop"])

    def hear(_: str) -> str:
        advice = interview.next()
        assert advice is not None
        return next(words) or reply(interview, advice.question, random)

    talk(interview, hear, lambda _: None, path)
    kept = path.read_text(encoding="utf-8")
    assert [line for line in COMMENTED.splitlines() if line not in kept.splitlines()] == []
    assert len(kept.splitlines()) > len(COMMENTED.splitlines())
    assert load(kept).value == interview.written


@pytest.mark.parametrize(
    ("text", "value", "made"),
    [
        ("a: 1 # one\nb:\n- x: 1 # ex\n# end\n", {"a": "1", "b": [{"x": "1"}, {"x": "2"}], "c": "3"}, "a: 1 # one\nb:\n- x: 1 # ex\n- {x: 2}\n# end\nc: 3\n"),
        ("b:\n- x\n", {"b": ["x", "y"]}, None),
        ("b:\n  - {x: 1,\n     y: 2}\nc: 3", {"b": [{"x": "1", "y": "2"}, {"x": "3"}], "c": "3"}, "b:\n  - {x: 1,\n     y: 2}\n  - {x: 3}\nc: 3\n"),
        ("a: 1\n", {"a": "2"}, None),
        ("a: 1\nb: 2\n", {"a": "1"}, None),
        ("b: [x]\n", {"b": ["x", "y"]}, None),
        ("b:\n- |\n  x\n\nc: 1\n", {"b": ["x\n", "y"], "c": "1"}, None),
        ("{a: 1}\n", {"a": "1", "b": "2"}, None),
    ],
)
def test_what_is_new_goes_between_the_lines_or_nowhere(text: str, value: dict[str, object], made: str | None) -> None:
    assert amended(text, value) == made
