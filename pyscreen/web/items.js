// Items of a record as tests see them on a screening date, and whether one item meets conditions. As pyscreen/items.py.

import { both, either } from "./truth.js";
import { ONE, compareValue, exactly, interval, isAbove0, least, most, over, times } from "./numbers.js";
import {
  compareDays, compareSpan, dayOf, firstDay, isExactDay, isInside, isPossible, lastDay, overlap, shift, shiftWhen, showWhen, spanOn, when,
} from "./days.js";
import { measurementsOf, statementsOf } from "./derived.js";
import { conditionOf, labelOf, lineage, membersOf } from "./knowledge.js";

const LONG_AGO = dayOf(1000, 1, 1);
const FAR_AHEAD = dayOf(9000, 1, 1);

const meetIn = (one, others) => [...one].some((name) => others.has(name));
const within = (one, others) => [...one].every((name) => others.has(name));

const ITEM = {
  start: null, end: null, ongoing: false, stated: null, present: true, value: null, low: null, high: null, method: null,
  response: null, reasons: [], otherReasons: [], whole: true, slip: false, id: null, parts: [], rest: [], places: [],
};
const item = (kind, concept, text, more) => ({ ...ITEM, kind, concept, text, ...more });

export const WRONG_DATE = "its date lies ahead, though the record was made before: it cannot be right";
/** The kinds of items that no record says are planned: one that lies ahead of the day of the record is dated wrongly. */
const UNPLANNED = ["measurement", "finding", "judgement", "consent"];

const SAID = {
  finding: ["present", "absent"], judgement: ["yes", "no"], consent: ["given", "not given"], procedure: ["done", "not done"],
  event: ["happened", "did not happen"],
};

/** A record as of a screening date, in the words of a vocabulary. */
export class Patient {
  constructor(record, day, kb) {
    this.record = record;
    this.day = day;
    this.kb = kb;
    this.selected = new Map();
    this.matches = new Map();
    this.entries = new Map();
  }

  // ---- which items ----

  items(selection) {
    if (!this.selected.has(selection)) {
      const readers = { measurement: "measurements", therapy: "courses", sex: "sex" };
      const found = this[readers[selection.kind] ?? "statements"](selection);
      const ahead = conditionOf(selection, "ahead") !== null;
      this.selected.set(selection, [...found].filter((one) => ahead || !this.liesAhead(one.start)));
    }
    return this.selected.get(selection);
  }

  liesAhead(day) {
    return day !== null && day.earliest > this.day;
  }

  /** Tell whether a date lies ahead of a record that was made by the screening date, though nothing of the kind is planned. */
  slipped(kind, day) {
    const made = this.record.recorded;
    return UNPLANNED.includes(kind) && made !== null && made <= this.day && this.liesAhead(day);
  }

  clamped(day) {
    return clamp(day, this.day);
  }

  sex(selection) {
    const { sex } = this.record;
    return sex === null ? [] : [item("sex", sex, `sex: ${sex}`, { present: sex === selection.concept, places: [["sex"]] })];
  }

  measurements(selection) {
    const label = labelOf(this.kb, "measurement", selection.concept);
    return measurementsOf(this.record, selection.concept, this.kb, this.day).map((value) => {
      const slip = this.slipped("measurement", value.when);
      const day = slip ? null : this.clamped(value.when);
      const text = `${label} ${value.text}${value.side ? ` (${value.side})` : ""}${slip ? `, dated ${showWhen(value.when)}` : ""}`;
      const { low, high, method, id, place } = value;
      return item("measurement", value.concept, text, {
        start: day, end: day, stated: day, value: value.value, low, high, method, whole: slip ? null : true, slip, id, places: [place],
      });
    });
  }

  *statements(selection) {
    const ahead = conditionOf(selection, "ahead") !== null;
    for (const statement of statementsOf(this.record, selection.kind, this.kb)) {
      const askedFor = this.askedFor(selection, statement);
      const slip = this.slipped(selection.kind, statement.when);
      if (askedFor !== false && (statement.planned || (this.liesAhead(statement.when) && !slip)) === ahead) {
        yield this.stated(selection.kind, statement, askedFor, slip);
      }
    }
  }

