"""Records written by hand: what is read, what is refused and in which words, what is kept out as contradictory."""

from __future__ import annotations

import json
import time
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from pyscreen.dates import When, parse_when
from pyscreen.doses import parse_dose, parse_frequency
from pyscreen.errors import RecordError
from pyscreen.form import schema
from pyscreen.quantities import Interval, Scale
from pyscreen.record import Dose, Measurement, Note, Record, Statement, Therapy
from pyscreen.vocabulary import Quantity, Vocabulary
from pyscreen.written import build, dump, parse, read

CELLS = Scale("cells", "10*9/L", {"K/uL": (Fraction(1), Fraction(0)), "/uL": (Fraction(1, 1000), Fraction(0))})
CELSIUS = Scale("temperature", "Cel", {"[degF]": (Fraction(5, 9), Fraction(-160, 9))})
VOCABULARY = Vocabulary(
    quantities={
        "platelets": Quantity("platelets", "Platelet count", CELLS),
        "ana_titre": Quantity("ana_titre", "ANA titre", Scale("titre", "{titer}")),
        "anti_dsdna": Quantity("anti_dsdna", "Anti-dsDNA", Scale("arbitrary", "[IU]/mL")),
        "who_class": Quantity("who_class", "WHO functional class", Scale("class", "1", grades={"III": Fraction(3)})),
        "lvef": Quantity("lvef", "Ejection fraction", Scale("percent", "%"), Interval(Fraction(0), Fraction(100))),
        "temperature": Quantity("temperature", "Temperature", CELSIUS, Interval(Fraction(-5), Fraction(50))),
    },
    findings={"sle": "Systemic lupus erythematosus", "active_infection": "Active infection"},
    events={"relapse": "Relapse"},
    procedures={"splenectomy": "Splenectomy"},
    judgements={"life_expectancy_over_1_year": "Life expectancy over one year"},
    consents={"informed_consent": "Informed consent"},
    drugs={"prednisone": "Prednisone", "rituximab": "Rituximab", "methotrexate": "Methotrexate"},
    classes={"immunosuppressants": "Immunosuppressants", "anti_cd20": "Anti-CD20 antibodies"},
    methods={"elisa": "ELISA"},
    routes=frozenset({"oral", "intravenous"}),
    parents={
        "rituximab": frozenset({"anti_cd20"}),
        "anti_cd20": frozenset({"immunosuppressants"}),
        "methotrexate": frozenset({"immunosuppressants"}),
    },
    outcomes={"failed": frozenset({"none", "relapse"}), "responded": frozenset({"complete", "partial"})},
)

FULL = """\
record: sle-itp-01
description: |
  A woman with lupus and thrombocytopenia.
  Nothing here is real.
recorded: 2026-11-20
birth_date: 1990-05
sex: female
complete: [therapies, splenectomy]
measurements:
- {quantity: platelets, value: 22, unit: 10*9/L, date: 2026-11-10, time: "08:30", low: 150, high: 400, id: m1}
- {quantity: ana_titre, value: 1:80, date: 2026-10}
- {quantity: anti_dsdna, value: "<20 [IU]/mL", method: elisa}
- {quantity: who_class, value: III, side: left}
findings:
- {finding: sle, date: 2019-05, end: ongoing}
- {finding: active_infection, present: false}
therapies:
- {drug: prednisone, dose: 30 mg/d, route: oral, start: 2026-01-05, end: ongoing, for: sle}
- {drug: methotrexate, dose: 15, unit: mg, frequency: weekly, start: 2025-01, end: 2025-09, response: none, for: [sle]}
- {drug: anti_cd20, taken: false}
events:
- {event: relapse, date: 2026-03, id: e1}
procedures:
- {procedure: splenectomy, done: false}
judgements:
- {judgement: life_expectancy_over_1_year, answer: true, date: 2026-11-20, by: Dr A}
consents:
- {consent: informed_consent, given: true, date: 2026-11-20}
"""


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(RecordError) as caught:
        parse(text, VOCABULARY)
    return [str(problem) for problem in caught.value.problems]


def only_problem(text: str | bytes) -> str:
    (problem,) = problems(text)
    return problem


def one_measurement(fields: str) -> Measurement:
    (found,) = parse(f"measurements: [{{{fields}}}]", VOCABULARY).measurements
    return found


def one_therapy(fields: str) -> Therapy:
    (found,) = parse(f"therapies: [{{{fields}}}]", VOCABULARY).therapies
    return found


def day(text: str) -> When:
    return parse_when(text)


# ---- what is read ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def full() -> Record:
    return parse(FULL, VOCABULARY)


