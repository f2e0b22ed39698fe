// The record's answer to each test: yes, no or unknown, with the evidence it rests on. As pyscreen/answers.py.
//
// An answer is {truth, evidence, why}; evidence is {text, when, id, note, places}. What this page does not work out is not guessed:
// the test is then unknown.

import { agreed, both, either } from "./truth.js";
import { ZERO, interval, isExact, minus, opposite, order, over, plus, times, whole } from "./numbers.js";
import { FIRST_DAY, compareDays, dayOrder, isExactDay, isoDay, shift, showDuration, showWhen, when } from "./days.js";
import { childrenOf, conditionOf, lineage, membersOf } from "./knowledge.js";
import { NotHere, Patient, WRONG_DATE, meets, spans } from "./items.js";

class Conflict extends Error {
  constructor(message, evidence) {
    super(message);
    this.evidence = evidence;
  }
}

/** Answer every test from a record as of a screening date; return {byTest, conflicts}. */
export function answerAll(record, kb, day) {
  const patients = new Map([[day, new Patient(record, day, kb)]]);
  const byTest = new Map();
  const conflicts = new Map(record.conflicts.map((note) => [note.message, note]));
  const told = toldBy(record, day);
  for (const test of kb.questions) {
    const asOf = conditionOf(test.selection, "as_of");
    const asked = asOf ? shift(day, asOf.duration, -1) : day;
    if (!patients.has(asked)) patients.set(asked, new Patient(record, asked, kb));
    byTest.set(test.id, answerOne(patients.get(asked), test, told.get(test.id), day, conflicts));
  }
  return { byTest, conflicts: [...conflicts.values()] };
}

function answerOne(patient, test, told, day, conflicts) {
  try {
    const found = fromItems(patient, test);
    return told ? withDirect(found, test, told, patient.record, day) : found;
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    const { message, evidence } = error;
    const id = evidence.map((one) => one.id).filter(Boolean).join(" ") || null;
    if (!conflicts.has(message)) conflicts.set(message, { message, id, places: evidence.flatMap((one) => one.places) });
    return answer(null, evidence, `conflict: ${message}`);
  }
}

function fromItems(patient, test) {
  try {
    const summary = SUMMARIES[test.summary];
    if (!summary) throw new NotHere(`the summary '${test.summary}'`);
    return summary(patient, test);
  } catch (error) {
    if (!(error instanceof NotHere)) throw error;
    return { ...answer(null, [], `this page does not work out ${error.message}`), notHere: true };
  }
}

// ---- direct answers ----

/** Return the direct answers that were given by a day, the latest of each test; several where they are of one day. */
function toldBy(record, day) {
  const told = new Map();
  for (const direct of record.answers) {
    const others = told.get(direct.test) ?? [];
    if (direct.day <= day && others.every((other) => other.day <= direct.day)) {
      told.set(direct.test, [...others.filter((other) => other.day === direct.day), direct]);
    }
  }
  return told;
}

/** Join what the items say with what a person answered to the test itself. */
function withDirect(found, test, told, record, day) {
  const direct = told[0];
  if (test.boundToTime && direct.day !== day) {
    if (found.truth !== null) return found;
    return { ...found, why: `answered on ${isoDay(direct.day)}; to be asked again; ${found.why}` };
  }
  const said = told.map(saidDirectly);
  if (new Set(told.map((other) => other.yes)).size > 1) {
    throw new Conflict(`${test.id}: answered directly both yes and no on ${isoDay(direct.day)}`, said);
  }
  if (found.truth === null) return answer(direct.yes, said);
  if (found.truth === direct.yes || isNewer(found.evidence, direct.day, record)) return found;
  const items = found.evidence.map(showEvidence).join("; ") || "the record";
  throw new Conflict(`${test.id}: '${showEvidence(said[0])}' disagrees with ${items}`, [...said, ...found.evidence]);
}

function saidDirectly(direct) {
  const by = direct.by ? ` (by ${direct.by})` : "";
  const day = when(direct.day);
  return { text: `answered directly: ${direct.yes ? "yes" : "no"}${by}`, when: day, id: direct.id, note: "", known: null, places: [direct.place] };
}

/** Tell whether some item is certainly of a later day; what a record says by its silence is as old as the record. */
function isNewer(evidence, day, record) {
  const known = evidence.map((one) => one.known).filter(Boolean);
  return known.length ? known.some((one) => one.earliest > day) : record.recorded !== null && record.recorded > day;
}