  askedFor(selection, statement) {
    const wanted = selection.members.size ? selection.members : new Set([selection.concept]);
    const members = membersOf(this.kb, statement.concept);
    const kinds = members.size ? members : new Set([statement.concept]);
    if (!statement.present) return within(wanted, kinds);
    return within(kinds, wanted) ? true : meetIn(kinds, wanted) ? null : false;
  }

  stated(kind, statement, askedFor, slip) {
    const label = labelOf(this.kb, kind, statement.concept);
    let text = `${label}: ${SAID[kind][statement.present ? 0 : 1]}`;
    if (statement.present && !slip && (statement.planned || this.liesAhead(statement.when))) text = `${label}: planned`;
    if (statement.by) text += ` (${statement.by})`;
    if (slip) {
      const { present, method, id, place } = statement;
      return item(kind, statement.concept, `${text}, dated ${showWhen(statement.when)}`, { present, method, whole: null, slip, id, places: [place] });
    }
    let start = this.clamped(statement.when);
    if (start && statement.planned) start = when(Math.max(start.earliest, Math.min(this.day, start.latest)), start.latest);
    let { end } = statement;
    if (kind !== "finding" && end === null && !statement.ongoing) end = start;
    const ongoing = statement.ongoing || (end !== null && end.earliest > this.day && !this.liesAhead(start));
    let stated = statement.stated ?? statement.when;
    if (this.slipped(kind, stated)) {
      const first = start ? start.earliest : LONG_AGO;
      stated = when(first, Math.max(first, this.record.recorded));
    }
    if (ongoing) {
      stated = when(Math.min(this.day, this.record.recorded ?? this.day));
      end = null;
    }
    return item(kind, statement.concept, text, {
      start, end, ongoing, stated: this.clamped(stated), present: statement.present, method: statement.method, whole: askedFor,
      id: statement.id, places: [statement.place],
    });
  }

  // ---- courses ----

  *courses(selection) {
    if (conditionOf(selection, "ahead")) {
      yield* this.plannedCourses(selection);
      return;
    }
    const taken = this.record.therapies.filter(
      (one) => selection.members.has(one.concept) && one.taken && !one.planned && !this.liesAhead(one.start) && !this.isLocal(one),
    );
    for (const drug of [...new Set(taken.map((therapy) => therapy.concept))].sort()) {
      const entries = this.entriesOf(taken.filter((one) => one.concept === drug));
      const fits = entries.entries.map((one) => both(selection.conditions.map((c) => this.entryMeets(selection, one, c))));
      for (const group of entries.courses(fits)) yield this.course(entries, group, fits);
    }
  }

  *plannedCourses(selection) {
    for (const entry of this.record.therapies) {
      const planned = entry.planned || this.liesAhead(entry.start);
      if (!selection.members.has(entry.concept) || !entry.taken || !planned || this.isLocal(entry)) continue;
      const whole = both(selection.conditions.map((condition) => this.entryMeets(selection, entry, condition)));
      const text = `${labelOf(this.kb, "therapy", entry.concept)} ${entry.text} planned`.replaceAll("  ", " ");
      yield item("therapy", entry.concept, text, { start: entry.start, whole, id: entry.id, places: [entry.place] });
    }
  }

  entriesOf(taken) {
    const key = taken.map((one) => one.place[1]).join(" ");
    if (!this.entries.has(key)) {
      const start = (one) => (one.start ? [one.start.earliest, one.start.latest] : [FAR_AHEAD, FAR_AHEAD]);
      const sorted = [...taken].sort((a, b) => start(a)[0] - start(b)[0] || start(a)[1] - start(b)[1]);
      this.entries.set(key, new Entries(this.day, sorted));
    }
    return this.entries.get(key);
  }

  isLocal(therapy) {
    return meetIn(lineage(this.kb, therapy.concept), this.kb.systemic) && this.kb.localRoutes.has(therapy.route);
  }

  entryMeets(selection, entry, condition) {
    if (condition.name === "route") return entry.route === null ? null : entry.route === condition.word;
    if (condition.name === "dose" && condition.comparison) {
      const dose = this.dailyDose(selection, entry, condition.comparison.thresholds[0].unit);
      return dose === null ? null : meets(dose, condition.comparison);
    }
    return true;
  }