def test_the_patient(full: Record) -> None:
    assert (full.id, full.sex, full.birth, full.died) == ("sle-itp-01", "female", day("1990-05"), None)
    assert full.recorded == date(2026, 11, 20)
    assert full.complete == {"therapies", "splenectomy"}
    assert full.notes == ()


def test_a_measurement_is_exact_and_keeps_its_text(full: Record) -> None:
    platelets, ana, dsdna, who = full.measurements
    assert (platelets.value.low, platelets.low, platelets.high) == (22, 150, 400)
    assert (platelets.text, platelets.id, platelets.when) == ("22 10*9/L", "m1", day("2026-11-10T08:30"))
    assert (ana.value.low, ana.text, ana.when) == (80, "1:80", day("2026-10"))
    assert (dsdna.value.low, dsdna.value.high, dsdna.value.high_open, dsdna.method) == (None, 20, True, "elisa")
    assert (who.value.low, who.text, who.side, who.when) == (3, "III", "left", None)


def test_a_therapy_has_an_exact_daily_dose(full: Record) -> None:
    prednisone, methotrexate, anti_cd20 = full.therapies
    assert (prednisone.dose, prednisone.text, prednisone.ongoing) == (Dose(Fraction(30), "mg/d"), "30 mg/d", True)
    assert (prednisone.reasons, prednisone.route, prednisone.taken) == (("sle",), "oral", True)
    assert (methotrexate.dose, methotrexate.text) == (Dose(Fraction(15, 7), "mg/d"), "15 mg weekly")
    assert (methotrexate.end, methotrexate.ongoing, methotrexate.response) == (day("2025-09"), False, "none")
    assert (anti_cd20.concept, anti_cd20.taken) == ("anti_cd20", False)


def test_statements(full: Record) -> None:
    assert full.events == (Statement("relapse", True, day("2026-03"), stated=day("2026-03"), id="e1"),)
    assert full.procedures == (Statement("splenectomy", False, stated=day("2026-11-20")),)
    (judgement,) = full.judgements
    assert (judgement.present, judgement.by, judgement.when) == (True, "Dr A", day("2026-11-20"))
    assert full.consents[0].present


@pytest.mark.parametrize(
    ("fields", "stated"),
    [
        ("finding: sle", "2026-11-20"),
        ("finding: sle, date: 2019-05", "2019-05"),
        ("finding: sle, date: 2019-05, stated: 2020", "2020"),
        ("finding: sle, date: 2019-05, end: ongoing", "2026-11-20"),
        ("finding: sle, present: false", "2026-11-20"),
    ],
)
def test_the_day_a_finding_was_last_known(fields: str, stated: str) -> None:
    (finding,) = parse(f"recorded: 2026-11-20\nfindings: [{{{fields}}}]", VOCABULARY).findings
    assert finding.stated == day(stated)


def test_without_the_day_of_the_record_an_undated_statement_is_of_no_day() -> None:
    assert parse("findings: [{finding: sle}]", VOCABULARY).findings[0].stated is None


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("value: 8.25, unit: 10*9/L", Fraction(33, 4)),
        ("value: 0.1 10*9/L", Fraction(1, 10)),
        ("value: 22000, unit: /uL", Fraction(22)),
        ("value: 2.2e1 K/uL", Fraction(22)),
        ("value: 22 K/uL, unit: K/uL", Fraction(22)),
    ],
)
def test_a_value_is_exact_in_the_canonical_unit(written: str, number: Fraction) -> None:
    value = one_measurement(f"quantity: platelets, {written}").value
    assert value.low == value.high == number


def test_limits_are_in_the_unit_of_the_value_or_their_own() -> None:
    found = one_measurement("quantity: platelets, value: 22000 /uL, low: 150000, high: 400 10*9/L")
    assert (found.low, found.high) == (150, 400)


