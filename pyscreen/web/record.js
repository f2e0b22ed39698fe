// Reads the written form of a record (docs/records.md) in the words of a vocabulary. As pyscreen/form.py and pyscreen/written.py.
//
// What is malformed is a problem; what contradicts itself is kept out and noted as a conflict, and its concept is then no longer
// taken as complete. Every item keeps the place where it is written: its section and its number in it.

import { ANY, UnitError, isExact, readValue } from "./numbers.js";
import { CLOCK, isExactDay, isoDay, parseWhen, showWhen, when } from "./days.js";
import { parseDose } from "./doses.js";
import { SECTIONS, lineage } from "./knowledge.js";

const SIDE = ["left", "right", "both"];
export const CLOSABLE = ["measurements", "findings", "therapies", "events", "procedures"];
export const HEAD = {
  record: "day", description: "prose", recorded: "day", birth_date: "day", sex: ["female", "male"], died: "day", complete: "names",
};

/** The fields of an item by section, and what each takes; the first names its concept. */
export const FORMS = {
  measurements: {
    quantity: "text", value: "amount", unit: "text", date: "day", time: "text", method: "text", low: "amount", high: "amount",
    side: SIDE, id: "day",
  },
  findings: { finding: "text", present: "flag", date: "day", end: "day", stated: "day", method: "text", side: SIDE, id: "day" },
  therapies: {
    drug: "text", taken: "flag", dose: "amount", unit: "text", frequency: "text", route: "text", start: "day", end: "day",
    response: "text", for: "reasons", planned: "flag", id: "day",
  },
  events: { event: "text", happened: "flag", date: "day", end: "day", planned: "flag", id: "day" },
  procedures: { procedure: "text", done: "flag", date: "day", planned: "flag", side: SIDE, id: "day" },
  judgements: { judgement: "text", answer: "flag", date: "day", by: "text", id: "day" },
  consents: { consent: "text", given: "flag", date: "day", by: "text", id: "day" },
  answers: { test: "text", answer: "flag", date: "day", by: "text", id: "day" },
};
export const conceptField = (section) => Object.keys(FORMS[section])[0];
export const saysSo = { findings: "present", therapies: "taken", events: "happened", procedures: "done", judgements: "answer", consents: "given" };

const quoted = (value) => `'${String(value).length > 60 ? `${String(value).slice(0, 57)}...` : value}'`;
const isMapping = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const PRINTABLE = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]*$/u;

/** Return {record, problems}: a record in the vocabulary's words, and what is wrong with it, as {place, message}. */
export function readRecord(written, kb, name = "record") {
  const reader = new Reader(kb);
  const record = reader.record(written, name);
  return { record, problems: reader.problems };
}

/** Say what is wrong with a value that a field does not take; nothing where it does. */
function mismatch(value, kind, needed) {
  if (kind === "flag") return typeof value === "boolean" ? "" : "expected true or false";
  if (value === null) return needed ? "is missing" : "";
  if (kind === "reasons" && Array.isArray(value)) return value.some((one) => mismatch(one, "text", true)) ? "expected names" : "";
  if (kind === "names") return Array.isArray(value) && !value.some((one) => mismatch(one, "text", true)) ? "" : "expected a list of names";
  if (typeof value !== "string") return "expected text";
  if (Array.isArray(kind)) return kind.includes(value) ? "" : `expected ${kind.join(" or ")}`;
  return [...value].length > (kind === "prose" ? 20000 : 200) ? "the text is too long" : "";
}

class Reader {
  constructor(kb) {
    this.kb = kb;
    this.problems = [];
    this.conflicts = [];
    this.doubted = [];
    this.birth = this.died = this.recorded = null;
  }

  problem(place, message) {
    const text = place.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("").slice(1);
    if (!this.problems.some((problem) => problem.place === text)) this.problems.push({ place: text, message });
  }

