// Forms for what is entered: one control a field, the fields of an item after docs/records.md.

import { FORMS, conceptField, saysSo } from "./record.js";
import { SECTIONS } from "./knowledge.js";
import { h, hidden } from "./dom.js";

export const SECTION_WORDS = {
  measurements: "Measurement", findings: "Finding or diagnosis", therapies: "Course of a drug", events: "Event",
  procedures: "Procedure", judgements: "Judgement of a clinician", consents: "Consent", answers: "Answer to a question itself",
};
export const SECTION_TITLES = {
  measurements: "Measurements", findings: "Findings and diagnoses", therapies: "Therapies", events: "Events",
  procedures: "Procedures", judgements: "Judgements", consents: "Consents", answers: "Answers to questions themselves",
};
const SAYS = {
  findings: ["present", "absent"], therapies: ["taken", "never taken"], events: ["happened", "did not happen"],
  procedures: ["done", "not done"], judgements: ["yes", "no"], consents: ["given", "refused"], answers: ["yes", "no"],
};
const LABELS = {
  quantity: "What was measured", finding: "Finding", drug: "Drug", event: "Event", procedure: "Procedure", judgement: "Judgement",
  consent: "Consent", value: "Value", unit: "Unit", date: "Date", time: "Time of day", method: "Method", low: "Lower limit of normal",
  high: "Upper limit of normal", side: "Side", id: "Name of the item", present: "It is", taken: "It was", happened: "It", done: "It was",
  answer: "Answer", given: "It was", end: "Last day", stated: "Last known so on", dose: "Dose", frequency: "How often", route: "Route",
  start: "First day", response: "Response", for: "Given for", planned: "Planned, not yet done", by: "Who says so",
};
const HINTS = {
  date: "2026-11-22, 2026-11 or 2026", start: "2026-11-22, 2026-11 or 2026", end: "a date, or ongoing", stated: "2026-11-22", time: "08:30",
  dose: "30 mg/d", frequency: "twice daily", value: "22, <20 or 1:80", for: "findings, with ; between",
};
const REMARKS = { findings: "the day of its onset, or on which it was seen" };
const FIRST = {
  measurements: ["quantity", "value", "unit", "date"], findings: ["finding", "present", "date", "end"],
  therapies: ["drug", "taken", "dose", "route", "start", "end", "response", "for"], events: ["event", "happened", "date", "planned"],
  procedures: ["procedure", "done", "date", "planned"], judgements: ["judgement", "answer", "date", "by"],
  consents: ["consent", "given", "date", "by"],
};

/** Say an item in words: its concept, what it says of it, and its days. */
export function itemWords(kb, section, item) {
  if (section === "answers") {
    return { title: kb.criteria[item.test]?.label ?? item.test, said: item.answer ? "yes" : "no", days: dayWords(item) };
  }
  const concept = item[conceptField(section)];
  const title = kb.labels[SECTIONS[section]].get(concept) ?? concept;
  if (section === "measurements") return { title, said: [item.value, item.unit].filter(Boolean).join(" "), days: dayWords(item) };
  const says = SAYS[section][(item[saysSo[section]] ?? true) ? 0 : 1];
  const dose = [item.dose, item.unit, item.frequency].filter(Boolean).join(" ");
  const said = item.planned ? "planned" : section === "therapies" && item.taken !== false ? dose || "dose not known" : says;
  return { title, said, days: dayWords(item), more: moreWords(kb, item) };
}

function dayWords(item) {
  const { start, end, date, stated } = item;
  const days = start || end ? `${start ?? date ?? "?"} to ${end ?? "?"}` : date;
  return [days, stated && `last known ${stated}`].filter(Boolean).join(", ") || "no date";
}

function moreWords(kb, item) {
  const reasons = [item.for ?? []].flat().map((name) => kb.labels.finding.get(name) ?? name);
  const parts = [item.response && `response: ${item.response}`, reasons.length && `for ${reasons.join(", ")}`, item.by && `by ${item.by}`, item.method];
  return parts.filter(Boolean).join("; ");
}

// ---- controls ----

let lists = 0;

/** What is typed into a form, which outlives a refresh of the page, over what else stands in it. */
export class Draft {
  constructor(typed = {}) {
    this.typed = { ...typed };
    this.defaults = {};
  }

  get values() {
    return { ...this.defaults, ...this.typed };
  }

