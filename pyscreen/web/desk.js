// The record on the desk: what is entered, to add to, to correct and to take back; what is typed and opened outlives a refresh.

import { SECTIONS } from "./knowledge.js";
import { CLOSABLE } from "./record.js";
import { isoDay } from "./days.js";
import { everythingUnder } from "./questions.js";
import { h, hidden, refresh } from "./dom.js";
import { Draft, SECTION_TITLES, SECTION_WORDS, itemForm, itemWords, valuesOf } from "./forms.js";

const MANY = 50;

/** The part of the page that shows the record; `show`, `cohort` and `printing` are the page's. */
export class Desk {
  constructor(kb, sheet) {
    this.kb = kb;
    this.sheet = sheet;
    this.drafts = new Map();
    this.opened = new Map();
    this.editing = null;
    this.adding = { section: "measurements", members: [] };
    this.refused = null;
    this.parts = {};
  }

  get screening() {
    return this.sheet.screening;
  }

  get verdict() {
    return this.screening.verdicts.get(this.cohort.id);
  }

  say(words) {
    this.parts.said.textContent = words;
  }

  /** Return the draft of a form, made of what was typed and of these values. */
  draft(key, values = {}) {
    if (!this.drafts.has(key)) this.drafts.set(key, new Draft());
    const draft = this.drafts.get(key);
    draft.defaults = values;
    return draft;
  }

  /** Carry out a change, which returns what is wrong with it; where it is refused say why, beside the form of this key. */
  attempt(key, change) {
    const draft = this.drafts.get(key);
    this.drafts.delete(key);
    this.refused = null;
    const problems = change();
    if (!problems.length) return true;
    if (draft) this.drafts.set(key, draft);
    this.refused = { key, problems };
    this.say(problems.map((problem) => problem.message).join(". "));
    this.show();
    return false;
  }

  refusal(key) {
    if (this.refused?.key !== key) return null;
    return h("p", { class: "refusal" }, `Not taken: ${this.refused.problems.map((problem) => problem.message).join("; ")}`);
  }

  /** Return the attributes of a part that opens and stays as it was left. */
  toggled(key, open = false) {
    return {
      open: this.printing || (this.opened.get(key) ?? open),
      ontoggle: (event) => {
        if (!this.printing) this.opened.set(key, event.target.open);
      },
    };
  }

  placeButtons(place, key, text) {
    return h(
      "span",
      { class: "buttons" },
      h("button", { type: "button", class: "small", "data-key": `${key} edit`, onclick: () => this.edit(place) }, "Edit", hidden(` ${text}`)),
      h("button", { type: "button", class: "small", "data-key": `${key} delete`, onclick: () => this.sheet.remove([place], `Deleted: ${text}`) }, "Delete", hidden(` ${text}`)),
    );
  }

  edit(place) {
    this.editing = place.join(" ");
    this.drafts.delete(`edit ${this.editing}`);
    this.opened.set("record", true);
    this.show();
    this.parts.record.querySelector("form.editing input, form.editing select")?.focus();
  }

  /** Open the form that adds an item. */
  enter(section, values, members = []) {
    this.adding = { section, members };
    this.drafts.set("add", new Draft({ date: isoDay(this.sheet.state.day), ...values }));
    this.opened.set("add", true);
    this.show();
    this.parts.record.querySelector("#add input, #add select")?.focus();
  }

  // ---- the record ----

  recordPart() {
    return refresh(this.parts.record, [
      h("h2", {}, "The record"),
      this.later(),
      this.conflicts(),
      this.head(),
      this.addPart(),
      this.entered(),
      this.completeness(),
      this.readings(),
    ]);
  }

  later() {
    const { later } = this.screening;
    return later && h("section", { class: "later" }, h("h3", {}, "Dated after the screening"), h("ul", {}, this.conflict(later)));
  }

  conflicts() {
    const { conflicts } = this.screening;
    if (!conflicts.length) return null;
    return h(
      "section",
      { class: "conflicts" },
      h("h3", {}, `${conflicts.length === 1 ? "A conflict decides" : `${conflicts.length} conflicts decide`} nothing until solved`),
      h("ul", {}, conflicts.map((conflict) => this.conflict(conflict))),
    );
  }

  conflict({ message, places = [] }) {
    const entered = places.filter(([section, index]) => this.sheet.written[section]?.[index]);
    return h("li", {}, message, entered.slice(0, 4).map((place) => {
      const { title, said, days } = itemWords(this.kb, place[0], this.sheet.written[place[0]][place[1]]);
      const text = `${title} ${said}, ${days}`;
      return h("div", { class: "line" }, h("span", { class: "fine" }, text), this.placeButtons(place, `conflict ${place.join(" ")}`, text));
    }));
  }