  record(written, name) {
    const head = this.fill(HEAD, Object.fromEntries(Object.entries(written).filter(([field]) => !Object.hasOwn(SECTIONS, field) && field !== "answers")), [], []);
    this.life(head);
    const record = { statements: {} };
    for (const section of Object.keys(SECTIONS)) {
      const kind = SECTIONS[section];
      const items = this.items(written[section] ?? null, section, kind);
      if (kind === "measurement") record.measurements = items;
      else if (kind === "therapy") record.therapies = items;
      else record.statements[kind] = items;
    }
    record.answers = this.answers(written.answers ?? null);
    record.complete = this.complete(head.complete ?? []);
    return {
      ...record,
      id: this.text(head.record, ["record"]) ?? name,
      birth: this.birth,
      sex: head.sex,
      died: this.died,
      recorded: this.recorded,
      conflicts: this.conflicts,
    };
  }

  /** Return the fields of a form, null where not written; what does not fit is a problem and left out. */
  fill(form, written, needed, place) {
    const found = Object.fromEntries(Object.keys(form).map((field) => [field, null]));
    for (const [field, value] of Object.entries(written)) {
      const kind = Object.hasOwn(form, field) ? form[field] : null;
      const wrong = kind ? mismatch(value, kind, needed.includes(field)) : "there is no such field";
      if (wrong) this.problem([...place, field], wrong);
      else found[field] = value;
    }
    for (const field of needed) {
      if (!Object.hasOwn(written, field)) this.problem([...place, field], "is missing");
    }
    return found;
  }

  life(head) {
    this.birth = this.when(head.birth_date, ["birth_date"]);
    this.died = this.when(head.died, ["died"]);
    const recorded = this.when(head.recorded, ["recorded"]);
    if (recorded && !isExactDay(recorded)) this.problem(["recorded"], `'${head.recorded}' is no exact day`);
    else if (recorded) this.recorded = recorded.earliest;
    if (surelyBefore(this.died, this.birth)) {
      this.conflict(`died: ${showWhen(this.died)} is before the birth on ${showWhen(this.birth)}; neither date is used`);
      this.birth = this.died = null;
    }
    if (surelyBefore(this.dayRecorded(), this.birth)) {
      this.conflict(`birth_date: ${showWhen(this.birth)} is after the day of the record, ${isoDay(this.recorded)}; the date is not used`);
      this.birth = null;
    }
  }

  conflict(message, id = null, places = []) {
    this.conflicts.push({ message, id, places });
  }

  complete(names) {
    names.forEach((name, index) => {
      const known = CLOSABLE.includes(name) || Object.values(this.kb.labels).some((labels) => labels.has(name));
      if (!known) this.problem(["complete", index], `unknown name ${quoted(name)}`);
    });
    return new Set(names.filter((name) => !this.doubted.some(([kind, concept]) => this.covers(name, kind, concept))));
  }

  covers(name, kind, concept) {
    return SECTIONS[name] === kind || lineage(this.kb, concept).has(name) || lineage(this.kb, name).has(concept);
  }

  items(rows, section, kind) {
    if (rows === null) return [];
    if (!Array.isArray(rows)) {
      this.problem([section], "expected a list");
      return [];
    }
    const needed = section === "measurements" ? ["quantity", "value"] : [conceptField(section)];
    const found = [];
    rows.forEach((row, index) => {
      const place = [section, index];
      if (!isMapping(row)) {
        this.problem(place, "expected fields");
        return;
      }
      const form = this.fill(FORMS[section], row, needed, place);
      const concept = form[conceptField(section)];
      if (concept === null) return;
      this.name(kind, concept, this.kb.labels[kind], [...place, conceptField(section)]);
      const item = { concept, id: this.text(form.id, [...place, "id"]), place, ...this[kind](form, place) };
      if (!this.contradicts(item, kind, section, index)) found.push(item);
    });
    return found.filter((item) => !this.overclaims(item, kind));
  }

  overclaims(item, kind) {
    const never = item.taken === false || (item.present === false && (kind === "event" || kind === "procedure"));
    if (!never || !this.doubted.some(([of, concept]) => this.covers(item.concept, of, concept))) return false;
    this.conflict(`${item.concept}: said never to be so, but a contradictory item says more; neither is used`, item.id, [item.place]);
    return true;
  }