const answer = (truth, evidence = [], why = "") => ({ truth, evidence, why: truth === null ? why : "" });

const evidenceOf = (items) =>
  items.map((item) => ({
    text: item.text, when: shownWhen(item), id: item.id, note: "", known: knownWhen(item), places: item.places,
  }));

/** Return the day as of which an item says what it says: of a course its last day, of all else when it was so. */
const knownWhen = (item) => (item.kind === "therapy" && !item.ongoing ? (item.end ?? item.start) : (item.stated ?? item.start));

const shownWhen = (item) => (item.kind === "therapy" ? null : (item.start ?? item.stated));

export function showEvidence(evidence) {
  const said = evidence.when ? `${evidence.text}, ${showWhen(evidence.when)}` : evidence.text;
  return said + (evidence.id ? ` [${evidence.id}]` : "") + (evidence.note ? ` - ${evidence.note}` : "");
}

const unique = (list) => [...new Set(list)];

/** Leave out items that are the same in everything that counts. */
function distinctItems(items) {
  const skip = new Set(["places", "parts", "rest"]);
  const key = (item) =>
    JSON.stringify(item, (field, value) => (typeof value === "bigint" ? String(value) : skip.has(field) ? undefined : value));
  return [...new Map(items.map((item) => [key(item), item]).reverse()).values()].reverse();
}

// ---- some ----

function some(patient, test) {
  const matched = patient.matched(test.selection);
  const yes = matched.filter(([item, truth]) => truth && item.present).map(([item]) => item);
  if (yes.length) return answer(true, evidenceOf(yes));
  if (test.selection.kind === "sex") {
    return answer(matched.length ? false : null, evidenceOf(matched.map(([item]) => item)), missing(matched));
  }
  const open = matched.filter(([item, truth]) => truth === null && item.present);
  if (open.length) return answer(null, evidenceOf(open.map(([item]) => item)), unique(open.flatMap(([, , doubts]) => doubts)).join("; "));
  const denied = matched.filter(([item, truth]) => truth && !item.present).map(([item]) => item);
  if (denied.length || patient.complete(test.selection)) {
    return answer(false, denied.length ? evidenceOf(denied) : notCounted(matched));
  }
  return answer(null, notCounted(matched), missing(matched));
}

const notCounted = (matched) =>
  matched.map(([item, , missed]) => ({ text: item.text, when: shownWhen(item), id: item.id, note: missed.join("; "), places: item.places }));

/** Return what an open answer rests on; where no item counts, the latest of those that do not, each with why. */
function instead(patient, test, items) {
  if (items.length) return evidenceOf(items);
  const matched = patient.matched(test.selection);
  const last = candidatesOf(matched.map(([item]) => item));
  return notCounted(matched.filter(([item]) => last.includes(item)));
}

const missing = (matched) =>
  matched.length ? "what is recorded does not meet the conditions, and the record does not say that it is complete" : "not recorded";

// ---- latest, earliest, lowest, highest ----

function latest(patient, test) {
  const [certain, maybe, openWhy] = usable(patient, test);
  if (!certain.length && !maybe.length && silentlyDenied(patient, test)) return answer(false);
  if (!certain.length) return answer(null, instead(patient, test, maybe), openWhy);
  const states = certain.flatMap((item) => statesOf(patient, item, test));
  if (!states.length) return answer(null, evidenceOf(certain), "one kind of it has ended, which says nothing of the others");
  const surely = candidatesOf(states);
  const others = maybe.flatMap((item) => statesOf(patient, item, test));
  const candidates = [...surely, ...others.filter((item) => mayFollow(item, surely))];
  const newest = conditionOf(test.selection, "newest");
  if (newest && both(candidates.map((item) => recent(patient, item, newest))) !== true) {
    return answer(null, evidenceOf(candidates), stale(candidates, newest));
  }
  refuseClash(candidates, test);
  const truth = agreed(truthsOf(patient, test, candidates, candidates.length === surely.length));
  return answer(truth, evidenceOf(candidates), openWhy || unsettled(patient, test, candidates));
}

function silentlyDenied(patient, test) {
  if (test.selection.kind !== "finding" || test.comparison.op !== "present" || !patient.complete(test.selection)) return false;
  const newest = conditionOf(test.selection, "newest");
  if (!newest?.duration) return true;
  return (patient.record.recorded ?? patient.day) >= shift(patient.day, newest.duration, -1);
}