  course(entries, group, fits) {
    const widest = entries.widest(group, [...fits.keys()].filter((i) => fits[i] !== false));
    const run = group.map((i) => entries.entries[i]);
    const spans_ = group.map((i) => entries.spans[i]);
    const possible = widest.map((i) => entries.spans[i]);
    const start = when(
      Math.min(...possible.map((span) => firstDay(span).earliest)),
      Math.min(...spans_.map((span) => firstDay(span).latest)),
    );
    const last = when(
      Math.max(...spans_.map((span) => lastDay(span).earliest)),
      Math.max(...possible.map((span) => lastDay(span).latest)),
    );
    const ongoing = run.some((one) => entries.goesOn(one));
    const response = entries.response(group, widest);
    const [reasons, otherReasons] = entries.reasons(group);
    const first = run[0];
    const end = maxBy(run, (one) => (one.end ? one.end.latest : FAR_AHEAD));
    const doses = [...new Set(run.map((one) => one.text).filter(Boolean))];
    const shown = (day) => (day ? showWhen(day) : "?");
    const period = `${shown(first.start)} to ${ongoing ? "ongoing" : shown(end.end)}`;
    let text = [labelOf(this.kb, "therapy", first.concept), ...(doses.length ? [doses.join(", ")] : []), period].join(" ");
    if (response) text += `, response: ${response}`;
    const id = [...new Set(run.map((one) => one.id).filter(Boolean))].join(" ") || null;
    const rest = widest.filter((i) => !group.includes(i)).map((i) => entries.entries[i]);
    return item("therapy", first.concept, text, {
      start, end: ongoing ? null : last, ongoing, response, reasons, otherReasons, whole: both(group.map((i) => fits[i])), id,
      parts: run, rest, places: run.map((one) => one.place),
    });
  }

  dailyDose(selection, entry, unit) {
    if (entry.dose === null) return null;
    let factor = ONE;
    if (this.kb.equivalents.has(selection.concept)) {
      factor = this.kb.equivalents.get(selection.concept).get(entry.concept);
      if (!factor) return null;
    }
    return this.inUnit(entry.dose, factor, unit, entry.start);
  }

  inUnit(dose, factor, unit, day) {
    const amount = times(dose.amount, factor);
    if (dose.unit === unit) return exactly(amount);
    const weight = this.weightNear(day);
    if (!weight || !weight.low || !weight.high || !isAbove0(weight.low)) return null;
    if (dose.unit === "mg/d" && unit === "mg/kg/d") return interval(over(amount, weight.high), over(amount, weight.low));
    if (dose.unit === "mg/kg/d" && unit === "mg/d") return interval(times(amount, weight.low), times(amount, weight.high));
    return null;
  }

  weightNear(day) {
    const weights = this.record.measurements.filter((one) => one.concept === "weight" && !(one.when && one.when.earliest > this.day));
    if (!weights.length) return null;
    const target = clamp(day, this.day) ?? when(LONG_AGO, this.day);
    const nearestOfAll = Math.min(...weights.map((one) => farthest(this.clamped(one.when), target)));
    let near = weights.filter((one) => nearest(this.clamped(one.when), target) <= nearestOfAll);
    if (isExactDay(target) && near.every((one) => one.when && isExactDay(one.when))) {
      const first = Math.min(...near.map((one) => one.when.earliest));
      near = near.filter((one) => one.when.earliest === first);
    }
    if (near.some((one) => one.value.low === null || one.value.high === null)) return null;
    return interval(least(near.map((one) => one.value.low)), most(near.map((one) => one.value.high)));
  }

  // ---- which items meet the conditions ----

  /** Return [item, truth, words] for every item: where it is open what is not known, else what it misses. */
  matched(selection) {
    if (!this.matches.has(selection)) {
      this.matches.set(selection, this.items(selection).map((one) => [one, ...this.meetsAll(selection, one)]));
    }
    return this.matches.get(selection);
  }

  meetsAll(selection, one) {
    const truths = [one.whole];
    const doubts = one.whole !== null ? [] : [openOfItself(one)];
    const missed = [];
    for (const condition of selection.conditions) {
      if (["dose", "route", "newest", "as_of"].includes(condition.name)) continue;
      const truth = this.meets(one, condition);
      truths.push(truth);
      if (truth === null) doubts.push(this.doubt(one, condition));
      else if (!truth) missed.push(this.miss(condition));
    }
    const verdict = both(truths);
    return [verdict, verdict === null ? doubts : missed];
  }