@pytest.mark.parametrize(
    ("fields", "amount", "unit"),
    [
        ("dose: 1 g/d", Fraction(1000), "mg/d"),
        ("dose: 500 ug/d", Fraction(1, 2), "mg/d"),
        ("dose: 500 mcg/day", Fraction(1, 2), "mg/d"),
        ("dose: 1 mg/kg/d", Fraction(1), "mg/kg/d"),
        ("dose: 375 mg/m2/wk", Fraction(375, 7), "mg/m2/d"),
        ("dose: 15 mg weekly", Fraction(15, 7), "mg/d"),
        ("dose: 500 mg, frequency: twice daily", Fraction(1000), "mg/d"),
        ("dose: 0.5, unit: g, frequency: 2/d", Fraction(1000), "mg/d"),
        ("dose: 30 mg/d, frequency: daily", Fraction(30), "mg/d"),
        ("dose: 5 mg, frequency: every other day", Fraction(5, 2), "mg/d"),
        ("dose: 700 mg, frequency: every 2 weeks", Fraction(50), "mg/d"),
        ("dose: '4 [IU]', frequency: every 12 hours", Fraction(8), "[IU]/d"),
    ],
)
def test_doses(fields: str, amount: Fraction, unit: str) -> None:
    assert one_therapy(f"drug: prednisone, {fields}").dose == Dose(amount, unit)


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("daily", "1"), ("once daily", "1"), ("twice a day", "2"), ("three times daily", "3"),
        ("four times daily", "4"),
        ("6 times daily", "6"), ("weekly", "1/7"), ("twice weekly", "2/7"), ("every other week", "1/14"),
        ("every day", "1"), ("every 3 days", "1/3"), ("every 4 weeks", "1/28"), ("every 8 hours", "3"),
        ("1/d", "1"), ("/d", "1"), ("3/wk", "3/7"), ("1/(2.wk)", "1/14"), ("1/(8.h)", "3"),
    ],
)  # fmt: skip
def test_frequencies(text: str, times: str) -> None:
    assert parse_frequency(text) == Fraction(times)