/** Return the items that meet the conditions, those that may, and why it is open where it is. */
function usable(patient, test) {
  const matched = patient.matched(test.selection);
  const certain = matched.filter(([, truth]) => truth).map(([item]) => item);
  const maybe = matched.filter(([, truth]) => truth === null);
  let why = unique(maybe.flatMap(([, , doubts]) => doubts)).join("; ");
  if (!matched.length) why = "not recorded";
  else if (!certain.length && !maybe.length) why = `nothing recorded meets the conditions (${outside(patient, test)})`;
  return [certain, maybe.map(([item]) => item), why];
}

function outside(patient, test) {
  const within = conditionOf(test.selection, "within");
  if (!within) return "see the conditions of the test";
  const { start, end } = patient.window(within);
  if (start.earliest > end.latest) return `it counts only from ${showWhen(start)} on`;
  return `from ${showWhen(start)} to ${showWhen(end)}`;
}

/** See a finding as a state: one that has ended is absent since then; one that may have ended is either. */
function statesOf(patient, item, test) {
  if (item.kind !== "finding" || !item.present || item.end === null || item.ongoing) return [item];
  if (item.end.earliest >= patient.day) return [{ ...item, stated: when(patient.day) }];
  const end = when(item.end.earliest, Math.min(item.end.latest, patient.day - 1));
  const ended = { ...item, text: `${item.text} until ${showWhen(item.end)}`, end, stated: end, present: false, whole: true };
  const kinds = membersOf(patient.kb, item.concept);
  const over = [...test.selection.members].every((name) => kinds.has(name)) ? [ended] : [];
  const still = { ...item, stated: when(item.end.earliest, patient.day) };
  return item.end.latest < patient.day ? over : [...over, still];
}

const orderOf = (item) => item.stated ?? item.start;

/** Return the items that may be the latest (or the latest to begin): undated ones always may. */
function candidatesOf(items, byStart = false) {
  const whens = items.map((item) => [item, byStart ? item.start : orderOf(item)]);
  const dated = whens.filter(([, day]) => day);
  const undated = whens.filter(([, day]) => !day).map(([item]) => item);
  if (!dated.length) return undated;
  const bar = Math.max(...dated.map(([, day]) => day.earliest));
  let late = dated.filter(([, day]) => day.latest >= bar);
  if (late.every(([, day]) => day.clock)) {
    const last = late.map(([, day]) => dayOrder(day)).sort().at(-1);
    late = late.filter(([, day]) => dayOrder(day) === last);
  }
  return [...late.map(([item]) => item), ...undated];
}

function mayFollow(item, others) {
  const day = orderOf(item);
  return day === null || others.map(orderOf).every((other) => other === null || day.latest >= other.earliest);
}

function recent(patient, item, newest) {
  const day = orderOf(item);
  if (day === null) return null;
  const oldest = shift(patient.day, newest.duration, -1);
  return day.earliest >= oldest ? true : day.latest < oldest ? false : null;
}

function stale(candidates, newest) {
  const age = showDuration(newest.duration);
  if (candidates.some((item) => item.slip)) return WRONG_DATE;
  if (candidates.some((item) => orderOf(item) === null)) return `not dated; it must be no older than ${age}`;
  const last = candidates.map((item) => showWhen(orderOf(item))).sort().at(-1);
  return `too old: of ${last}, but it must be no older than ${age}`;
}

const sameNumber = (a, b) => (a === null || b === null ? a === b : order(a, b) === 0);
const sameValue = (a, b) =>
  a === null || b === null
    ? a === b
    : sameNumber(a.low, b.low) && sameNumber(a.high, b.high) && a.lowOpen === b.lowOpen && a.highOpen === b.highOpen;

/** Two different values at one and the same instant are a conflict, unless the test says which of them counts. */
function refuseClash(candidates, test) {
  if (test.argument === "lowest" || test.argument === "highest") return;
  const seen = new Map();
  for (const item of candidates) {
    const day = orderOf(item);
    if (day === null || !isExactDay(day)) continue;
    const key = `${day.earliest} ${day.clock} ${item.method ?? ""}`;
    if (!seen.has(key)) seen.set(key, item);
    const other = seen.get(key);
    if (!sameValue(other.value, item.value) || other.present !== item.present) {
      throw new Conflict(`${other.text} and ${item.text} on ${showWhen(day)}`, evidenceOf([other, item]));
    }
  }
}