  field(key, name, label, attributes = {}, choices = null) {
    const input = choices ? selectOf(choices, this.values[name] ?? "") : h("input", { value: this.values[name] ?? "", ...attributes });
    input.dataset.key = `${key} ${name}`;
    if (!choices) input.setAttribute("autocomplete", "off");
    const keep = () => {
      this.typed[name] = input.type === "checkbox" ? input.checked : input.value;
    };
    input.addEventListener("input", keep);
    input.addEventListener("change", keep);
    return h("label", { class: `field ${name}` }, h("span", {}, label), input);
  }
}

const selectOf = (choices, chosen) =>
  h("select", {}, choices.map(([value, words]) => h("option", { value, selected: value === chosen }, words)));

export const dateField = (draft, key, label = "Date") =>
  draft.field(key, "date", label, { size: 11, placeholder: "2026-11-22", title: "2026-11-22, 2026-11 or 2026" });

/** Return value and unit of a quantity, its grades as suggestions. */
export function valueFields(kb, draft, key, quantity) {
  const scale = kb.scales.get(kb.vocabulary.quantities[quantity].scale);
  const grades = [...scale.grades.keys()];
  const list = grades.length ? `list-${(lists += 1)}` : null;
  const units = [...scale.units.keys()];
  draft.defaults.unit ??= grades.length || units[0] === "1" ? "" : units[0];
  const choices = [...(grades.length || units[0] === "1" || units[0].startsWith("{") ? [["", "no unit"]] : []), ...units.map((unit) => [unit, unit])];
  return [
    draft.field(key, "value", "Value", { size: 8, list, placeholder: grades.length ? grades.join(", ") : "22 or <20" }),
    grades.length ? h("datalist", { id: list }, grades.map((grade) => h("option", { value: grade }))) : null,
    choices.length > 1 || choices[0][0] !== "" ? draft.field(key, "unit", "Unit", {}, choices) : null,
  ];
}

/** Return the form of an item of a section, for what `draft` holds; `members` are the concepts that it may name. */
export function itemForm(kb, section, draft, { key, members = [], save, saveWords = "Add", cancel = null }) {
  const named = conceptField(section);
  const kind = SECTIONS[section];
  const amount = h("span", { class: "fields" });
  const fillAmount = () => {
    const known = section === "measurements" && kb.labels.measurement.has(draft.values[named]);
    amount.replaceChildren(...(known ? valueFields(kb, draft, key, draft.values[named]).filter(Boolean) : []));
  };
  const field = (name) => {
    if (name === named) return conceptInput(kb, kind, draft, key, name, members, () => {
      delete draft.typed.unit;
      delete draft.defaults.unit;
      fillAmount();
    });
    if (section === "measurements" && name === "unit") return null;
    if (section === "measurements" && name === "value") return amount;
    return controlOf(kb, section, draft, key, name);
  };
  const rest = Object.keys(FORMS[section]).filter((name) => !FIRST[section].includes(name));
  const used = rest.some((name) => draft.values[name]);
  const fields = FIRST[section].map(field);
  fillAmount();
  return h(
    "form",
    {
      class: "item",
      onsubmit: (event) => {
        event.preventDefault();
        save(itemOf(kb, section, draft.values));
      },
    },
    h("div", { class: "fields" }, fields),
    REMARKS[section] ? h("p", { class: "fine" }, `Date: ${REMARKS[section]}.`) : null,
    rest.length ? h("details", { open: used }, h("summary", {}, "More fields"), h("div", { class: "fields" }, rest.map(field))) : null,
    h(
      "div",
      { class: "buttons" },
      h("button", { type: "submit", "data-key": `${key} save` }, saveWords),
      cancel ? h("button", { type: "button", "data-key": `${key} cancel`, onclick: cancel }, "Cancel") : null,
    ),
  );
}

function controlOf(kb, section, draft, key, name) {
  const kind = FORMS[section][name];
  const blank = ["", "not said"];
  if (name === "planned") return checkbox(draft, key, name);
  if (kind === "flag") {
    const [yes, no] = SAYS[section];
    return draft.field(key, name, LABELS[name], {}, [["true", yes], ["false", no]]);
  }
  const words = {
    method: () => Object.entries(kb.vocabulary.methods),
    route: () => kb.vocabulary.routes.map((route) => [route, route.replaceAll("_", " ")]),
    response: () => [...new Set(Object.values(kb.vocabulary.outcomes).flat())].sort().map((one) => [one, one.replaceAll("_", " ")]),
    side: () => kind.map((side) => [side, side]),
  }[name];
  if (words) return draft.field(key, name, LABELS[name], {}, [blank, ...words()]);
  const list = name === "for" ? "list-finding" : null;
  return draft.field(key, name, LABELS[name], { placeholder: HINTS[name] ?? null, size: name === "for" ? 24 : 12, list });
}

