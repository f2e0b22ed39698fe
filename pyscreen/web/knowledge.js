// The exported knowledge base made ready for use: exact numbers read, selections linked, concepts with their kinds.

import { interval, readFraction } from "./numbers.js";
import { parseDuration } from "./days.js";

/** Kind of item by section of a record. */
export const SECTIONS = {
  measurements: "measurement",
  findings: "finding",
  therapies: "therapy",
  events: "event",
  procedures: "procedure",
  judgements: "judgement",
  consents: "consent",
};

export function prepare(knowledge) {
  const words = knowledge.vocabulary;
  const kb = {
    ...knowledge,
    scales: new Map(Object.entries(words.scales).map(([name, scale]) => [name, readyScale(scale)])),
    possible: new Map(Object.entries(words.quantities).map(([name, quantity]) => [name, readyRange(quantity)])),
    halfLives: readyNumbers(words.half_lives),
    equivalents: new Map(Object.entries(words.equivalents).map(([name, group]) => [name, readyNumbers(group.factors)])),
    labels: labelsByKind(words),
    derived: new Set(words.derived),
    attested: new Set(words.attested),
    localRoutes: new Set(words.local_routes),
    systemic: new Set(words.systemic),
  };
  kb.lineages = new Map();
  kb.membersOf = membersByConcept(kb, words);
  kb.selections = knowledge.selections.map((selection) => ({
    ...selection,
    members: new Set(selection.members ?? []),
    conditions: (selection.conditions ?? []).map(readyCondition),
  }));
  for (const selection of kb.selections) {
    for (const condition of selection.conditions) {
      if (condition.selection !== null) condition.selection = kb.selections[condition.selection];
    }
  }
  kb.questions = Object.entries(knowledge.tests).map(([id, test]) => ({
    id,
    selection: kb.selections[test.selection],
    summary: test.summary,
    argument: test.argument ?? "",
    boundToTime: test.bound_to_time ?? false,
    comparison: readyComparison(test.comparison),
    words: test.words,
  }));
  kb.testById = new Map(kb.questions.map((test) => [test.id, test]));
  return kb;
}

const readyNumbers = (table) => new Map(Object.entries(table).map(([name, number]) => [name, readFraction(number)]));

const readyScale = (scale) => ({
  unit: scale.unit,
  units: new Map(Object.entries(scale.units).map(([unit, pair]) => [unit, pair.map(readFraction)])),
  grades: readyNumbers(scale.grades ?? {}),
});

const readyRange = ({ lowest, highest }) =>
  interval(lowest ? readFraction(lowest) : null, highest ? readFraction(highest) : null);

const readyCondition = (condition) => ({
  name: condition.name,
  word: condition.word ?? "",
  duration: condition.duration ? parseDuration(condition.duration) : null,
  comparison: condition.comparison ? readyComparison(condition.comparison) : null,
  selection: condition.selection ?? null,
  halfLives: condition.half_lives ?? 0,
});

const readyComparison = (comparison) => ({
  op: comparison.op,
  thresholds: (comparison.thresholds ?? []).map((threshold) => ({
    text: threshold.text,
    number: readFraction(threshold.number ?? "0"),
    unit: threshold.unit ?? "",
    limit: threshold.limit ?? "",
    duration: threshold.duration ? parseDuration(threshold.duration) : null,
  })),
});

function labelsByKind(words) {
  const quantities = Object.entries(words.quantities).map(([id, quantity]) => [id, quantity.label]);
  const tables = {
    measurement: Object.fromEntries(quantities),
    finding: words.findings,
    therapy: { ...words.drugs, ...words.classes },
    event: words.events,
    procedure: words.procedures,
    judgement: words.judgements,
    consent: words.consents,
  };
  return Object.fromEntries(Object.entries(tables).map(([kind, table]) => [kind, new Map(Object.entries(table))]));
}

/** Return a concept and every class (or wider finding, event, procedure) that it belongs to. */
export function lineage(kb, concept) {
  if (!kb.lineages.has(concept)) {
    const found = new Set([concept]);
    for (const name of found) for (const parent of parentsOf(kb, name)) found.add(parent);
    kb.lineages.set(concept, found);
  }
  return kb.lineages.get(concept);
}

const parentsOf = (kb, name) => (Object.hasOwn(kb.vocabulary.parents, name) ? kb.vocabulary.parents[name] : []);

function membersByConcept(kb, words) {
  const found = new Map();
  for (const table of [words.drugs, words.findings, words.events, words.procedures]) {
    for (const member of Object.keys(table)) {
      for (const wider of lineage(kb, member)) {
        if (!found.has(wider)) found.set(wider, new Set());
        found.get(wider).add(member);
      }
    }
  }
  return found;
}

/** Return every drug of a drug or class; of a finding, event or procedure itself and every kind of it. */
export const membersOf = (kb, concept) => kb.membersOf.get(concept) ?? new Set();

/** Return the direct sub-classes and members of a class. */
export const childrenOf = (kb, concept) =>
  new Set(Object.keys(kb.vocabulary.parents).filter((child) => kb.vocabulary.parents[child].includes(concept)));

export const labelOf = (kb, kind, concept) => kb.labels[kind].get(concept) ?? concept.replaceAll("_", " ");

export const conditionOf = (selection, name) => selection.conditions.find((condition) => condition.name === name) ?? null;