  head() {
    const { written } = this.sheet;
    const field = (name, label, attributes = {}, choices = null) => {
      const key = `head ${name}`;
      const draft = this.draft(key, { [name]: written[name] ?? "" });
      const made = draft.field(key, name, label, attributes, choices);
      made.querySelector("input, select").addEventListener("change", () => {
        const value = String(draft.values[name]).trim();
        this.attempt(key, () => this.sheet.say(name, value, `${label}: ${value || "not known"}`));
      });
      return [made, this.refusal(key)];
    };
    const date = { size: 11, placeholder: "2026-11-22" };
    return h(
      "div",
      { class: "fields" },
      field("record", "Name", { size: 16 }),
      field("birth_date", "Birth date", { ...date, placeholder: "1989-04-12" }),
      field("sex", "Sex", {}, [["", "not known"], ["female", "female"], ["male", "male"]]),
      field("recorded", "Recorded on", date),
      field("died", "Died on", { ...date, placeholder: "" }),
    );
  }

  addPart() {
    const { section, members } = this.adding;
    const draft = this.draft("add", { date: isoDay(this.sheet.state.day) });
    const kind = h(
      "select",
      {
        "data-key": "add section",
        onchange: (event) => {
          this.adding = { section: event.target.value, members: [] };
          this.drafts.delete("add");
          this.recordPart();
        },
      },
      Object.entries(SECTION_WORDS).filter(([name]) => name !== "answers").map(([name, words]) => h("option", { value: name, selected: name === section }, words)),
    );
    const save = (item) => {
      const { title, said } = itemWords(this.kb, section, item);
      if (this.attempt("add", () => this.sheet.put(section, [item], `Added: ${title} ${said}`))) this.recordPart();
    };
    return h(
      "details",
      { id: "add", ...this.toggled("add") },
      h("summary", { "data-key": "add" }, h("h3", {}, "Add an entry")),
      h("label", { class: "field" }, h("span", {}, "What"), kind),
      itemForm(this.kb, section, draft, { key: "add", members, save }),
      this.refusal("add"),
    );
  }

  entered() {
    const { written } = this.sheet;
    const total = Object.keys(SECTION_TITLES).reduce((sum, section) => sum + (written[section]?.length ?? 0), 0);
    const draft = this.draft("filter");
    const list = h("div", {});
    const fill = () => list.replaceChildren(...this.sections(String(draft.values.text ?? "").trim().toLowerCase()));
    const field = draft.field("filter", "text", "Only entries with", { type: "search", size: 18 });
    field.querySelector("input").addEventListener("input", fill);
    fill();
    return h("details", this.toggled("record", true), h("summary", { "data-key": "entered" }, h("h3", {}, `Entered (${total})`)), total > 8 ? field : null, list);
  }

  sections(text) {
    const before = this.sheet.saved.written;
    return Object.entries(SECTION_TITLES)
      .filter(([section]) => this.sheet.written[section]?.length)
      .map(([section, title]) => {
        const known = new Set((before[section] ?? []).map((item) => JSON.stringify(item)));
        const rows = [...this.sheet.written[section].entries()].map(([index, item]) => ({ index, item, words: itemWords(this.kb, section, item) }));
        const shown = rows.filter(({ words }) => Object.values(words).join(" ").toLowerCase().includes(text));
        return h(
          "section",
          {},
          h("h4", {}, title),
          h("ul", { class: "items" }, shown.reverse().slice(0, MANY).map((row) => this.entry(section, row, !known.has(JSON.stringify(row.item))))),
          shown.length > MANY ? h("p", { class: "fine" }, `The last ${MANY} of ${shown.length}; the others by a word of theirs`) : null,
        );
      });
  }

  entry(section, { index, item, words }, fresh) {
    const place = [section, index];
    const key = `entry ${place.join(" ")}`;
    if (this.editing === place.join(" ") && section !== "answers") return h("li", {}, this.editor(section, index, item));
    const text = [words.title, words.said].join(" ");
    return h(
      "li",
      {},
      h("span", {}, words.title, " ", h("b", {}, words.said), " ", h("span", { class: "fine" }, `${[words.days, words.more, item.id && `[${item.id}]`].filter(Boolean).join(" · ")}${fresh ? " · new" : ""}`)),
      section === "answers"
        ? h("span", { class: "buttons" }, h("button", { type: "button", class: "small", "data-key": `${key} delete`, onclick: () => this.sheet.remove([place], `Deleted: ${text}`) }, "Delete", hidden(` ${text}`)))
        : this.placeButtons(place, key, text),
    );
  }