function checkbox(draft, key, name) {
  const field = draft.field(key, name, LABELS[name], { type: "checkbox", checked: draft.values[name] === true });
  field.classList.add("check");
  return field;
}

/** Return the control that names a concept: a choice among few, else a search by label. */
function conceptInput(kb, kind, draft, key, name, members, chosen) {
  if (members.length) {
    const choices = members.map((id) => [id, kb.labels[kind].get(id) ?? id]).sort((a, b) => a[1].localeCompare(b[1]));
    draft.defaults[name] ??= choices[0][0];
    const field = draft.field(key, name, LABELS[name], {}, choices);
    field.querySelector("select").addEventListener("change", chosen);
    return field;
  }
  const shown = draft.values[name] ? (kb.labels[kind].get(draft.values[name]) ?? draft.values[name]) : "";
  const input = h("input", { value: shown, list: `list-${kind}`, size: 28, autocomplete: "off", placeholder: "type to search" });
  input.dataset.key = `${key} ${name}`;
  input.addEventListener("input", () => {
    const concept = conceptOf(kb, kind, input.value);
    if (concept === draft.values[name]) return;
    draft.typed[name] = concept;
    chosen();
  });
  return h("label", { class: `field ${name}` }, h("span", {}, LABELS[name]), input);
}

/** Return the lists of suggestions, one a kind of concept. */
export const suggestions = (kb) =>
  Object.entries(kb.labels).map(([kind, labels]) =>
    h("datalist", { id: `list-${kind}` }, [...labels].map(([id, label]) => h("option", { value: label }, id))),
  );

/** Return the concept of a label or id, or what was typed. */
export function conceptOf(kb, kind, typed) {
  const text = typed.trim();
  if (kb.labels[kind].has(text)) return text;
  for (const [id, label] of kb.labels[kind]) if (label.toLowerCase() === text.toLowerCase()) return id;
  return text;
}

/** Return the item that a form's values say: empty fields left out, what is understood left out too. */
export function itemOf(kb, section, values) {
  const item = {};
  for (const [name, kind] of Object.entries(FORMS[section])) {
    const value = typeof values[name] === "string" ? values[name].trim() : values[name];
    if (value === undefined || value === null || value === "") continue;
    if (kind === "flag") {
      const yes = value === true || value === "true";
      if (yes === (name === "planned")) item[name] = yes;
    } else if (name === "for") {
      const reasons = String(value).split(";").map((one) => conceptOf(kb, "finding", one)).filter(Boolean);
      item[name] = reasons.length === 1 ? reasons[0] : reasons;
    } else item[name] = value;
  }
  return item;
}

/** Return the values of a form for an item. */
export function valuesOf(kb, section, item) {
  const values = Object.fromEntries(Object.entries(item).map(([name, value]) => [name, typeof value === "boolean" ? String(value) : value]));
  if (item.planned !== undefined) values.planned = item.planned;
  if (item.for) values.for = [item.for].flat().map((name) => kb.labels.finding.get(name) ?? name).join("; ");
  if (section === "measurements" && !item.unit) {
    const [, number, unit] = /^([<>=≤≥ ]*[-+.0-9eE]+)\s+(\S.*)$/.exec(String(item.value)) ?? [];
    const scale = kb.scales.get(kb.vocabulary.quantities[item.quantity].scale);
    if (unit && scale.units.has(unit)) Object.assign(values, { value: number, unit });
    else values.unit = "";
  }
  return values;
}

/** Return yes, no and not known, as buttons of which the one that holds is pressed. */
export function choice(key, words, now, choose) {
  const options = [["yes", words[0], true], ["no", words[1], false], ["unknown", "Not known", null]];
  return h(
    "span",
    { class: "choice" },
    options.map(([name, label, value]) =>
      h("button", { type: "button", "data-key": `${key} ${name}`, "aria-pressed": String(now === value), onclick: () => choose(value) }, label),
    ),
  );
}

export const legend = (text) => h("legend", {}, hidden(text));