  contradicts(item, kind, section, index) {
    const reason = this.contradiction(item, kind);
    if (reason) {
      this.conflict(`${section}[${index}] ${item.concept}: ${reason}; the item is not used`, item.id, [item.place]);
      this.doubted.push([kind, item.concept]);
    }
    return Boolean(reason);
  }

  contradiction(item, kind) {
    if (kind === "measurement") {
      const { low, high } = item;
      if (low && high && high.n * low.d < low.n * high.d) return "the upper limit of normal is below the lower";
      return this.outsideLife(item.when);
    }
    const start = kind === "therapy" ? item.start : item.when;
    if (surelyBefore(item.end ?? null, start)) return `it ends on ${showWhen(item.end)}, before it starts on ${showWhen(start)}`;
    if (item.taken === false && (start || item.end || item.ongoing || item.dose)) {
      return "it is said never to have been taken, and when or how much";
    }
    return this.outsideLife(start, item.end ?? null);
  }

  outsideLife(...days) {
    for (const day of days) {
      if (surelyBefore(day, this.birth)) return `${showWhen(day)} is before the birth on ${showWhen(this.birth)}`;
      if (surelyBefore(this.died, day)) return `${showWhen(day)} is after the death on ${showWhen(this.died)}`;
    }
    return "";
  }

  // ---- the items ----

  measurement(form, place) {
    const [value, low, high] = this.values(form, place);
    return {
      value, low, high,
      text: wordsOf(form.value, form.unit),
      when: this.moment(form, place),
      method: this.method(form, place),
      side: form.side,
    };
  }

  finding(form, place) {
    const day = this.when(form.date, [...place, "date"]);
    const [end, ongoing] = this.end(form.end, [...place, "end"]);
    const stated = this.when(form.stated, [...place, "stated"]);
    return this.statement(form, place, {
      present: form.present ?? true,
      end,
      ongoing,
      stated: stated ?? (ongoing ? this.dayRecorded() : null) ?? day ?? this.dayRecorded(),
      method: this.method(form, place),
    }, day);
  }

  event(form, place) {
    const [end, ongoing] = this.end(form.end, [...place, "end"]);
    return this.statement(form, place, { present: form.happened ?? true, end, ongoing, planned: form.planned ?? false });
  }

  procedure(form, place) {
    return this.statement(form, place, { present: form.done ?? true, planned: form.planned ?? false });
  }

  judgement(form, place) {
    return this.statement(form, place, { present: form.answer ?? true, by: this.text(form.by, [...place, "by"]) });
  }

  consent(form, place) {
    return this.statement(form, place, { present: form.given ?? true, by: this.text(form.by, [...place, "by"]) });
  }

  statement(form, place, says, day = this.when(form.date, [...place, "date"])) {
    const plain = { end: null, ongoing: false, planned: false, by: null, method: null };
    return { ...plain, when: day, stated: day ?? this.dayRecorded(), ...says };
  }

  therapy(form, place) {
    const [end, ongoing] = this.end(form.end, [...place, "end"]);
    const taken = form.taken ?? true;
    if (taken && !Object.hasOwn(this.kb.vocabulary.drugs, form.drug) && Object.hasOwn(this.kb.vocabulary.classes, form.drug)) {
      this.problem([...place, "drug"], `${quoted(form.drug)} is a class of drugs; a course is of one drug`);
    }
    return {
      dose: this.dose(form, place),
      text: wordsOf(form.dose, form.unit, form.frequency),
      route: this.name("route", form.route, new Set(this.kb.vocabulary.routes), [...place, "route"]),
      start: this.when(form.start, [...place, "start"]),
      end,
      ongoing,
      response: this.name("response", form.response, new Set(Object.values(this.kb.vocabulary.outcomes).flat()), [...place, "response"]),
      reasons: this.reasons(form.for, [...place, "for"]),
      planned: form.planned ?? false,
      taken,
    };
  }

  /** Return the answers to tests themselves, each with its day. */
  answers(rows) {
    if (rows === null) return [];
    if (!Array.isArray(rows)) {
      this.problem(["answers"], "expected a list");
      return [];
    }
    return rows.map((row, index) => this.answer(row, ["answers", index])).filter((answer) => answer !== null);
  }

