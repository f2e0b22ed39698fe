// One record screened for a trial on a day, as pyscreen/screening.py does it.

import { answerAll } from "./answers.js";
import { decide, verdictOf } from "./kleene.js";
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
  return { kb, record, problems, day, readings, answers, statuses, verdicts, conflicts };
}

const conflictOf = (criterion) =>
  criterion.kind === "known_by"
    ? `the ways of knowing '${criterion.label}' disagree`
    : `'${criterion.label}' is in doubt: another fact of the record contradicts it`;
