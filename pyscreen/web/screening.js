// One record screened for a trial on a day, as pyscreen/screening.py does it.

import { answerAll } from "./answers.js";
import { isoDay, showWhen, when } from "./days.js";
import { decide, verdictOf } from "./kleene.js";
import { labelOf } from "./knowledge.js";
import { readRecord } from "./record.js";

/** Return every reading with the option that counts: the defaults, and what was chosen. */
export function chosenReadings(kb, chosen = {}) {
  return Object.fromEntries(Object.entries(kb.readings).map(([id, reading]) => [id, chosen[id] ?? reading.default]));
}

/** Screen a record in its written form; `problems` says what is wrong with it, and then nothing is decided. */
export function screen(kb, written, day, chosen = {}) {
  const { record, problems } = readRecord(written, kb);
  const readings = chosenReadings(kb, chosen);
  const answers = answerAll(record, kb, day);
  const { statuses, conflicting } = decide(kb, (test) => answers.byTest.get(test).truth, readings);
  const verdicts = new Map(kb.cohorts.map((cohort) => [cohort.id, verdictOf(kb, cohort, statuses)]));
  const conflicts = [...answers.conflicts, ...[...conflicting].sort().map((id) => ({ message: conflictOf(kb.criteria[id]), id: null }))];
  return { kb, record, problems, day, readings, answers, statuses, verdicts, conflicts, later: laterNote(kb, record, day) };
}

/** Say what is dated after the screening day, and not said to be planned, as {message, places}; null where nothing is. */
function laterNote(kb, record, day) {
  const found = laterItems(kb, record, day).filter((one) => one.when !== null && one.when.earliest > day);
  if (!found.length) return null;
  const words = found.slice(0, MOST_LATER).map((one) => `${one.label}, ${showWhen(one.when)}${one.id ? ` [${one.id}]` : ""}`);
  if (found.length > MOST_LATER) words.push(`and ${found.length - MOST_LATER} more`);
  const items = found.length === 1 ? "1 item is" : `${found.length} items are`;
  const made = record.recorded;
  const plain = found.length === 1 ? "it does not count, or only as a plan" : "they do not count, or only as plans";
  const wrong = `the record was made on ${made !== null && isoDay(made)}: what is not planned must be dated wrongly, and leaves open what it bears on`;
  const used = made !== null && made <= day ? wrong : plain;
  const message = `${items} dated after the screening date, ${isoDay(day)}; ${used}: ${words.join("; ")}`;
  return { message, places: found.map((one) => one.place).filter(Boolean) };
}

function laterItems(kb, record, day) {
  const after = (one) => one !== null && one.earliest > day;
  const of = (kind, items, dated) =>
    items.filter((one) => !one.planned).map((one) => ({ label: labelOf(kb, kind, one.concept), when: dated(one), id: one.id, place: one.place }));
  return [
    { label: "birth", when: record.birth, id: null, place: null },
    { label: "death", when: record.died, id: null, place: null },
    ...of("measurement", record.measurements, (one) => one.when),
    ...of("therapy", record.therapies, (one) => one.start),
    ...["finding", "event", "procedure", "judgement", "consent"].flatMap((kind) =>
      of(kind, record.statements[kind], (one) => (!after(one.when) && after(one.stated) ? one.stated : one.when)),
    ),
    ...record.answers.map((one) => ({ label: kb.criteria[one.test]?.label ?? one.test, when: when(one.day), id: one.id, place: one.place })),
  ];
}

const MOST_LATER = 5;

const conflictOf = (criterion) =>
  criterion.kind === "known_by"
    ? `the ways of knowing '${criterion.label}' disagree`
    : `'${criterion.label}' is in doubt: another fact of the record contradicts it`;