@pytest.mark.parametrize(
    "text", ["monthly", "as needed", "every 0 days", "0/d", "every other 2 weeks", "", "1/mo", "dayly"]
)
def test_what_is_no_exact_frequency(text: str) -> None:
    with pytest.raises(ValueError, match="is no exact frequency; expected how often"):
        parse_frequency(text)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("30 mg",), "how often is not said"),
        (("30",), "the dose has no unit"),
        (("lots",), "'lots' is no dose; expected a dose such as '30 mg/d'"),
        (("<30 mg/d",), "is no dose"),
        (("20-30 mg/d",), "a dose cannot be in"),
        (("1,000 mg/d",), "a dose cannot be in"),
        (("30 ml/d",), "a dose cannot be in 'ml/d'"),
        (("30 mg/kg/m2/d",), "a dose cannot be in"),
        (("30 mg/mo",), "a dose cannot be in"),
        (("30 mg/d", None, "twice daily"), "the unit already says how often"),
        (("30 mg daily", None, "daily"), "the frequency is said twice"),
        (("30 mg/d", "g/d"), "the dose is in 'mg/d', but its unit is said to be 'g/d'"),
        (("1" * 50 + " mg/d",), "is no dose"),
    ],
)
def test_what_is_no_dose(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_dose(*arguments)


@pytest.mark.parametrize("text", ["{}", "record:", "measurements: []", "findings: null\ntherapies: ~\nbirth_date:"])
def test_a_record_may_leave_everything_out(text: str) -> None:
    assert parse(text, VOCABULARY, name="p1") == Record("p1")


def test_json_is_read_alike() -> None:
    in_yaml = parse(FULL, VOCABULARY)
    as_json = json.dumps(yaml.load(FULL, Loader=yaml.BaseLoader)).replace('"false"', "false").replace('"true"', "true")
    assert parse(as_json, VOCABULARY) == in_yaml
    assert parse('{"measurements": [{"quantity": "platelets", "value": 8.25, "unit": "K/uL"}]}', VOCABULARY) == parse(
        "measurements: [{quantity: platelets, value: 8.25, unit: K/uL}]", VOCABULARY
    )


def test_only_true_false_and_null_are_more_than_text() -> None:
    text = "record: 007\ndescription: on\njudgements: [{judgement: life_expectancy_over_1_year, by: NO, id: 1:40}]"
    record = parse(text, VOCABULARY)
    assert (record.id, record.judgements[0].by, record.judgements[0].id) == ("007", "NO", "1:40")


def test_a_file_is_named_after_its_stem_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "sle-07.yaml"
    path.write_bytes("\ufefffindings: [{finding: sle}]".encode())
    assert read(path, VOCABULARY).id == "sle-07"
    assert read("elsewhere/x.yaml", VOCABULARY, text=b"record: y").id == "y"
    with pytest.raises(RecordError, match=r"none\.yaml: cannot be read: No such file"):
        read(tmp_path / "none.yaml", VOCABULARY)
    with pytest.raises(RecordError, match="cannot be read"):
        read(tmp_path, VOCABULARY)


def test_aliases_are_followed() -> None:
    text = "findings:\n- &first {finding: sle, date: 2019}\n- *first\n"
    assert len(parse(text, VOCABULARY).findings) == 2


def test_what_is_saved_is_read_again() -> None:
    written = {
        "record": "007",
        "measurements": [
            {"quantity": "ana_titre", "value": "1:40", "date": "2026-01-02"},
            {"quantity": "platelets", "value": "8.250", "unit": "10*9/L", "low": 150, "high": 400.5},
        ],
        "findings": [{"finding": "sle", "present": False, "date": date(2026, 1, 2).isoformat(), "id": "😀 on"}],
        "judgements": [{"judgement": "life_expectancy_over_1_year", "by": "no"}],
    }
    text = dump(written)
    assert parse(text, VOCABULARY) == build(written, VOCABULARY)
    assert "{quantity: ana_titre, value: '1:40', date: 2026-01-02}" in text
    assert "value: 8.250" in text
    assert "record: '007'" in text


def test_a_mapping_with_notes_is_built_alike() -> None:
    note = Note("unmapped", "no code for x", "o1")
    written = {
        "findings": [{"finding": "sle"}],
        "measurements": [{"quantity": "platelets", "value": 22.5, "unit": "K/uL"}],
    }
    record = build(written, VOCABULARY, name="fhir-1", notes=[note])
    assert (record.id, record.notes, record.measurements[0].value.low) == ("fhir-1", (note,), Fraction(45, 2))
    with pytest.raises(RecordError, match=r"bundle\.json:7 findings\[0\]\.finding: unknown finding"):
        build({"findings": [{"finding": "x"}]}, VOCABULARY, file="bundle.json", locate=lambda place: 7)


# ---- what is malformed -----------------------------------------------------------------------------------------------


def test_all_problems_of_a_file_are_told_at_once_with_their_lines() -> None:
    text = """\
sex: femal
birth_date: 1990-13
measurments: []
measurements:
- quantity: platelts
  value: 22
- quantity: platelets
  value: 22
  unit: 10x9/L
- {quantity: platelets, unit: K/uL}
findings:
- finding: platelets
- {}
"""
    found = problems(text)
    assert [line.split(": ")[0] for line in found] == [
        "record:1 sex",
        "record:2 birth_date",
        "record:3 measurments",
        "record:5 measurements[0].quantity",
        "record:9 measurements[1].unit",
        "record:10 measurements[2].value",
        "record:12 findings[0].finding",
        "record:13 findings[1].finding",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("brith_date: 1990", "brith_date: unknown field 'brith_date' (did you mean 'birth_date'?)"),
        ("findings: [{finding: sle, presnt: true}]", "unknown field 'presnt' (did you mean 'present'?)"),
        ("findings: [{finding: slee}]", "findings[0].finding: unknown finding 'slee' (did you mean 'sle'?)"),
        ("findings: [{finding: Active infection}]", "(did you mean 'active_infection'?)"),
        (
            "findings: [{finding: platelets}]",
            "'platelets' is a measurement, not a finding; write it under measurements",
        ),
        ("measurements: [{quantity: relapse, value: 1}]", "'relapse' is an event, not a measurement"),
        ("therapies: [{drug: rituximb}]", "unknown therapy 'rituximb' (did you mean 'rituximab'?)"),
        ("therapies: [{drug: anti_cd20}]", "is a class of drugs; a course is of one drug such as rituximab"),
        ("therapies: [{drug: rituximab, for: [sle, sli]}]", "therapies[0].for[1]: unknown finding 'sli'"),
        ("therapies: [{drug: rituximab, for: {}}]", "therapies[0].for: expected a list of names, found fields"),
        ("therapies: [{drug: rituximab, for: [true]}]", "therapies[0].for: expected a list of names, found true"),
        ("therapies: [{drug: rituximab, response: partal}]", "unknown response 'partal' (did you mean 'partial'?)"),
        ("therapies: [{drug: rituximab, response: x}]", "unknown response 'x'; expected complete, none, partial"),
        ("therapies: [{drug: rituximab, route: orall}]", "unknown route 'orall' (did you mean 'oral'?)"),
        ("therapies: [{drug: rituximab, dose: 1 g}]", "therapies[0].dose: rituximab: how often is not said"),
        ("therapies: [{drug: rituximab, unit: mg}]", "therapies[0].unit: a unit without a dose"),
        (
            "therapies: [{drug: rituximab, end: on going}]",
            "therapies[0].end: 'on going' is no date (did you mean 'ongoing'?)",
        ),
        ("findings: [{finding: sle, method: elissa}]", "unknown method 'elissa' (did you mean 'elisa'?)"),
        ("findings: [{finding: sle, date: 20/5/2019}]", "findings[0].date: '20/5/2019' is no date; expected"),
        ("findings: [{finding: sle, date: 2019-02-30}]", "'2019-02-30' is no date"),
        ("findings: [{finding: sle, date: true}]", "findings[0].date: expected text or a number, found true"),
        ("findings: [{finding: sle, present: no}]", "findings[0].present: expected true or false, found 'no'"),
        ("findings: [{finding: sle, present: }]", "findings[0].present: expected true or false, found nothing"),
        ("findings: [{finding: sle, side: lft}]", "expected left or right or both, found 'lft' (did you mean 'left'?)"),
        ("findings: [{finding: }]", "findings[0].finding: finding is missing"),
        ("findings: [{date: 2019}]", "findings[0].finding: finding is missing"),
        ("findings: [{finding: [sle]}]", "findings[0].finding: expected text, found a list"),
        ("findings: sle", "findings: expected a list, found 'sle'"),
        ("findings: {finding: sle}", "findings: expected a list, found fields"),
        ("findings: [sle]", "findings[0]: expected fields (finding, present, date"),
        ("findings: [~]", "found nothing"),
        ("findings: [[sle]]", "found a list"),
        ("sex: 1", "sex: expected female or male, found '1'"),
        ("sex: [male]", "sex: expected female or male, found a list"),
        ("complete: therapies", "complete: expected a list of names, found 'therapies'"),
        ("complete: [medications]", "complete[0]: unknown name 'medications'; expected a section (measurements,"),
        ("complete: [splenctomy]", "(did you mean 'splenectomy'?)"),
        ("recorded: 2026-11", "recorded: '2026-11' is no exact day; expected one such as 2026-11-20"),
        ("measurements: [{quantity: platelets}]", "measurements[0].value: value is missing"),
        (
            "measurements: [{quantity: platelets, value: 22}]",
            "platelets: a number on scale cells needs a unit; expected",
        ),
        (
            "measurements: [{quantity: platelets, value: 22, unit: K/ul}]",
            "measurements[0].unit: platelets: unit 'K/ul' is not accepted",
        ),
        ("measurements: [{quantity: platelets, value: 22 Gpt/L}]", "measurements[0].value: platelets: unit 'Gpt/L'"),
        (
            "measurements: [{quantity: platelets, value: 22 K/uL, unit: /uL}]",
            "the value is in 'K/uL', but its unit is said",
        ),
        ("measurements: [{quantity: platelets, value: low}]", "platelets: 'low' is no quantity"),
        ("measurements: [{quantity: platelets, value: true}]", "value: expected text or a number, found true"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, low: <1}]", "low: '<1' is no limit; expected a number"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, low: x}]", "low: platelets: 'x' is no quantity"),
        ("measurements: [{quantity: who_class, value: V}]", "who_class: 'V' is no quantity"),
        *(
            (f"measurements: [{{quantity: {quantity}, value: '{value}'}}]", f"measurements[0].value: {quantity}: '{value}' is impossible; {expected}")
            for quantity, expected, values in (
                ("platelets", "expected 0 10*9/L or more", ("-22 10*9/L", "-1 /uL", "< -5 K/uL", "<0 K/uL", ">= -1 K/uL", "> -0.1 K/uL")),
                ("lvef", "expected 0 to 100 %", ("101 %", ">100 %", ">=100.1 %", "<=200 %", "-0.5 %", "<0 %")),
                ("temperature", "expected -5 to 50 Cel", ("22.9 [degF]", "-6 Cel", "122.1 [degF]", "> 50 Cel")),
                ("who_class", "expected 0 or more", ("-1",)),
            )
            for value in values
        ),
        ("measurements: [{quantity: platelets, value: -22, unit: 10*9/L}]", "measurements[0].value: platelets: '-22 10*9/L' is impossible"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, low: -1}]", "measurements[0].low: platelets: '-1' is impossible"),
        ("measurements: [{quantity: platelets, value: '1:30 10*9/L'}]", "value: platelets: '1:30 10*9/L' is a titre, and the quantity is none"),
        ("measurements: [{quantity: platelets, value: '1:30', unit: 10*9/L}]", "'1:30' is a titre, and the quantity is none"),
        ("measurements: [{quantity: lvef, value: '<1:2 %'}]", "'<1:2 %' is a titre, and the quantity is none"),
        ("measurements: [{quantity: ana_titre, value: '1:30 %'}]", "unit '%' is not accepted on scale titre; expected {titer}"),
        ("measurements: [{quantity: ana_titre, value: '1:30', unit: 10*9/L}]", "measurements[0].unit: ana_titre: unit '10*9/L' is not accepted"),
        ("measurements: [{quantity: platelets, value: -3 to 5 K/uL}]", "value: platelets: unit 'to 5 K/uL' is not accepted"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, time: '08:30'}]", "time: a time of day needs a date"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, date: 2026-01, time: '08:30'}]", "needs an exact day"),
        ("measurements: [{quantity: platelets, value: 2 K/uL, date: 2026-01-02, time: 8h}]", "'8h' is no time of day"),
        (
            "measurements: [{quantity: platelets, value: 2 K/uL, date: '2026-01-02T08:00', time: '08:30'}]",
            "the date already has a time of day",
        ),
    ],
)
def test_a_problem_says_where_what_and_what_was_expected(text: str, message: str) -> None:
    assert message in only_problem(text)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        *(("platelets", value) for value in ("0 K/uL", "-0 K/uL", "<=0 K/uL", ">=0 K/uL", ">0 K/uL", "<0.1 K/uL")),
        *(("lvef", value) for value in ("100 %", ">=100 %", "<100 %", "0 %")),
        *(("temperature", value) for value in ("23 [degF]", "122 [degF]", "-5 Cel", "< 0 Cel", "> -5 Cel")),
        ("ana_titre", "1:30 {titer}"),
        ("platelets", "unknown"),
    ],
)
def test_what_a_quantity_can_be_is_taken(quantity: str, value: str) -> None:
    assert parse(f"measurements: [{{quantity: {quantity}, value: '{value}'}}]", VOCABULARY).measurements[0].text == value