function equallyLate(items) {
  const days = items.map(orderOf);
  return days.every((day) => day && isExactDay(day)) && new Set(days.map((day) => day.earliest)).size === 1;
}

function truthsOf(patient, test, items, certain = true) {
  const { op } = test.comparison;
  if (op === "present" || op === "absent") return items.map((item) => item.present === (op === "present"));
  if ((test.argument === "lowest" || test.argument === "highest") && certain && equallyLate(items)) {
    return [extremeMeets(patient, test, items, test.argument)];
  }
  return items.map((item) => patient.valueMeets(item, test.comparison));
}

const hasLimit = (test) => test.comparison.thresholds.some((threshold) => threshold.limit);

function unsettled(patient, test, items) {
  const nothingKnown = items.filter((item) => item.value && item.value.low === null && item.value.high === null);
  if (nothingKnown.length && patient.kb.derived.has(test.selection.concept)) {
    return nothingKnown.some((item) => item.method === null)
      ? "by which equation (method) it was reported is not recorded: it may be another value than the one asked for"
      : "it cannot be computed from what is recorded";
  }
  if (hasLimit(test) && items.some((item) => item.low === null && item.high === null)) {
    return "the laboratory's own limit is not recorded with the value";
  }
  return items.length === 1 ? "the recorded value does not settle it" : "the recorded values do not agree, or their order is not known";
}

/** Return the lowest or highest of the values, bounds included; null where a value is missing. */
function extreme(items, which) {
  const known = items.map((item) => item.value).filter((value) => value !== null);
  if (!items.length || known.length < items.length) return null;
  const sign = which === "lowest" ? 1 : -1;
  const pick = (ends) => ends.reduce((best, one) => (sign * (order(one[0], best[0]) || one[1] - best[1]) < 0 ? one : best));
  let lows = known.filter((value) => value.low).map((value) => [value.low, Number(value.lowOpen)]);
  let highs = known.filter((value) => value.high).map((value) => [value.high, Number(!value.highOpen)]);
  if (lows.length < known.length && which === "lowest") lows = [];
  if (highs.length < known.length && which === "highest") highs = [];
  const [low, lowOpen] = lows.length ? pick(lows) : [null, 0];
  const [high, highClosed] = highs.length ? pick(highs) : [null, 1];
  return interval(low, high, Boolean(lowOpen), !highClosed);
}

function extremal(patient, test) {
  let [items, maybe, why] = usable(patient, test);
  if (!items.length || maybe.length) return answer(null, instead(patient, test, [...items, ...maybe]), why);
  let truth;
  if (test.summary === "earliest") {
    items = firstOf(items);
    refuseClash(items, test);
    truth = agreed(truthsOf(patient, test, items));
  } else truth = extremeMeets(patient, test, items, test.summary);
  return answer(truth, evidenceOf(items), unsettled(patient, test, items));
}

/** Return the items that may be the earliest to begin: undated ones always may. */
function firstOf(items) {
  const dated = items.filter((item) => item.start);
  const bar = dated.length ? Math.min(...dated.map((item) => item.start.latest)) : FIRST_DAY;
  return [...dated.filter((item) => item.start.earliest <= bar), ...items.filter((item) => !item.start)];
}

/** For laboratory limits each value is compared with its own; else the extreme of all is compared. */
function extremeMeets(patient, test, items, which) {
  const { op } = test.comparison;
  if (hasLimit(test)) {
    const truths = items.map((item) => patient.valueMeets(item, test.comparison));
    if (op === "equals" || op === "between") return agreed(truths);
    return (which === "lowest") === (op === "below" || op === "at_most") ? either(truths) : both(truths);
  }
  const value = extreme(items, which);
  return value ? meets(value, test.comparison) : null;
}

// ---- consecutive values ----

/** Return for each day, the latest first, what may be its last item; null where the order of days is not known. */
function byDay(items, test) {
  if (items.some((item) => item.start === null || !isExactDay(item.start))) return null;
  const days = new Map();
  for (const item of items) days.set(item.start.earliest, [...(days.get(item.start.earliest) ?? []), item]);
  return [...days.keys()].sort((a, b) => b - a).map((day) => {
    const last = candidatesOf(days.get(day));
    refuseClash(last, test);
    return last;
  });
}