  meets(one, condition) {
    switch (condition.name) {
      case "within":
        return this.inWindow(one, this.window(condition, one));
      case "inside":
        return this.isInsideWindow(one, this.window(condition, one));
      case "ahead":
        return this.isAhead(one, condition);
      case "ago":
        return one.start === null ? null : spans(one.start, when(this.day), condition.comparison);
      case "ongoing":
        if (!one.present || this.liesAhead(one.start)) return false;
        return compareDays(lastDay(extent(one, this.day)), "on_or_after", when(this.day));
      case "lasting":
        return this.lasts(one, condition.comparison);
      case "outcome":
        return one.response === null ? null : this.kb.vocabulary.outcomes[condition.word].includes(one.response);
      case "for":
        return this.givenFor(one, condition.word);
      case "method":
        return one.method === null ? null : one.method === condition.word;
      case "value":
        return this.valueMeets(one, condition.comparison);
      case "with":
        return this.isWith(one, condition);
      case "after":
        return this.amongOthers(condition, (other) => compareDays(beginning(one), "after", beginning(other)));
      case "since":
        return this.isSince(one, condition);
      case "near":
        return this.amongOthers(condition, (other) => withinOf(one.start, other.start, condition.duration));
      case "age":
        if (!this.record.birth || one.start === null) return null;
        return spans(this.record.birth, one.start, condition.comparison);
      default:
        throw new NotHere(`the condition '${condition.name}'`);
    }
  }

  miss(condition) {
    switch (condition.name) {
      case "outcome":
        return `it is not recorded as '${condition.word}'`;
      case "for": {
        const kind = Object.keys(this.kb.labels).find((name) => this.kb.labels[name].has(condition.word));
        return `not given for: ${kind ? labelOf(this.kb, kind, condition.word) : condition.word}`;
      }
      case "method":
        return `not by the method ${this.kb.vocabulary.methods[condition.word]}`;
      case "with":
      case "after":
      case "since":
      case "near":
        return `not ${condition.name}: ${condition.selection.label}`;
      default:
        return MISSES[condition.name] + (condition.comparison ? ` (${inWords(condition.comparison)})` : "");
    }
  }

  /** Say in a few words what is not known of an item that may meet a condition. */
  doubt(one, condition) {
    switch (condition.name) {
      case "within":
      case "inside":
      case "ahead":
      case "ago":
        return this.doubtOfTime(one, condition);
      case "with":
      case "after":
      case "since":
      case "near":
        return `'${condition.name} ${condition.selection.label}' is not settled by the record`;
      case "for":
        return one.reasons.length ? "what it was given for is not recorded closely enough" : UNSURE.for;
      default:
        return UNSURE[condition.name];
    }
  }

  doubtOfTime(one, condition) {
    const said = one.stated ?? one.start;
    if (said === null) return "its date is not recorded";
    if (condition.name === "within" && one.present && (one.kind === "finding" || one.kind === "therapy")) {
      const window = this.window(condition, one);
      if (isPossible(window) && said.latest < window.start.earliest) {
        const [then, since] = [showWhen(said), showWhen(window.start)];
        return `said of ${then}, before the time asked for (from ${since} on): whether it was still so is not recorded`;
      }
    }
    return "its date is not known well enough";
  }

  window(condition, one = null) {
    const duration = this.reach(condition, one);
    const screening = when(this.day);
    const anchor = condition.selection ? (this.anchor(condition.selection) ?? screening) : screening;
    return { start: shiftWhen(anchor, duration, -1), end: screening };
  }

  reach(condition, one) {
    const reaches = condition.duration ? [condition.duration] : [];
    if (condition.halfLives && one) {
      const life = this.kb.halfLives.get(one.concept);
      reaches.push({ number: Number((BigInt(condition.halfLives) * life.n) / life.d), unit: "d" });
    }
    if (!reaches.length) throw new NotHere("a window in half-lives of no drug");
    const sign = condition.word === "shortest" ? -1 : 1;
    return maxBy(reaches, (reach) => sign * shift(this.day, reach));
  }