  answer(row, place) {
    if (!isMapping(row)) {
      this.problem(place, "expected fields");
      return null;
    }
    const form = this.fill(FORMS.answers, row, ["test", "answer"], place);
    if (form.test === null || form.answer === null) return null;
    const test = form.test.replace(/("(?:[^"\\]|\\.)*")|\s+/g, (_, text) => text ?? "");
    const known = this.kb.testById.get(test);
    if (!known) this.problem([...place, "test"], `unknown test ${quoted(form.test)}`);
    else if (["judgement", "consent"].includes(known.selection.kind)) {
      this.problem([...place, "test"], `${quoted(form.test)} asks for a ${known.selection.kind}; write it in its own section`);
    }
    const by = this.text(form.by, [...place, "by"]);
    const id = this.text(form.id, [...place, "id"]);
    const day = this.when(form.date, [...place, "date"]) ?? this.dayRecorded();
    if (day && isExactDay(day)) return { test, yes: form.answer, day: day.earliest, by, id, place };
    this.problem([...place, "date"], form.date ? `'${form.date}' is no exact day` : "the day of the answer is missing");
    return null;
  }

  // ---- names, days, amounts ----

  name(kind, name, known, place) {
    if (name !== null && !known.has(name)) this.problem(place, `unknown ${kind} ${quoted(name)}`);
    return name;
  }

  method(form, place) {
    return this.name("method", form.method, new Set(Object.keys(this.kb.vocabulary.methods)), [...place, "method"]);
  }

  reasons(reasons, place) {
    const found = reasons === null ? [] : [reasons].flat();
    for (const reason of found) this.name("finding", reason, this.kb.labels.finding, place);
    return found;
  }

  text(text, place) {
    if (text !== null && !PRINTABLE.test(text)) this.problem(place, "the text holds control characters");
    return text;
  }

  attempt(place, read) {
    try {
      return read();
    } catch (error) {
      this.problem(place, error.message);
      return null;
    }
  }

  when(text, place) {
    return text === null ? null : this.attempt(place, () => parseWhen(text));
  }

  end(text, place) {
    return text === "ongoing" ? [null, true] : [this.when(text, place), false];
  }

  moment(form, place) {
    const day = this.when(form.date, [...place, "date"]);
    if (form.time === null) return day;
    if (!day || day.clock || !isExactDay(day) || !CLOCK.test(form.time)) {
      const why = !day ? "a time of day needs a date" : day.clock ? "the date already has a time of day" : `'${form.time}' is no time of that day`;
      this.problem([...place, "time"], why);
      return day;
    }
    return when(day.earliest, day.latest, form.time);
  }

  dayRecorded() {
    return this.recorded === null ? null : when(this.recorded);
  }

  values(form, place) {
    const known = this.kb.vocabulary.quantities;
    if (!Object.hasOwn(known, form.quantity) || form.value === null) return [ANY, null, null];
    const scale = this.kb.scales.get(known[form.quantity].scale);
    const possible = this.kb.possible.get(form.quantity);
    let [value, unit] = [ANY, form.unit];
    try {
      [value, unit] = readValue(scale, possible, form.value, form.unit);
    } catch (error) {
      this.problem([...place, form.unit !== null && error instanceof UnitError ? "unit" : "value"], error.message);
      return [ANY, null, null];
    }
    const [low, high] = ["low", "high"].map((side) => this.limit(scale, possible, form[side], unit, [...place, side]));
    return [value, low, high];
  }

  limit(scale, possible, written, unit, place) {
    if (written === null) return null;
    return this.attempt(place, () => {
      const [limit] = readValue(scale, possible, written, null, unit);
      if (!isExact(limit)) throw new Error(`${quoted(written)} is no limit; expected a number`);
      return limit.low;
    });
  }

  dose(form, place) {
    if (form.dose === null) {
      if (form.unit !== null) this.problem([...place, "unit"], "a unit without a dose");
      return null;
    }
    return this.attempt([...place, "dose"], () => parseDose(form.dose, form.unit, form.frequency));
  }
}

const surelyBefore = (first, second) => Boolean(first && second && first.latest < second.earliest);
const wordsOf = (...parts) => parts.filter((part) => part !== null).join(" ");