def test_one_broken_field_hides_no_other_of_its_item() -> None:
    assert len(problems("findings: [{finding: sle, present: maybe, date: soon, sid: left}]")) == 3


def test_lines_in_json() -> None:
    text = '{\n "description": "\\ud83d\\ude00",\n "findings": [\n  {"finding": "sle"},\n  {"finding":\n "slee"}]}'
    assert only_problem(text).startswith("record:5 findings[1].finding: unknown finding 'slee'")


# ---- hostile texts ---------------------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{after}: &{after} [{', '.join([f'*{name}'] * 9)}]\n"
    for name, after in zip("abcdefghij", "bcdefghijk", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a record (fields such as birth_date, findings, measurements), found nothing"),
        ("# only a comment", "found nothing"),
        ("- a", "record:1: expected a record (fields such as birth_date, findings, measurements), found a list"),
        ("[]", "found a list"),
        ("patient", "found 'patient'"),
        (b"a: b\n\xff\xfe\x00\x01", "record:2: not text in UTF-8"),
        (b"\x7fELF\x02\x01\x01\x00", "not readable as YAML or JSON: control characters are not allowed"),
        ("a: \x00", "record:1: not readable as YAML or JSON"),
        ("sex: \ud800", "record:1: not proper Unicode text"),
        ('{"record": "\\ud800"}', "not readable as YAML or JSON"),
        ("record: 'x", "not readable as YAML or JSON: while scanning a quoted scalar"),
        ("a:\n\t- b", "record:2: not readable as YAML or JSON"),
        ("[" * 100_000, "lie more than 50 deep in one another"),
        ('{"a":' * 100_000, "lie more than 50 deep in one another"),
        ("- " * 100_000, "lie more than 50 deep in one another"),
        ("record: &a [*a]", "the alias *a stands for nothing written before it"),
        ("record: *b", "the alias *b stands for nothing written before it"),
        (BOMB, "the aliases stand for more than 200,000 values"),
        ("record: a\nrecord: b", "record:2: 'record' is written twice in one place (first on line 1)"),
        ('{"record": "a",\n"record": "b"}', "record:2: 'record' is written twice in one place (first on line 1)"),
        ("record: !!python/object/apply:os.system [x]", "the tag !!python/object/apply:os.system is not accepted"),
        ("record: !secret x", "the tag !secret is not accepted; write plain values"),
        ("--- {}\n--- {}", "record:2: a second document begins here"),
        ("? [a]\n: b", "a field's name must be text"),
        ("<<: {record: a}", "unknown field '<<'"),
        ("😀: 1", "record:1 😀: unknown field '😀'"),
        (f"record: {'x' * 1_000_000}", "record: the text is too long"),
        ('{"record": "\\u0007"}', "record: the text holds control characters"),
        (
            f"findings: [{{finding: {'x' * 100}}}]",
            "unknown finding 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'",
        ),
        ("measurements: [{quantity: platelets, value: 1e400 K/uL}]", "outside everything that is measured"),
        ("measurements: [{quantity: platelets, value: 1e-400 K/uL}]", "outside everything that is measured"),
        ("measurements: [{quantity: platelets, value: 1e999999999 K/uL}]", "is no quantity"),
        (f"measurements: [{{quantity: platelets, value: {'9' * 41} K/uL}}]", "a number of more than 40 characters"),
        (f"measurements: [{{quantity: platelets, value: {'9' * 1_000_000}}}]", "value: the text is too long"),
        (
            f'{{"measurements": [{{"quantity": "platelets", "value": {"9" * 1_000_000}}}]}}',
            "value: the text is too long",
        ),
        ("measurements: [{quantity: platelets, value: .inf}]", "'.inf' is no quantity"),
        ("measurements: [{quantity: platelets, value: nan}]", "'nan' is no quantity"),
        ("measurements: [{quantity: platelets, value: 😀}]", "'😀' is no quantity"),
    ],
)
def test_a_hostile_text_is_one_plain_problem_and_soon(text: str | bytes, message: str) -> None:
    started = time.perf_counter()
    found = problems(text)
    assert time.perf_counter() - started < 2
    assert any(message in problem for problem in found)
    assert all(len(problem) < 400 for problem in found)


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in only_problem('{"findings": [{"finding": "sle", "\\u001b[31m": 1}]}')