  editor(section, index, item) {
    const key = `edit ${section} ${index}`;
    const draft = this.draft(key, valuesOf(this.kb, section, item));
    const close = () => {
      this.editing = null;
      this.drafts.delete(key);
      this.recordPart();
    };
    const save = (changed) => {
      const { title, said } = itemWords(this.kb, section, changed);
      if (this.attempt(key, () => this.sheet.replace([section, index], changed, `Changed: ${title} ${said}`))) close();
    };
    const form = itemForm(this.kb, section, draft, { key, save, saveWords: "Save", cancel: close });
    form.classList.add("editing");
    return [form, this.refusal(key)];
  }

  completeness() {
    const complete = [this.sheet.written.complete ?? []].flat();
    const set = (names, words) => this.attempt("complete", () => this.sheet.say("complete", names, words));
    const box = (name) =>
      h(
        "label",
        { class: "field check" },
        h("input", {
          type: "checkbox", checked: complete.includes(name), "data-key": `complete ${name}`,
          onchange: (event) => set(event.target.checked ? [...complete, name] : complete.filter((one) => one !== name), `${SECTION_TITLES[name]} ${event.target.checked ? "complete" : "not complete"}`),
        }),
        h("span", {}, SECTION_TITLES[name]),
      );
    const others = complete.filter((name) => !CLOSABLE.includes(name));
    const label = (name) => Object.values(this.kb.labels).map((labels) => labels.get(name)).find(Boolean) ?? name;
    return h(
      "details",
      this.toggled("complete"),
      h("summary", { "data-key": "complete" }, h("h3", {}, `Complete (${complete.length})`)),
      h("p", { class: "fine" }, "Everything of it is entered: what is not there is absent."),
      h("div", { class: "fields" }, CLOSABLE.map(box)),
      others.length
        ? h("ul", { class: "items" }, others.map((name) => h("li", {}, label(name), " ", h("button", { type: "button", class: "small", "data-key": `complete ${name}`, onclick: () => set(complete.filter((one) => one !== name), `${label(name)} not complete`) }, "Not complete", hidden(` ${label(name)}`)))))
        : null,
      this.refusal("complete"),
    );
  }

  readings() {
    const { kb, sheet } = this;
    const chosen = sheet.state.readings;
    const relevant = new Set(Object.keys(chosen));
    for (const need of [...this.verdict.cohort.needs, ...kb.exclusions]) {
      for (const id of everythingUnder(kb, need.criterion)) for (const member of kb.criteria[id].members ?? []) if (member.reading) relevant.add(member.reading);
    }
    const body = h("div", {});
    const fill = () =>
      body.replaceChildren(
        h("p", { class: "fine" }, "Where the published text is damaged or ambiguous. The first choice of each is ours; a site confirms it with the sponsor."),
        h("ul", { class: "readings" }, [...relevant].map((id) => this.reading(id, kb.readings[id]))),
      );
    const toggle = this.toggled("readings");
    const remember = toggle.ontoggle;
    toggle.ontoggle = (event) => {
      remember(event);
      if (event.target.open && !body.firstChild) fill();
    };
    if (toggle.open && !this.printing) fill();
    return h("details", { class: "readings", ...toggle }, h("summary", { "data-key": "readings" }, h("h3", {}, `Readings of this cohort (${relevant.size}${Object.keys(chosen).length ? `, ${Object.keys(chosen).length} changed` : ""})`)), body);
  }

  reading(id, reading) {
    const now = this.screening.readings[id];
    const options = [reading.default, ...Object.keys(reading.options).filter((option) => option !== reading.default)];
    const select = h(
      "select",
      {
        "data-key": `reading ${id}`,
        onchange: (event) => this.sheet.read(id, event.target.value, `${id} is read: ${reading.options[event.target.value]}`),
      },
      options.map((option) => h("option", { value: option, selected: option === now }, `${reading.options[option]}${option === reading.default ? " (default)" : ""}`)),
    );
    return h(
      "li",
      { class: now === reading.default ? null : "changed" },
      h("label", { class: "field" }, h("span", {}, `${id} (${reading.clauses.join(", ")}) ${reading.question}`), select),
      h("p", { class: "fine" }, `${reading.why} (confidence: ${reading.confidence})`),
    );
  }
}