const NO_ORDER = "a value without its day: the order of the values is not known";
const dayMeets = (patient, test, last) => agreed(last.map((item) => patient.valueMeets(item, test.comparison)));

function eachOfLatest(patient, test) {
  const [items, maybe, why] = usable(patient, test);
  if (!items.length || maybe.length) return answer(null, instead(patient, test, [...items, ...maybe]), why);
  const ordered = byDay(items, test);
  if (ordered === null) return answer(null, evidenceOf(items), NO_ORDER);
  const last = ordered.slice(0, test.argument);
  const newest = conditionOf(test.selection, "newest");
  if (newest && recent(patient, last[0][0], newest) !== true) return answer(null, evidenceOf(last[0]), stale(last[0], newest));
  const truth = both(last.map((day) => dayMeets(patient, test, day)));
  if (truth && last.length < test.argument) {
    return answer(null, evidenceOf(last.flat()), `only ${last.length} of ${test.argument} values recorded`);
  }
  return answer(truth, evidenceOf(last.flat()), unsettled(patient, test, last.flat()));
}

function consecutive(patient, test) {
  const [items, maybe, why] = usable(patient, test);
  const ordered = items.length && !maybe.length ? byDay(items, test) : [];
  if (ordered === null) return answer(null, evidenceOf(items), NO_ORDER);
  const number = test.argument;
  const newest = conditionOf(test.selection, "newest");
  const runs = ordered.slice(0, Math.max(0, ordered.length - number + 1)).map((_, i) => ordered.slice(i, i + number));
  const truths = runs.map((run) =>
    both([newest ? recent(patient, run[0][0], newest) : true, ...run.map((day) => dayMeets(patient, test, day))]),
  );
  const found = truths.indexOf(true);
  if (found >= 0) return answer(true, evidenceOf(runs[found].flat()));
  if (either(truths) === false && patient.complete(test.selection) && !maybe.length) return answer(false, evidenceOf(ordered.flat()));
  return answer(null, evidenceOf(ordered.flat()), why || `no ${number} consecutive values recorded that meet it`);
}

// ---- counts ----

function count(patient, test) {
  const matched = patient.matched(test.selection).filter(([item]) => item.present);
  const certain = matched.filter(([, truth]) => truth).map(([item]) => item);
  const maybe = matched.filter(([, truth]) => truth === null).map(([item]) => item);
  const low = tally(patient, test, certain)[0];
  const high = tally(patient, test, [...certain, ...maybe])[1];
  const complete = patient.complete(test.selection);
  const truth = meets(interval(whole(low), complete ? whole(high) : null), test.comparison);
  const doubts = unique(matched.filter(([, known]) => known === null).flatMap(([, , words]) => words));
  if (!complete) doubts.push("the record does not say that it is complete");
  const why = `${low} certain; ${(doubts.length ? doubts : ["some may be one and the same"]).join("; ")}`;
  return answer(truth, evidenceOf([...certain, ...maybe]), why);
}

/** Return at least and at most how many there are. */
function tally(patient, test, items) {
  if (test.argument === "drugs") {
    const drugs = new Set(items.map((item) => item.concept)).size;
    return [drugs, drugs];
  }
  if (test.argument === "classes") {
    const children = childrenOf(patient.kb, test.selection.concept);
    const classes = new Set(items.flatMap((item) => [...lineage(patient.kb, item.concept)].filter((name) => children.has(name))));
    return [classes.size, classes.size];
  }
  const tallies = unique(items.map((item) => item.concept)).map((name) => distinct(items.filter((item) => item.concept === name)));
  return [0, 1].map((end) => tallies.reduce((sum, one) => sum + one[end], 0));
}

/** Return at least and at most how many items of one concept there are, those of one day being one. */
function distinct(items) {
  const dated = items.filter((item) => item.start);
  const exact = dated.filter((item) => isExactDay(item.start)).map((item) => item.start.earliest);
  const repeated = exact.length - new Set(exact).size;
  const undated = dated.length < items.length && !dated.length ? 1 : 0;
  return [disjoint(dated.map((item) => item.start)) + undated, items.length - repeated];
}

/** Return how many of the periods are certainly different times: the most that do not overlap pairwise. */
function disjoint(periods) {
  let [chosen, last] = [0, 0];
  for (const { earliest, latest: end } of [...periods].sort((a, b) => a.latest - b.latest || a.earliest - b.earliest)) {
    if (chosen === 0 || earliest > last) [chosen, last] = [chosen + 1, end];
  }
  return chosen;
}