ANYTHING: list[object] = [
    None, True, 0, -1, 1.5, "", "x", [], [[]], {}, {"a": {}}, float("nan"), 10**400, 10**5000, b"x", object(), {1: 2},
    "\ud800", "\x1b",
]  # fmt: skip


@pytest.mark.parametrize("value", ANYTHING, ids=lambda value: type(value).__name__)
def test_wrong_types_are_problems_and_never_crash(value: object) -> None:
    made = schema()
    sections = {
        name: part["anyOf"][0]["items"].get("$ref", "")
        for name, part in made["properties"].items()
        if "anyOf" in part and "items" in part["anyOf"][0]
    }
    for field in made["properties"]:
        survives({field: value})
        survives({field: [value]})
    for section, reference in sections.items():
        for field in made["$defs"].get(reference.split("/")[-1], {"properties": {}})["properties"]:
            survives(
                {
                    section: [
                        {
                            "quantity": "platelets",
                            "finding": "sle",
                            "drug": "rituximab",
                            "value": "2 K/uL",
                            field: value,
                        }
                    ]
                }
            )


def survives(written: dict[str, object]) -> None:
    try:
        build(written, VOCABULARY)
    except RecordError as error:
        str(error).encode()


def test_of_very_many_problems_the_first_hundred_are_told() -> None:
    found = problems("findings:\n" + "- {finding: nothing_known_at_all}\n" * 5_000)
    assert len(found) == 101
    assert any("more than 100 problems; reading stopped" in problem for problem in found)


