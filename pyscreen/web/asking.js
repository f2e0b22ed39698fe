// One question: its answer, what that rests on, and the controls to answer or correct it.

import { SECTIONS } from "./knowledge.js";
import { conceptField, saysSo } from "./record.js";
import { isoDay } from "./days.js";
import { UNKNOWN } from "./kleene.js";
import { showEvidence } from "./answers.js";
import { wayOf } from "./questions.js";
import { h, hidden } from "./dom.js";
import { choice, dateField, valueFields } from "./forms.js";
import { Desk } from "./desk.js";

/** Asks questions, in lists and in outlines. */
export class Asking extends Desk {
  constructor(kb, sheet) {
    super(kb, sheet);
    this.changing = new Set();
  }

  attempt(key, change) {
    const changing = this.changing.delete(key);
    const taken = super.attempt(key, change);
    if (changing && !taken) this.changing.add(key);
    return taken;
  }

  chip(effect, words) {
    const mark = { helps: "✓", blocks: "✗", open: "?", none: "·" }[effect];
    return h("span", { class: `chip ${effect}` }, h("span", { "aria-hidden": "true" }, mark), ` ${words}`);
  }

  question(id, key, needs = [], bearing = "", effect = null, read = "") {
    const { kb, screening } = this;
    const criterion = kb.criteria[id];
    const status = screening.statuses.get(id);
    const { truth, why, evidence } = screening.answers.byTest.get(id);
    const answered = truth === null ? "open" : truth ? "yes" : "no";
    const doubted = truth !== null && status === UNKNOWN;
    const open = status === UNKNOWN || this.changing.has(key);
    return h(
      "li",
      { class: `question ${status}` },
      h("div", { class: "line" }, this.chip(effect ?? (status === UNKNOWN ? "open" : "none"), doubted ? "in doubt" : answered), h("span", { class: "label" }, criterion.label), h("span", { class: "fine" }, ` ${[...new Set(needs.map((need) => need.clause))].join(", ")}${read}`),
        open ? "" : h("button", { type: "button", class: "small", "data-key": `${key} change`, onclick: () => { this.changing.add(key); this.show(); } }, "Change", hidden(` ${criterion.label}`)),
      ),
      bearing ? h("p", { class: "fine" }, bearing) : "",
      this.asks(id) && (open || evidence.length) ? h("p", { class: "fine asks" }, kb.testById.get(id).words) : "",
      truth === null && why !== "not recorded" ? h("p", { class: "why" }, why) : "",
      doubted ? h("p", { class: "why" }, "another fact of the record contradicts it") : "",
      evidence.length ? h("ul", { class: "evidence" }, evidence.map((one) => this.evidence(one, key))) : "",
      open ? this.controls(id, key) : "",
      this.refusal(key),
    );
  }

  /** Tell whether what a test asks must be said beside its label. */
  asks(id) {
    const { way, section, concept } = wayOf(this.kb, id);
    return way === "itself" || (way === "value" && !this.named(id, section, concept));
  }

  /** Tell whether the label of a question names the concept that it is about. */
  named(id, section, concept) {
    return this.kb.criteria[id].label.startsWith(this.kb.labels[SECTIONS[section]].get(concept));
  }

  evidence(one, key) {
    const places = (one.places ?? []).filter(([section]) => Array.isArray(this.sheet.written[section]));
    return h(
      "li",
      {},
      h("span", { class: "source" }, showEvidence(one)),
      places.slice(0, 3).map((place) => this.placeButtons(place, `${key} ${place.join(" ")}`, one.text)),
    );
  }

  controls(id, key) {
    const asked = wayOf(this.kb, id);
    const draft = this.draft(key, { date: isoDay(this.sheet.state.day) });
    const body = {
      sex: () => this.askSex(key),
      birth: () => this.askBirth(draft, key),
      value: () => this.askValue(id, asked, draft, key),
      says: () => this.askSays(id, asked, draft, key),
      itself: () => this.askItself(id, asked, draft, key),
    }[asked.way]();
    return h("form", { class: "controls", onsubmit: (event) => event.preventDefault() }, body);
  }

  askSex(key) {
    const now = this.sheet.written.sex ?? null;
    const say = (value) => this.attempt(key, () => this.sheet.say("sex", value, `Sex: ${value ?? "not known"}`));
    const button = (value, words) =>
      h("button", { type: "button", "data-key": `${key} ${words}`, "aria-pressed": String(now === value), onclick: () => say(value) }, words);
    return h("span", { class: "choice" }, button("female", "Female"), button("male", "Male"), button(null, "Not known"));
  }

  askBirth(draft, key) {
    draft.defaults.birth = this.sheet.written.birth_date ?? "";
    return [
      draft.field(key, "birth", "Birth date", { size: 11, placeholder: "1989-04-12" }),
      h("button", { "data-key": `${key} save`, onclick: () => this.attempt(key, () => this.sheet.say("birth_date", draft.values.birth.trim(), `Birth date: ${draft.values.birth || "not known"}`)) }, "Set"),
    ];
  }

