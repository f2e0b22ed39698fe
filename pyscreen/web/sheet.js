// The worksheet's state: the record as it is written, the day, the readings, what was undone; and its files.

import { dayOf, isoDay, parseWhen } from "./days.js";
import { SECTIONS } from "./knowledge.js";
import { screen } from "./screening.js";

const ORDER = ["record", "description", "recorded", "birth_date", "sex", "died", "complete", ...Object.keys(SECTIONS), "answers"];
const STEPS = 200;

/** One record on the desk. Every change is a step that can be undone; `listener` is told of each. */
export class Sheet {
  constructor(kb, { written = {}, day = today(), readings = {} } = {}) {
    this.kb = kb;
    this.state = { written: structuredClone(written), day, readings: { ...readings } };
    this.saved = this.state;
    this.undone = [];
    this.done = [];
    this.listener = () => {};
    this.screening = screen(kb, this.state.written, day, readings);
  }

  get written() {
    return this.state.written;
  }

  get changed() {
    return this.state !== this.saved;
  }

  /** Take a new state as a step, said in words; return what is wrong with it, and then nothing has changed. */
  step(words, change) {
    const state = structuredClone(this.state);
    change(state);
    const screening = screen(this.kb, state.written, state.day, state.readings);
    if (screening.problems.length) return screening.problems;
    this.done = [...this.done, { words, state: this.state }].slice(-STEPS);
    this.undone = [];
    this.become(state, screening, words);
    return [];
  }

  become(state, screening, words) {
    const before = this.screening;
    this.state = state;
    this.screening = screening;
    this.listener(words, before);
  }

  back(from, to, prefix) {
    const step = from.pop();
    if (!step) return;
    to.push({ words: step.words, state: this.state });
    const { written, day, readings } = step.state;
    this.become(step.state, screen(this.kb, written, day, readings), `${prefix}: ${step.words}`);
  }

  undo() {
    this.back(this.done, this.undone, "Undone");
  }

  redo() {
    this.back(this.undone, this.done, "Done again");
  }

  // ---- changes ----

  put(section, items, words) {
    return this.step(words, ({ written }) => {
      written[section] = [...(written[section] ?? []), ...items];
    });
  }

  replace([section, index], item, words) {
    return this.step(words, ({ written }) => {
      written[section][index] = item;
    });
  }

  remove(places, words) {
    return this.step(words, ({ written }) => {
      for (const section of new Set(places.map(([name]) => name))) {
        const gone = new Set(places.filter(([name]) => name === section).map(([, index]) => index));
        written[section] = written[section].filter((_, index) => !gone.has(index));
        if (!written[section].length) delete written[section];
      }
    });
  }

  /** Answer: leave out the items at some places, and add others. */
  answer(places, section, items, words) {
    return this.step(words, ({ written }) => {
      const gone = new Set(places.filter(([name]) => name === section).map(([, index]) => index));
      const kept = (written[section] ?? []).filter((_, index) => !gone.has(index));
      const found = [...kept, ...items];
      if (found.length) written[section] = found;
      else delete written[section];
    });
  }

  say(field, value, words) {
    return this.step(words, ({ written }) => {
      if (value === null || value === "" || value.length === 0) delete written[field];
      else written[field] = value;
    });
  }

  read(reading, option, words) {
    return this.step(words, ({ readings }) => {
      if (option === this.kb.readings[reading].default) delete readings[reading];
      else readings[reading] = option;
    });
  }

  screenOn(text) {
    const day = exactDay(text);
    if (day === null) return [{ place: "day", message: `'${text}' is no day from 1900 to 2200; write it as 2026-11-22` }];
    return this.step(`Screened on ${isoDay(day)}`, (state) => {
      state.day = day;
    });
  }

  // ---- files ----

  /** Take another record instead; return what is wrong with its text. */
  load(text, name) {
    let written;
    try {
      written = readText(text);
    } catch (error) {
      return [{ place: name, message: `not readable as YAML or JSON: ${error.message.split("\n")[0]}` }];
    }
    const plain = name.replace(/\.[^.]*$/, "");
    const problems = this.step(`${name} opened`, (state) => {
      state.written = { record: plain, ...written };
    });
    if (!problems.length) this.saved = this.state;
    return problems;
  }

  text(form) {
    const written = inOrder(this.written);
    return form === "json" ? `${JSON.stringify(written, null, 2)}\n` : writeYaml(written);
  }
}

const FIRST_YEAR = dayOf(1900, 1, 1);
const LAST_YEAR = dayOf(2200, 12, 31);

export function exactDay(text) {
  try {
    const { earliest, latest } = parseWhen(text);
    return earliest === latest && earliest >= FIRST_YEAR && earliest <= LAST_YEAR ? earliest : null;
  } catch {
    return null;
  }
}

export function today() {
  const now = new Date();
  return dayOf(now.getFullYear(), now.getMonth() + 1, now.getDate());
}

const inOrder = (written) =>
  Object.fromEntries(ORDER.filter((field) => written[field] !== undefined && written[field] !== null).map((field) => [field, written[field]]));

// ---- YAML, as pyscreen/markup.py reads it: only true, false and null are no text, so that 1:40, on, 007 and dates stay as written ----

function plainSchema(...more) {
  const { Schema, strTag, seqTag, mapTag, nullCoreTag, boolCoreTag } = globalThis.jsyaml;
  return new Schema([strTag, seqTag, mapTag, nullCoreTag, boolCoreTag, ...more]);
}

export function readText(text) {
  const value = globalThis.jsyaml.load(text.replace(/^\uFEFF/, ""), { schema: plainSchema() });
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error("expected a record: fields such as birth_date, findings, measurements");
  }
  if (Object.hasOwn(value, "resourceType")) {
    throw new Error("this is FHIR; give it to `pyscreen worksheet RECORD`, which writes a page that holds it");
  }
  return value;
}

/** Write an item a line; what another reader may take for a number in base 60 or a yes is put in quotes. */
export function writeYaml(written) {
  const { defineScalarTag, NOT_RESOLVED, dump } = globalThis.jsyaml;
  const mistaken = /^(?:[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|y|n|yes|no|on|off|[-+]?0[0-9_]+|0x.*|.*[eE][-+].*|[0-9_]*_[0-9_]*|=|<<)$/i;
  const quoted = defineScalarTag("tag:yaml.org,2002:mistaken", {
    implicit: true,
    resolve: (text) => (mistaken.test(text) ? text : NOT_RESOLVED),
    identify: () => false,
  });
  return dump(written, { schema: plainSchema(quoted), flowLevel: 2, lineWidth: -1, noRefs: true });
}