def test_a_large_file_is_read_in_seconds() -> None:
    row = {"quantity": "platelets", "value": 22.5, "unit": "10*9/L", "date": "2026-01-01", "low": 150, "high": 400}
    text = json.dumps({"measurements": [row] * 40_000}, indent=1)
    assert len(text) > 5_000_000
    started = time.perf_counter()
    assert len(parse(text, VOCABULARY).measurements) == 40_000
    assert time.perf_counter() - started < 10


# ---- what contradicts itself -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "therapies: [{drug: rituximab, start: 2021, end: 2020, id: t1}]",
            "therapies[0] rituximab: it ends on 2020, before it starts on 2021; the item is not used",
        ),
        ("findings: [{finding: sle, date: 2021-05-02, end: 2021-05-01}]", "findings[0] sle: it ends on 2021-05-01"),
        ("therapies: [{drug: rituximab, taken: false, start: 2020}]", "it is said never to have been taken"),
        (
            "measurements: [{quantity: platelets, value: 2 K/uL, low: 9, high: 3}]",
            "the upper limit of normal is below the lower",
        ),
        (
            "birth_date: 1990-05\nmeasurements: [{quantity: platelets, value: 2 K/uL, date: 1990-04-30}]",
            "measurements[0] platelets: 1990-04-30 is before the birth on 1990-05",
        ),
        ("died: 2020-03\nevents: [{event: relapse, date: 2020-04-01}]", "2020-04-01 is after the death on 2020-03"),
        ("died: 2020\ntherapies: [{drug: rituximab, start: 2019, end: 2021}]", "2021 is after the death on 2020"),
    ],
)
def test_a_contradiction_is_noted_and_kept_out(text: str, message: str) -> None:
    record = parse(text, VOCABULARY)
    (note,) = record.notes
    assert note.kind == "conflict"
    assert message in note.message
    assert (record.measurements, record.findings, record.therapies, record.events) == ((), (), (), ())