  anchor(selection) {
    const planned = [...this.planned(selection)]
      .filter((day) => day.latest >= this.day)
      .map((day) => when(Math.max(day.earliest, this.day), day.latest));
    if (planned.length) {
      return when(Math.min(...planned.map((day) => day.earliest)), Math.min(...planned.map((day) => day.latest)));
    }
    const past = this.matched(selection)
      .filter(([one, truth]) => one.present && truth !== false)
      .map(([one, truth]) => [firstDay(extent(one, this.day)), truth]);
    const certain = past.filter(([, truth]) => truth).map(([day]) => day);
    if (!past.length) return null;
    return when(
      certain.length ? Math.max(...certain.map((day) => day.earliest)) : Math.min(...past.map(([day]) => day.earliest)),
      certain.length ? Math.max(...past.map(([day]) => day.latest)) : this.day,
    );
  }

  *planned(selection) {
    const someDay = when(this.day, FAR_AHEAD);
    if (selection.kind === "therapy") {
      for (const therapy of this.record.therapies) {
        const due = therapy.planned || this.liesAhead(therapy.start);
        if (selection.members.has(therapy.concept) && therapy.taken && due) yield therapy.start ?? someDay;
      }
    } else if (selection.kind !== "measurement" && selection.kind !== "sex") {
      for (const statement of this.record.statements[selection.kind]) {
        const due = statement.planned || (statement.when !== null && statement.when.earliest >= this.day);
        if (statement.present && due && !this.slipped(selection.kind, statement.when) && this.askedFor(selection, statement)) yield statement.when ?? someDay;
      }
    }
  }

  inWindow(one, window) {
    if (!isPossible(window)) return false;
    if ((one.kind === "finding" || one.kind === "therapy") && one.present) return overlap(extent(one, this.day), window);
    const day = one.kind === "finding" ? one.stated : one.start;
    return day === null ? null : isInside(spanOn(day), window);
  }

  isInsideWindow(one, window) {
    if (!isPossible(window) || one.ongoing) return false;
    return isInside(extent(one, this.day), window);
  }

  isAhead(one, condition) {
    if (one.start === null) return one.present ? null : true;
    return isInside(spanOn(one.start), { start: when(this.day), end: when(shift(this.day, condition.duration)) });
  }

  span(one) {
    if (one.start === null || this.liesAhead(one.start)) return null;
    if (one.ongoing) return [one.start, when(this.day)];
    const last = lastDay(extent(one, this.day));
    const exact = one.end !== null && isExactDay(one.end);
    return [one.start, when(exact ? last.earliest + 1 : Math.min(last.earliest + 1, this.day), last.latest + 1)];
  }

  lasts(one, comparison) {
    const span = this.span(one);
    return span === null ? null : spans(...span, comparison);
  }

  givenFor(one, reason) {
    const wanted = membersOf(this.kb, reason);
    if (one.reasons.some((told) => wanted.has(told))) return true;
    const possible = [...one.reasons, ...one.otherReasons].flatMap((told) => [...membersOf(this.kb, told)]);
    return !one.reasons.length || possible.some((kind) => wanted.has(kind)) ? null : false;
  }

  isWith(one, condition) {
    const [own, near] = [new Set(one.parts), new Set([...one.parts, ...one.rest])];
    const others = this.matched(condition.selection).filter(([other]) => !other.parts.some((part) => own.has(part)));
    const truths = others.map(([other, truth]) => {
      const apart = [...other.parts, ...other.rest].some((part) => near.has(part)) ? null : true;
      return both([truth, other.present, apart, this.together(one, other, condition.comparison)]);
    });
    return this.unlessIncomplete(either(truths), condition);
  }

  together(one, other, comparison) {
    const [first, second] = [extent(one, this.day), extent(other, this.day)];
    const meet = overlap(first, second);
    if (!comparison || !meet) return meet;
    if (![first, second].every((span) => isExactDay(firstDay(span)) && isExactDay(lastDay(span)))) return null;
    const begin = maxBy([firstDay(first), firstDay(second)], (day) => day.latest);
    const end = maxBy([lastDay(first), lastDay(second)], (day) => -day.latest);
    return spans(begin, one.ongoing && other.ongoing ? end : when(end.latest + 1), comparison);
  }

  amongOthers(condition, holds) {
    const truths = this.matched(condition.selection).map(([other, truth]) => both([truth, other.present, holds(other)]));
    return this.unlessIncomplete(either(truths), condition);
  }