  askValue(id, asked, draft, key) {
    const { kb } = this;
    const { quantity, label } = { quantity: asked.concept, label: kb.labels.measurement.get(asked.concept) };
    const add = () => {
      const { value = "", unit, date, low, high } = draft.values;
      const item = { quantity, value: value.trim(), unit, date: date?.trim(), method: asked.method, low, high };
      const said = Object.fromEntries(Object.entries(item).filter(([, one]) => one));
      const words = `${label}: ${[value, unit].filter(Boolean).join(" ")}`;
      if (!said.value) this.attempt(key, () => [{ message: "a value is missing" }]);
      else this.attempt(key, () => this.sheet.put("measurements", [said], words));
    };
    return [
      asked.method || !this.named(id, "measurements", quantity)
        ? h("span", { class: "what" }, label, asked.method ? ` (${kb.vocabulary.methods[asked.method]})` : "")
        : null,
      valueFields(kb, draft, key, quantity),
      asked.limits ? [draft.field(key, "low", "Lower limit of normal", { size: 6 }), draft.field(key, "high", "Upper limit", { size: 6 })] : null,
      dateField(draft, key),
      h("button", { "data-key": `${key} save`, onclick: add }, "Add"),
      asked.inputs.map((input) =>
        h("button", { type: "button", class: "small", "data-key": `${key} ${input}`, onclick: () => this.enter("measurements", { quantity: input }) }, `or enter: ${kb.labels.measurement.get(input) ?? input}`),
      ),
      asked.alsoItself ? this.itself(id, draft, key) : null,
    ];
  }

  askSays(id, asked, draft, key) {
    const { kb, sheet } = this;
    const { section, concept, method } = asked;
    const label = kb.labels[SECTIONS[section]].get(concept);
    const rows = [...(sheet.written[section] ?? []).entries()].filter(([, row]) => row[conceptField(section)] === concept);
    const says = (row) => row[saysSo[section]] ?? true;
    const now = rows.length ? (new Set(rows.map(([, row]) => says(row))).size === 1 ? says(rows[0][1]) : undefined) : null;
    const choose = (value) => {
      const date = draft.values.date?.trim();
      if (value === null) {
        if (rows.length) this.attempt(key, () => sheet.remove(rows.map(([index]) => [section, index]), `${label}: not known`));
        return;
      }
      const sameDay = rows.filter(([, row]) => (row.date ?? "") === date).map(([index]) => [section, index]);
      const item = { [conceptField(section)]: concept, ...(value ? {} : { [saysSo[section]]: false }) };
      if (date) item.date = date;
      if (method && section === "findings") item.method = method;
      if (draft.values.by?.trim()) item.by = draft.values.by.trim();
      this.attempt(key, () => sheet.answer(sameDay, section, [item], `${label}: ${value ? "yes" : "no"}`));
    };
    return [
      this.named(id, section, concept) ? null : h("span", { class: "what" }, label),
      choice(key, ["Yes", "No"], now, choose),
      dateField(draft, key, section === "findings" ? "Since, or seen on" : "Date"),
      section === "judgements" || section === "consents" ? draft.field(key, "by", "Who says so", { size: 10 }) : null,
    ];
  }

  askItself(id, asked, draft, key) {
    const reason = this.kb.labels.finding.get(asked.reason);
    const enter = () => this.enter(asked.section, reason ? { for: reason } : {}, asked.members);
    const words = asked.section === "therapies" ? "Enter a course" : "Enter an item";
    return [this.itself(id, draft, key), h("button", { type: "button", "data-key": `${key} enter`, onclick: enter }, words)];
  }

  /** Ask for an answer to the test itself. */
  itself(id, draft, key) {
    const { sheet } = this;
    const rows = [...(sheet.written.answers ?? []).entries()].filter(([, row]) => row.test.replaceAll(" ", "") === id.replaceAll(" ", ""));
    const now = rows.length === 1 ? rows[0][1].answer : null;
    const { label } = this.kb.criteria[id];
    const choose = (value) => {
      if (value === null) {
        if (rows.length) this.attempt(key, () => sheet.remove(rows.map(([index]) => ["answers", index]), `${label}: not known`));
        return;
      }
      const date = draft.values.date?.trim();
      const sameDay = rows.filter(([, row]) => row.date === date).map(([index]) => ["answers", index]);
      const item = { test: id, answer: value, date, ...(draft.values.by?.trim() ? { by: draft.values.by.trim() } : {}) };
      this.attempt(key, () => sheet.answer(sameDay, "answers", [item], `${label}: ${value ? "yes" : "no"}`));
    };
    return h(
      "span",
      { class: "itself" },
      h("span", { class: "what" }, "The question itself"),
      choice(`${key} itself`, ["Yes", "No"], now, choose),
      dateField(draft, `${key} itself`),
      draft.field(`${key} itself`, "by", "Who says so", { size: 10 }),
    );
  }
}