@pytest.mark.parametrize(
    "text",
    [
        "therapies: [{drug: rituximab, start: 2021-05-20, end: 2021-05}]",
        "birth_date: 1990-05\nfindings: [{finding: sle, date: 1990}]",
        "died: 2020-03\nfindings: [{finding: sle, date: 2020-03-31}]",
    ],
)
def test_what_may_be_so_is_no_contradiction(text: str) -> None:
    assert parse(text, VOCABULARY).notes == ()


def test_birth_after_death_is_noted_and_neither_is_used() -> None:
    record = parse("birth_date: 1990\ndied: 1980", VOCABULARY)
    assert (record.birth, record.died) == (None, None)
    assert "1980 is before the birth on 1990" in record.notes[0].message


@pytest.mark.parametrize(
    ("complete", "left"),
    [
        ("therapies, findings", {"findings"}),
        ("rituximab, methotrexate", {"methotrexate"}),
        ("anti_cd20, immunosuppressants, prednisone, sle", {"prednisone", "sle"}),
    ],
)
def test_what_was_kept_out_is_no_longer_complete(complete: str, left: set[str]) -> None:
    text = f"complete: [{complete}]\ntherapies: [{{drug: rituximab, start: 2021, end: 2020}}]"
    assert parse(text, VOCABULARY).complete == left


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("died: 2020\nevents: [{event: relapse, date: 2021}, {event: relapse, happened: false}]", 0),
        ("therapies: [{drug: rituximab, start: 2021, end: 2020}, {drug: anti_cd20, taken: false}]", 0),
        ("therapies: [{drug: rituximab, start: 2021, end: 2020}, {drug: prednisone, taken: false}]", 1),
        ("therapies: [{drug: rituximab, start: 2021}, {drug: prednisone, taken: false}]", 2),
    ],
)
def test_never_is_not_believed_of_what_was_kept_out(text: str, kept: int) -> None:
    record = parse(text, VOCABULARY)
    assert len(record.events) + len(record.therapies) == kept


# ---- the schema ------------------------------------------------------------------------------------------------------


def accepts(made: dict[str, Any], written: object) -> bool:
    return jsonschema.Draft202012Validator(made).is_valid(written)


def as_json(text: str) -> Any:
    """What another YAML reader makes of a text, dates and numbers as text."""
    loaded = yaml.load(text, Loader=yaml.BaseLoader)
    return json.loads(json.dumps(loaded).replace('"false"', "false").replace('"true"', "true"))


@pytest.mark.parametrize("vocabulary", [None, VOCABULARY])
def test_the_schema_accepts_a_full_example(vocabulary: Vocabulary | None) -> None:
    made = schema(vocabulary)
    jsonschema.Draft202012Validator.check_schema(made)
    jsonschema.Draft202012Validator(made).validate(as_json(FULL))
    assert accepts(made, {"birth_date": 1990, "measurements": [{"quantity": "platelets", "value": 2.5}]})


@pytest.mark.parametrize("vocabulary", [None, VOCABULARY])
@pytest.mark.parametrize(
    "written",
    [
        [],
        {"measurments": []},
        {"findings": [{"finding": "sle", "presnt": True}]},
        {"findings": [{"present": True}]},
        {"findings": [{"finding": "sle", "present": "no"}]},
        {"measurements": [{"quantity": "platelets"}]},
        {"sex": "f"},
    ],
)
def test_the_schema_rejects_what_the_reader_rejects(vocabulary: Vocabulary | None, written: object) -> None:
    assert not accepts(schema(vocabulary), written)


@pytest.mark.parametrize(
    "written",
    [
        {"findings": [{"finding": "slee"}]},
        {"findings": [{"finding": "platelets"}]},
        {"therapies": [{"drug": "rituximab", "response": "partal"}]},
        {"therapies": [{"drug": "rituximab", "route": "x"}]},
        {"therapies": [{"drug": "rituximab", "for": ["sl"]}]},
        {"complete": ["medications"]},
    ],
)
def test_with_a_vocabulary_the_schema_knows_the_names(written: object) -> None:
    assert accepts(schema(), written)
    assert not accepts(schema(VOCABULARY), written)


def test_the_schema_says_what_names_mean_and_what_fields_are_for() -> None:
    made = schema(VOCABULARY)
    assert "sle: Systemic lupus erythematosus" in made["$defs"]["finding"]["description"]
    assert made["$id"] == "urn:pyscreen:record"
    forms = [made, *(part for name, part in made["$defs"].items() if name.startswith("Written"))]
    assert all(field.get("description") for form in forms for field in form["properties"].values())