  /** Tell whether an item came after the latest other one on record, so after every one of them. */
  isSince(one, condition) {
    const others = this.matched(condition.selection).filter(([other, truth]) => other.present && truth !== false);
    const later = others.map(([other, truth]) => [truth, compareDays(beginning(one), "after", beginning(other))]);
    const afterOne = either(later.map(both));
    if (afterOne === false && !others.some(([, truth]) => truth)) return this.complete(condition.selection) ? false : null;
    return both([afterOne, ...later.map(([truth, after]) => (truth ? after : after || null))]);
  }

  unlessIncomplete(found, condition) {
    return found === false && !this.complete(condition.selection) ? null : found;
  }

  valueMeets(one, comparison) {
    if (one.value === null || comparison === null) return null;
    const numbers = comparison.thresholds.map((threshold) => resolved(threshold, one));
    return numbers.includes(null) ? null : compared(one.value, comparison.op, numbers);
  }

  // ---- what is complete ----

  complete(selection) {
    const declared = this.record.complete;
    if (selection.kind === "sex") return true;
    const section = selection.kind === "therapy" ? "therapies" : `${selection.kind}s`;
    if (declared.has(section) && !this.kb.attested.has(selection.concept)) return true;
    if (selection.kind === "event" || selection.kind === "procedure") {
      const stated = this.record.statements[selection.kind].filter((one) => this.askedFor(selection, one) !== false);
      if (stated.length && !stated.some((one) => one.present || one.when)) return true;
    }
    const closed = new Set(declared);
    if (selection.kind === "therapy") {
      for (const therapy of this.record.therapies) if (!therapy.taken) closed.add(therapy.concept);
    }
    const wanted = selection.members.size ? [...selection.members] : [selection.concept];
    return wanted.every((name) => meetIn(lineage(this.kb, name), closed));
  }
}

/** Something that this page does not work out: the test that needs it is open, and may be answered directly. */
export class NotHere extends Error {}

/** Return the first of those for which a number is largest. */
function maxBy(list, number) {
  return list.reduce((best, one) => (number(one) > number(best) ? one : best));
}

function clamp(day, last) {
  if (day === null || day.latest <= last || day.earliest > last) return day;
  return when(day.earliest, last, day.clock);
}

/** Compare a value with the plain numbers of a comparison. */
export const meets = (value, comparison) => compared(value, comparison.op, comparison.thresholds.map((one) => one.number));

function compared(value, op, numbers) {
  if (op === "between") return both([compareValue(value, "at_least", numbers[0]), compareValue(value, "at_most", numbers[1])]);
  return compareValue(value, op, numbers[0]);
}

/** Compare the time from start to end with durations. */
export function spans(start, end, comparison) {
  const durations = comparison.thresholds.map((threshold) => threshold.duration ?? { number: 0, unit: "d" });
  if (comparison.op === "between") {
    return both([compareSpan(start, end, "at_least", durations[0]), compareSpan(start, end, "at_most", durations[1])]);
  }
  return compareSpan(start, end, comparison.op, durations[0]);
}

function resolved(threshold, one) {
  if (!threshold.limit) return threshold.number;
  const limit = threshold.limit === "[ULN]" ? one.high : one.low;
  return limit === null ? null : times(threshold.number, limit);
}

function withinOf(one, other, duration) {
  if (one === null || other === null) return null;
  const exact = isExactDay(one) && isExactDay(other);
  if (one.latest <= other.earliest || (exact && one.earliest <= other.earliest)) return compareSpan(one, other, "at_most", duration);
  if (other.latest <= one.earliest) return compareSpan(other, one, "at_most", duration);
  const ends = maxBy([[one.latest, other.earliest], [other.latest, one.earliest]], ([last, first]) => last - first);
  return shift(ends[1], duration) >= ends[0] ? true : null;
}

/** Return the first and the last day of something that is or was so, as far as they are known on a day. */
export const extent = (one, day) => extentOf(one.start, one.end, one.ongoing, one.stated, day);

function extentOf(start, end, ongoing, stated, day) {
  let begun = day;
  let last;
  if (ongoing || (end !== null && end.earliest > day)) last = when(day);
  else if (end !== null) last = when(end.earliest, Math.min(end.latest, day));
  else {
    const known = Math.max(start ? start.earliest : LONG_AGO, stated ? stated.earliest : LONG_AGO);
    last = when(Math.min(known, day), day);
    begun = stated ? Math.min(day, stated.latest) : day;
  }
  begun = Math.min(begun, last.latest);
  const first = start ?? when(LONG_AGO, begun);
  return { start: when(first.earliest, Math.max(first.earliest, Math.min(first.latest, begun))), end: last };
}