// ---- doses and stability ----

function dailyDose(patient, test) {
  const { unit } = test.comparison.thresholds[0];
  let [low, high] = [ZERO, ZERO];
  let unbounded = !patient.complete(test.selection);
  const used = [];
  const doubts = unbounded ? ["the record does not say that its therapies are complete"] : [];
  for (const [item, truth, unsure] of patient.matched(test.selection)) {
    for (const part of item.parts) {
      const now = both([truth, isOn(patient, part)]);
      if (now === false) continue;
      used.push(item);
      const dose = patient.dailyDose(test.selection, part, unit);
      if (now === null) doubts.push(...(unsure.length ? unsure : ["whether it still goes on is not recorded"]));
      if (!dose || !dose.low || !dose.high) {
        unbounded = true;
        doubts.push("a dose is not recorded in full");
        continue;
      }
      if (now) low = plus(low, dose.low);
      high = plus(high, dose.high);
    }
  }
  const truth = meets(interval(low, unbounded ? null : high), test.comparison);
  return answer(truth, evidenceOf(distinctItems(used)), unique(doubts).join("; "));
}

/** Tell whether an entry was being taken on the screening date. */
function isOn(patient, part) {
  if (part.start && part.start.earliest > patient.day) return false;
  if (part.ongoing) return true;
  if (part.end === null) return null;
  if (part.end.latest < patient.day) return false;
  return part.end.earliest >= patient.day ? true : null;
}

function unchanged(patient, test) {
  const since = shift(patient.day, test.comparison.thresholds[0].duration, -1);
  const found = patient.matched(test.selection).filter(([, truth]) => truth !== false);
  const kept = new Set(distinctItems(found.map(([item]) => item)));
  const certain = found.filter(([item]) => kept.has(item));
  const parts = certain.flatMap(([item]) => item.parts);
  const changed = [];
  const truths = certain.flatMap(([item, truth]) =>
    item.parts.map((part) => {
      const sameDrug = parts.filter((other) => other.concept === part.concept);
      let stable = both([begunBy(part, sameDrug, since), goesOnUnchanged(patient, part, sameDrug, since)]);
      if (stable === false && truth === null) stable = null;
      if (stable !== true) changed.push(item);
      return stable;
    }),
  );
  const truth = both(truths);
  if (truth === false) return answer(false, evidenceOf(unique(changed)));
  const items = certain.map(([item]) => item);
  if (truth && patient.complete(test.selection)) return answer(true, evidenceOf(items));
  const why = truth === null ? "when a dose was started or changed is not recorded" : "the record does not say that its therapies are complete";
  return answer(null, evidenceOf(unique(changed.length ? changed : items)), why);
}

function begunBy(part, sameDrug, since) {
  if (part.start === null) return null;
  if (part.start.latest <= since) return true;
  const renewed = either(sameDrug.map((other) => isRenewed(other, part)));
  return renewed !== false ? renewed : part.start.earliest > since ? false : null;
}

function goesOnUnchanged(patient, part, sameDrug, since) {
  if (part.ongoing) return true;
  if (part.end === null) return null;
  if (part.end.earliest >= patient.day || part.end.latest + 1 <= since) return true;
  const renewed = either(sameDrug.map((other) => isRenewed(part, other)));
  if (renewed !== false) return renewed;
  return part.end.earliest + 1 > since && part.end.latest < patient.day ? false : null;
}

/** Tell whether one entry is carried on by the other at the same dose, without a gap. */
function isRenewed(before, after) {
  if (before === after || before.ongoing) return false;
  const told = before.dose && after.dose && before.dose.unit === after.dose.unit;
  const sameDose = told ? order(before.dose.amount, after.dose.amount) === 0 : null;
  const first = before.start && after.start ? compareDays(before.start, "before", after.start) : null;
  const end = before.end && when(before.end.earliest + 1, before.end.latest + 1);
  const joinedOn = end && after.start ? compareDays(after.start, "on_or_before", end) : null;
  return both([sameDose, first, joinedOn]);
}

function timeSince(patient, test) {
  const [found, maybe, why] = usable(patient, test);
  const items = found.filter((item) => item.present);
  if (!items.length || maybe.length) return answer(null, instead(patient, test, [...items, ...maybe]), why || "not recorded");
  if (items.some((item) => item.start === null)) return answer(null, evidenceOf(items), "its date is not recorded");
  const dated = test.selection.kind === "finding" ? firstOf(items) : candidatesOf(items);
  const truth = agreed(dated.map((item) => spans(item.start, when(patient.day), test.comparison)));
  return answer(truth, evidenceOf(dated), "its date is not known well enough");
}

function timeBetween(patient, test) {
  const [found, maybe, why] = usable(patient, test);
  const items = found.filter((item) => item.present);
  const few = items.length < 2;
  if (few && !maybe.length && patient.complete(test.selection) && ["at_least", "above"].includes(test.comparison.op)) {
    return answer(false, evidenceOf(items));
  }
  if (few || maybe.length) return answer(null, instead(patient, test, [...items, ...maybe]), why || "fewer than two are recorded");
  if (items.some((item) => item.start === null)) return answer(null, evidenceOf(items), "a date is not recorded");
  const lasts = candidatesOf(items, true);
  const truth = agreed(firstOf(items).flatMap((first) => lasts.map((last) => spans(first.start, last.start, test.comparison))));
  return answer(truth, evidenceOf(items), "a date is not known well enough");
}

// ---- changes ----

function change(patient, test) {
  const [items, maybe, why] = usable(patient, test);
  if (!items.length || maybe.length) return answer(null, instead(patient, test, [...items, ...maybe]), why);
  const ordered = byDay(items, test);
  if (ordered === null) return answer(null, evidenceOf(items), NO_ORDER);
  if (ordered.length < 2) return answer(null, evidenceOf(ordered.flat()), "only one value is recorded; a change needs two");
  const newest = conditionOf(test.selection, "newest");
  if (newest && recent(patient, ordered[0][0], newest) !== true) return answer(null, evidenceOf(ordered[0]), stale(ordered[0], newest));
  const falling = test.summary.endsWith("fall");
  const before = baseline(ordered.slice(1), test.argument, falling);
  const [now, then] = [hull(ordered[0]), extreme(before, falling ? "highest" : "lowest")];
  const amount = now && then ? difference(then, now, falling, test.summary.startsWith("relative")) : null;
  const truth = amount === null ? null : meets(amount, test.comparison);
  return answer(truth, evidenceOf([...before, ...ordered[0]]), unsettled(patient, test, ordered[0]));
}

/** Return the items of which the most extreme is what the latest value is held against; `earlier` has the latest day first. */
function baseline(earlier, argument, falling) {
  const days = argument === "previous" ? earlier.slice(0, 1) : argument === "extreme" ? earlier : earlier.slice(-1);
  const hulls = days.map((day) => ({ ...day[0], value: hull(day) }));
  const value = extreme(hulls, falling ? "highest" : "lowest");
  return value === null ? hulls : hulls.filter((item) => item.value && mayBe(item.value, value, falling));
}

function mayBe(value, extremeValue, highest) {
  if (highest) return !value.high || !extremeValue.low || order(value.high, extremeValue.low) >= 0;
  return !value.low || !extremeValue.high || order(value.low, extremeValue.high) <= 0;
}

/** Return the range in which the last value of a day lies; null where a value is missing. */
function hull(items) {
  const [low, high] = [extreme(items, "lowest"), extreme(items, "highest")];
  if (!low || !high || items.length === 1) return low;
  return interval(low.low, high.high, low.lowOpen, high.highOpen);
}

/** Return how far a value fell (or rose), in its unit or in per cent of the earlier value; null where it cannot be told. */
function difference(before, after, falling, relative) {
  const least = before.low && after.high ? minus(before.low, after.high) : null;
  const most = before.high && after.low ? minus(before.high, after.low) : null;
  const fell = falling ? [least, most] : [most && opposite(most), least && opposite(least)];
  if (!relative) return interval(...fell);
  if (!isExact(before) || before.low.n <= 0n) return null;
  return interval(...fell.map((end) => end && over(times(whole(100), end), before.low)));
}

const SUMMARIES = {
  some, latest, earliest: extremal, lowest: extremal, highest: extremal, each_of_latest: eachOfLatest, consecutive, count,
  daily_dose: dailyDose, unchanged, time_since: timeSince, time_between: timeBetween, fall: change, rise: change,
  relative_fall: change, relative_rise: change,
};