/** The entries of one drug, in order of their start, and which of them make one course. */
class Entries {
  constructor(day, entries) {
    this.day = day;
    this.entries = entries;
    this.spans = entries.map((one) => extentOf(one.start, one.end, one.ongoing, null, day));
    const next = (one) => when(one.earliest + 1, one.latest + 1);
    this.touching = this.spans.map((one) =>
      this.spans.map((other) =>
        both([
          compareDays(firstDay(one), "on_or_before", next(lastDay(other))),
          compareDays(firstDay(other), "on_or_before", next(lastDay(one))),
        ]),
      ),
    );
  }

  goesOn(entry) {
    return entry.ongoing || (entry.end !== null && entry.end.earliest > this.day);
  }

  *courses(fits) {
    const seen = new Set();
    for (const [i, fit] of fits.entries()) {
      if (seen.has(i) || fit === false) continue;
      const group = fit ? this.reached([i], [...fits.keys()].filter((j) => fits[j]), true) : [i];
      for (const one of group) seen.add(one);
      yield group;
    }
  }

  widest(group, among) {
    return this.reached(group, among, false);
  }

  reached(start, among, certain) {
    const found = new Set(start);
    for (const one of found) {
      const near = this.touching[one];
      for (const i of among) if (certain ? near[i] : near[i] !== false) found.add(i);
    }
    return [...found].sort((a, b) => a - b);
  }

  response(group, widest) {
    const everything = [...this.entries.keys()];
    const chain = this.reached(group, everything, false);
    const told = chain.filter((i) => this.entries[i].response);
    const own = told.filter((i) => group.includes(i));
    if (!same(widest, group) || !same(chain, this.reached(group, everything, true))) return own.length ? this.agreedOn(told) : null;
    const first = (i) => firstDay(this.spans[i]);
    if (own.length) {
      const last = Math.max(...own.map((i) => first(i).earliest));
      return this.agreedOn(own.filter((i) => first(i).latest >= last));
    }
    const by = Math.max(...group.map((i) => first(i).earliest));
    const until = Math.max(...group.map((i) => first(i).latest));
    const later = told.filter((i) => first(i).latest >= by);
    const soonest = later.length ? Math.min(...later.map((i) => first(i).latest)) : until;
    const next = later.filter((i) => first(i).earliest <= soonest);
    return next.every((i) => first(i).earliest >= until) ? this.agreedOn(next) : null;
  }

  agreedOn(told) {
    const responses = new Set(told.map((i) => this.entries[i].response));
    return responses.size === 1 ? [...responses][0] : null;
  }

  reasons(group) {
    const everything = [...this.entries.keys()];
    const of = (certain) => new Set(this.reached(group, everything, certain).flatMap((i) => this.entries[i].reasons));
    const known = of(true);
    return [[...known], [...of(false)].filter((reason) => !known.has(reason))];
  }
}

const same = (one, other) => one.length === other.length && one.every((i) => other.includes(i));

function farthest(day, target) {
  if (day === null) return FAR_AHEAD - LONG_AGO;
  return Math.max(day.latest - target.earliest, target.latest - day.earliest);
}

function nearest(day, target) {
  return day === null ? 0 : Math.max(day.earliest - target.latest, target.earliest - day.latest, 0);
}

const beginning = (one) => one.start ?? when(LONG_AGO, FAR_AHEAD);

function openOfItself(one) {
  if (one.slip) return WRONG_DATE;
  return one.kind === "therapy" ? "the dose or route is not known exactly" : "of which kind it is, is not recorded";
}

const inWords = (comparison) =>
  `${comparison.op.replaceAll("_", " ")} ${comparison.thresholds.map((threshold) => threshold.text).join(" and ")}`;

const MISSES = {
  within: "not at the time asked for", inside: "not at the time asked for", ahead: "not at the time asked for",
  ago: "not at the time asked for", ongoing: "no longer so", lasting: "not as long as asked for",
  value: "not of the value asked for", age: "not at the age asked for",
};

const UNSURE = {
  ongoing: "whether it still goes on is not recorded", lasting: "how long it lasted is not known well enough",
  outcome: "the response is not recorded", for: "what it was given for is not recorded", method: "the method is not recorded",
  value: "the value does not settle it", age: "the age at the time is not known well enough",
};
