// The worksheet as a page: cohorts at a glance, what matters now in one of them, and the record that is entered.

import { SECTIONS, prepare } from "./knowledge.js";
import { CLOSABLE, FORMS, conceptField, saysSo } from "./record.js";
import { isoDay } from "./days.js";
import { ELIGIBLE, INELIGIBLE, MET, UNDECIDED, UNKNOWN, UNMET, decide, deciders, points } from "./kleene.js";
import { showEvidence } from "./answers.js";
import { dependences, everythingUnder, openMembers, openTests, parentsOfAll, questionsOf, wayOf } from "./questions.js";
import { Sheet, exactDay, readText, today, writeYaml } from "./sheet.js";
import { chosenReadings, screen } from "./screening.js";
import { h, hidden, refresh } from "./dom.js";
import {
  Draft, SECTION_TITLES, SECTION_WORDS, choice, dateField, itemForm, itemWords, suggestions, valueFields, valuesOf,
} from "./forms.js";

const MARKS = { [ELIGIBLE]: "✓", [INELIGIBLE]: "✗", [UNDECIDED]: "?" };
const WORDS = { [ELIGIBLE]: "Eligible", [INELIGIBLE]: "Ineligible", [UNDECIDED]: "Undecided" };
const STATUS = { [MET]: "met", [UNMET]: "not met", [UNKNOWN]: "open" };
const FEW = 5;
const KINDS = {
  all_of: "all of", any_of: "any of", none_of: "none of", known_by: "known by any of these; if they disagree, it is not known",
  presumed_absent: "only what is known counts; what the record does not say is presumed not to be so",
};

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

class Page {
  constructor(kb, start) {
    this.kb = kb;
    const day = start.day ? exactDay(start.day) : today();
    const written = start.record ?? { record: "new record", recorded: isoDay(day) };
    this.sheet = new Sheet(kb, { written, day, readings: start.readings ?? {} });
    this.sheet.listener = (words, before) => this.moved(words, before);
    this.cohorts = kb.cohorts.filter((cohort) => !start.cohorts?.length || start.cohorts.includes(cohort.id));
    this.cohort = start.record ? this.best() : this.cohorts[0];
    this.parents = parentsOfAll(kb);
    this.drafts = new Map();
    this.opened = new Map();
    this.changing = new Set();
    this.editing = null;
    this.adding = { section: "measurements", members: [] };
    this.query = "";
    this.all = false;
  }

  get screening() {
    return this.sheet.screening;
  }

  get verdict() {
    return this.screening.verdicts.get(this.cohort.id);
  }

  best() {
    const rank = { [ELIGIBLE]: 0, [UNDECIDED]: 1, [INELIGIBLE]: 2 };
    const order = (cohort) => {
      const verdict = this.screening.verdicts.get(cohort.id);
      return [rank[verdict.status], verdict.failing.length + verdict.excludedBy.length, verdict.open.length + verdict.openExclusions.length];
    };
    const less = (a, b) => a.map((one, i) => one - b[i]).find((one) => one) ?? 0;
    return [...this.cohorts].sort((a, b) => less(order(a), order(b)))[0];
  }

  draft(key, values = {}) {
    if (!this.drafts.has(key)) this.drafts.set(key, new Draft(values));
    return this.drafts.get(key);
  }

  // ---- what happens ----

  start() {
    const byId = (id) => document.getElementById(id);
    this.parts = Object.fromEntries(["bar", "cohorts", "cohort", "record", "said", "problems"].map((id) => [id, byId(id)]));
    document.body.append(...suggestions(this.kb));
    window.addEventListener("beforeunload", (event) => {
      if (this.sheet.changed) event.preventDefault();
    });
    document.addEventListener("keydown", (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") {
        event.preventDefault();
        this.save("yaml");
      }
    });
    window.addEventListener("beforeprint", () => this.cohortPart(true));
    window.addEventListener("afterprint", () => this.cohortPart());
    this.show();
    this.problems(this.screening.problems, "The record holds what this page cannot read; nothing that needs it is answered");
  }

  moved(words, before) {
    const turned = this.cohorts
      .map((cohort) => [cohort, before.verdicts.get(cohort.id).status, this.screening.verdicts.get(cohort.id).status])
      .filter(([, was, is]) => was !== is)
      .map(([cohort, was, is]) => `${cohort.code} is now ${is}, it was ${was}`);
    this.turned = new Set(turned.length ? this.cohorts.filter((cohort) => before.verdicts.get(cohort.id).status !== this.screening.verdicts.get(cohort.id).status) : []);
    const now = `${this.cohort.code} is ${this.verdict.status}, ${this.openWords(this.verdict)}`;
    this.say([words, ...(turned.length ? turned : [now])].join(". "));
    this.problems([]);
    this.show();
  }

  say(words) {
    this.parts.said.textContent = words;
  }

  /** Carry out a change; where it is refused say why, beside the form of this key. */
  attempt(key, problems) {
    this.refused = problems.length ? { key, problems } : null;
    if (!problems.length) {
      this.drafts.delete(key);
      return true;
    }
    this.say(problems.map((problem) => problem.message).join(". "));
    this.show();
    return false;
  }

  problems(problems, title = "The file was not opened") {
    this.parts.problems.replaceChildren(
      ...(problems.length
        ? [h("h2", {}, title), h("ul", {}, problems.slice(0, 30).map(({ place, message }) => h("li", {}, h("b", {}, place), ` ${message}`)))]
        : []),
    );
    this.parts.problems.hidden = !problems.length;
  }

  async open(file) {
    if (this.sheet.changed && !window.confirm("There are changes that are not saved. Open another record all the same?")) return;
    const problems = this.sheet.load(await file.text(), file.name);
    if (problems.length) {
      this.problems(problems);
      this.say("The file was not opened.");
      this.parts.problems.scrollIntoView();
      return;
    }
    this.drafts.clear();
    this.changing.clear();
    this.editing = null;
    this.cohort = this.best();
    this.show();
  }

  save(form) {
    const text = this.sheet.text(form);
    const link = h("a", {
      href: URL.createObjectURL(new Blob([text], { type: form === "json" ? "application/json" : "application/yaml" })),
      download: `${String(this.sheet.written.record ?? "record").replace(/[^\p{L}\p{N}._-]+/gu, "_")}.${form}`,
    });
    link.click();
    URL.revokeObjectURL(link.href);
    this.sheet.saved = this.sheet.state;
    this.say("The record was saved.");
    this.barPart();
  }

  choose(cohort) {
    this.cohort = cohort;
    this.all = false;
    this.show();
    this.say(`${cohort.code} ${cohort.label}: ${this.verdict.status}`);
  }

  // ---- the whole ----

  show() {
    this.barPart();
    this.cohortsPart();
    const kept = this.cohortPart();
    this.recordPart();
    if (!kept) {
      const next = this.parts.cohort.querySelector(".questions .question button, .questions .question input");
      (next ?? this.parts.cohort.querySelector("h2")).focus({ preventScroll: true });
    }
  }

  barPart() {
    const { sheet } = this;
    document.title = `${sheet.changed ? "* " : ""}${sheet.written.record ?? "record"} - ${this.kb.trial.title}`;
    const button = (key, words, act, more = {}) => h("button", { type: "button", "data-key": `bar ${key}`, onclick: act, ...more }, words);
    const last = (steps) => (steps.length ? steps.at(-1).words : null);
    const file = h("input", {
      type: "file", id: "file", accept: ".yaml,.yml,.json,.txt", class: "hidden", tabindex: "-1", "aria-hidden": "true",
      onchange: () => file.files[0] && this.open(file.files[0]),
    });
    const day = this.draft("bar day", { day: isoDay(sheet.state.day) });
    const screened = day.field("bar", "day", "Screened on", { size: 11, required: true });
    screened.querySelector("input").addEventListener("change", () => {
      const refused = sheet.screenOn(day.values.day);
      if (this.attempt("bar day", refused)) this.show();
    });
    refresh(this.parts.bar, [
      screened,
      this.refusal("bar day"),
      button("undo", "Undo", () => sheet.undo(), { disabled: !sheet.done.length, title: last(sheet.done) }),
      button("redo", "Redo", () => sheet.redo(), { disabled: !sheet.undone.length, title: last(sheet.undone) }),
      button("open", "Open a record…", () => file.click()),
      file,
      button("yaml", "Save as YAML", () => this.save("yaml"), { class: sheet.changed ? "main" : null }),
      button("json", "Save as JSON", () => this.save("json")),
      button("print", "Print", () => window.print()),
      h("span", { class: "fine state" }, sheet.changed ? "not saved" : "no unsaved changes"),
    ]);
  }

  refusal(key) {
    if (this.refused?.key !== key) return null;
    return h("p", { class: "refusal" }, `Not taken: ${this.refused.problems.map((problem) => problem.message).join("; ")}`);
  }

  openWords({ failing, excludedBy, open, openExclusions }) {
    const [fail, left] = [failing.length + excludedBy.length, open.length + openExclusions.length];
    return [fail ? `${fail} in the way` : "", left ? `${left} open` : ""].filter(Boolean).join(", ") || "nothing open";
  }

  cohortsPart() {
    refresh(this.parts.cohorts, [
      h("h2", {}, "Cohorts"),
      h(
        "ul",
        {},
        this.cohorts.map((cohort) => {
          const verdict = this.screening.verdicts.get(cohort.id);
          return h(
            "li",
            {},
            h(
              "button",
              {
                type: "button", class: `cohort ${verdict.status}${this.turned?.has(cohort) ? " turned" : ""}`, "data-key": `cohort ${cohort.id}`,
                "aria-current": cohort === this.cohort ? "true" : null, onclick: () => this.choose(cohort),
              },
              h("span", { class: "mark", "aria-hidden": "true" }, MARKS[verdict.status]),
              h("span", { class: "code" }, cohort.code),
              h("span", { class: "label" }, cohort.label),
              h("span", { class: "more" }, h("span", { class: "word" }, WORDS[verdict.status]), ` · ${this.openWords(verdict)}`),
            ),
          );
        }),
      ),
    ]);
  }

  // ---- one cohort ----

  cohortPart(printing = false) {
    this.printing = printing;
    const { verdict, kb } = this;
    const { status } = verdict;
    const questions = this.distinctQuestions(questionsOf(this.screening, verdict, this.parents));
    const inTheWay = [...verdict.failing.map((need) => [need, false]), ...verdict.excludedBy.map((need) => [need, true])];
    return refresh(this.parts.cohort, [
      h("h2", { tabindex: "-1", "data-key": "cohort" }, `${this.cohort.code} ${this.cohort.label}`),
      h("p", { class: `verdict ${status}` }, h("span", { class: "mark", "aria-hidden": "true" }, MARKS[status]), " ", h("b", {}, WORDS[status]), ` - ${this.openWords(verdict)}`, h("span", { class: "fine" }, ` · ${this.sheet.written.record ?? "record"}, as of ${isoDay(this.sheet.state.day)}`)),
      this.readingNotes(),
      this.search(),
      inTheWay.length
        ? h("section", {}, h("h3", {}, "In the way"), h("ul", { class: "needs" }, inTheWay.map(([need, excludes]) => this.need(need, excludes, "way"))))
        : null,
      this.next(questions, status),
      h("section", {}, h("h3", {}, "Requirements"), h("ul", { class: "needs" }, verdict.cohort.needs.map((need) => this.need(need, false, "all")))),
      h("section", {}, h("h3", {}, "Exclusions"), h("p", { class: "fine" }, "Who has one of these enters no cohort."), h("ul", { class: "needs" }, kb.exclusions.map((need) => this.need(need, true, "all")))),
    ]);
  }

  /** Leave out questions that ask for the same item as one before. */
  distinctQuestions(questions) {
    const seen = new Set();
    return questions.filter(({ test }) => {
      const { way, section, concept, method } = wayOf(this.kb, test);
      const key = way === "itself" ? test : `${way} ${section} ${concept} ${method}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
  }

  readingNotes() {
    const chosen = Object.entries(this.sheet.state.readings);
    const depends = dependences(this.screening, this.cohort, this.parents);
    const say = (id, option) => `${id}: ${this.kb.readings[id].options[option]}`;
    return [
      chosen.length
        ? h("p", { class: "note" }, h("b", {}, "Read otherwise than by default: "), chosen.map(([id, option]) => say(id, option)).join("; "))
        : null,
      depends.length
        ? h(
            "details",
            { class: "note", ...this.toggled("depends") },
            h("summary", {}, `The verdict depends on how the protocol is read (${counted(new Set(depends.map((one) => one.reading)).size, "reading")})`),
            h("ul", {}, depends.map((one) => h("li", {}, `${WORDS[one.status]} under ${say(one.reading, one.option)}`))),
          )
        : null,
    ];
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

  search() {
    const draft = this.draft("search");
    const results = h("div", { class: "results", "aria-live": "polite" });
    const field = draft.field("search", "text", "Search questions of this cohort", { type: "search", size: 30, placeholder: "platelets, biopsy, 1.2.marrow" });
    const find = () => results.replaceChildren(...this.found(String(draft.values.text ?? "").trim().toLowerCase()));
    field.querySelector("input").addEventListener("input", find);
    find();
    return h("div", { class: "search", role: "search" }, field, results);
  }

  found(text) {
    if (text.length < 2) return [];
    const needs = [...this.verdict.cohort.needs, ...this.kb.exclusions];
    const words = text.split(/\s+/);
    const matches = new Map();
    for (const need of needs) {
      for (const id of everythingUnder(this.kb, need.criterion)) {
        const criterion = this.kb.criteria[id];
        const said = `${criterion.label} ${id} ${need.clause} ${(criterion.clauses ?? []).join(" ")}`.toLowerCase();
        if (criterion.kind === "test" && words.every((word) => said.includes(word))) matches.set(id, need);
      }
    }
    const shown = this.distinctQuestions([...matches.keys()].map((test) => ({ test }))).slice(0, 12);
    return [
      h("p", { class: "fine" }, shown.length ? `${shown.length} of ${matches.size} found` : "Nothing found"),
      h("ul", { class: "questions" }, shown.map(({ test }) => this.question(test, `found ${test}`, [matches.get(test)]))),
    ];
  }

  next(questions, status) {
    if (!questions.length) return null;
    const shown = this.all ? questions : questions.slice(0, FEW);
    const list = [
      h("ul", { class: "questions" }, shown.map((one) => this.question(one.test, `next ${one.test}`, one.needs, this.bearing(one)))),
      questions.length > FEW
        ? h(
            "button",
            { type: "button", "data-key": "next all", onclick: () => { this.all = !this.all; this.show(); } },
            this.all ? `Only the first ${FEW}` : `All ${questions.length} questions`,
          )
        : null,
    ];
    if (status !== INELIGIBLE) return h("section", {}, h("h3", {}, `Ask next (${counted(questions.length, "question")} ${questions.length === 1 ? "matters" : "matter"})`), list);
    return h(
      "section",
      {},
      h("h3", {}, "Open all the same"),
      h("details", this.toggled("open all the same"), h("summary", {}, `${counted(questions.length, "question")} would matter if nothing were in the way`), list),
    );
  }

  /** Say what the answers to a question would settle. */
  bearing({ settles, act, needs }) {
    const words = settles.map(({ need, yes, no }) => {
      const said = yes !== UNKNOWN && no !== UNKNOWN ? "either answer settles" : yes !== UNKNOWN ? "a yes settles" : "a no settles";
      return `${said} ${need.clause}`;
    });
    return [act, words.length ? words.join(", ") : `bears on ${needs.map((need) => need.clause).join(", ")}`].filter(Boolean).join(" · ");
  }

  // ---- requirements and what they are made of ----

  need(need, excludes, where) {
    const { kb, screening } = this;
    const status = screening.statuses.get(need.criterion);
    const effect = status === UNKNOWN ? "open" : (status === MET) === excludes ? "blocks" : "helps";
    const words = excludes ? { [MET]: "present", [UNMET]: "absent", [UNKNOWN]: "open" } : STATUS;
    const clause = kb.clauses[need.clause];
    const key = `need ${where} ${this.cohort.id} ${need.clause} ${need.criterion}`;
    const presumed = openTests(screening, need.criterion).length && status !== UNKNOWN;
    const body = h("div", { class: "body" });
    const fill = () => {
      const full = this.opened.get(`full ${key}`) ?? false;
      body.replaceChildren(
        clause ? h("p", { class: "clause" }, clause.text) : "",
        presumed ? h("p", { class: "fine" }, "The clause asks only for what is known. What the record does not say is presumed absent.") : "",
        h("ul", { class: "tree" }, this.node(need.criterion, excludes ? -1 : 1, full, new Set(), key)),
        h(
          "button",
          { type: "button", "data-key": `full ${key}`, onclick: () => { this.opened.set(`full ${key}`, !full); fill(); } },
          full ? "Only what matters" : "Show every part",
        ),
      );
    };
    const toggle = this.toggled(key, where === "way");
    if (toggle.open) fill();
    const remember = toggle.ontoggle;
    toggle.ontoggle = (event) => {
      remember(event);
      if (event.target.open && !body.firstChild) fill();
    };
    return h(
      "li",
      {},
      h(
        "details",
        { class: `need ${effect}`, ...toggle },
        h("summary", { "data-key": key }, this.chip(effect, words[status]), h("span", { class: "label" }, kb.criteria[need.criterion].label), h("span", { class: "fine" }, ` ${need.clause}${presumed ? " · presumed" : ""}`)),
        body,
      ),
    );
  }

  chip(effect, words) {
    const mark = { helps: "✓", blocks: "✗", open: "?", none: "·" }[effect];
    return h("span", { class: `chip ${effect}` }, h("span", { "aria-hidden": "true" }, mark), ` ${words}`);
  }

  /** Return the outline of a criterion: what is open under what is open, what decides under what is settled; with `full` every part. */
  node(id, sign, full, seen, key, read = "") {
    const { kb, screening } = this;
    const criterion = kb.criteria[id];
    const status = screening.statuses.get(id);
    const effect = status === UNKNOWN ? "open" : (status === MET) === sign > 0 ? "helps" : "blocks";
    if (criterion.kind === "test") return this.question(id, `${key} ${id}`, [], "", effect, read);
    const chosen = full ? null : this.chosenMember(id);
    if (chosen && (kb.criteria[chosen].kind === "test" || kb.criteria[chosen].label === criterion.label)) {
      return this.node(chosen, sign, full, seen, key, [read, this.kindWords(criterion)].filter(Boolean).join("; "));
    }
    const head = [this.chip(effect, STATUS[status]), h("span", { class: "label" }, criterion.label), h("span", { class: "fine" }, ` ${[this.kindWords(criterion), read].filter(Boolean).join("; ")}`)];
    if (seen.has(id)) return h("li", {}, head, h("span", { class: "fine" }, " (see above)"));
    seen.add(id);
    const inner = criterion.kind === "none_of" ? -sign : sign;
    const members = full ? [...new Set((criterion.members ?? []).map((member) => member.criterion))] : this.mattering(id);
    return h("li", {}, h("div", { class: "line" }, head), h("ul", {}, members.map((member) => this.node(member, inner, full, seen, key))));
  }

  /** Return the member by which a criterion is read, where it goes by a reading. */
  chosenMember(id) {
    const { kind, members } = this.kb.criteria[id];
    return kind === "by_reading" ? (members.find((one) => this.screening.readings[one.reading] === one.option)?.criterion ?? null) : null;
  }

  mattering(id) {
    const status = this.screening.statuses.get(id);
    const open = openMembers(this.screening, id);
    if (status === UNKNOWN && open.length) return open;
    if (this.kb.criteria[id].kind === "presumed_absent" && status === UNMET && open.length) return open;
    return deciders(this.kb, id, this.screening.statuses, this.screening.readings);
  }

  kindWords(criterion) {
    const { statuses, readings } = this.screening;
    if (criterion.kind === "n_of") return `at least ${criterion.number} of`;
    if (criterion.kind === "points") {
      const [low, high] = points(criterion, (criterion.members ?? []).map((member) => statuses.get(member.criterion)));
      return `at least ${criterion.number} points; ${low === high ? low : `${low} to ${high}`} so far`;
    }
    if (criterion.kind === "by_reading") {
      return [...new Set(criterion.members.map((member) => member.reading))]
        .map((id) => `read by ${id}: ${this.kb.readings[id].options[readings[id]]}`)
        .join("; ");
    }
    return KINDS[criterion.kind] ?? "";
  }

  // ---- one question ----

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
        open ? "" : h("button", { type: "button", class: "small", "data-key": `${key} change`, onclick: () => { this.changing.add(key); this.show(); } }, "Change", hidden(`: ${criterion.label}`)),
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

  placeButtons(place, key, text) {
    return h(
      "span",
      { class: "buttons" },
      h("button", { type: "button", class: "small", "data-key": `${key} edit`, onclick: () => this.edit(place) }, "Edit", hidden(`: ${text}`)),
      h("button", { type: "button", class: "small", "data-key": `${key} delete`, onclick: () => this.sheet.remove([place], `Deleted: ${text}`) }, "Delete", hidden(`: ${text}`)),
    );
  }

  edit(place) {
    this.editing = place.join(" ");
    this.drafts.delete(`edit ${this.editing}`);
    this.opened.set("record", true);
    this.show();
    this.parts.record.querySelector("form.editing input, form.editing select")?.focus();
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
    const say = (value) => this.attempt(key, this.sheet.say("sex", value, `Sex: ${value ?? "not known"}`));
    const button = (value, words) =>
      h("button", { type: "button", "data-key": `${key} ${words}`, "aria-pressed": String(now === value), onclick: () => say(value) }, words);
    return h("span", { class: "choice" }, button("female", "Female"), button("male", "Male"), button(null, "Not known"));
  }

  askBirth(draft, key) {
    draft.values.birth ??= this.sheet.written.birth_date ?? "";
    return [
      draft.field(key, "birth", "Birth date", { size: 11, placeholder: "1989-04-12" }),
      h("button", { "data-key": `${key} save`, onclick: () => this.attempt(key, this.sheet.say("birth_date", draft.values.birth.trim(), `Birth date: ${draft.values.birth || "not known"}`)) }, "Set"),
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
      if (!said.value) this.attempt(key, [{ message: "a value is missing" }]);
      else this.attempt(key, this.sheet.put("measurements", [said], words));
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
        this.attempt(key, sheet.remove(rows.map(([index]) => [section, index]), `${label}: not known`));
        return;
      }
      const sameDay = rows.filter(([, row]) => (row.date ?? "") === date).map(([index]) => [section, index]);
      const item = { [conceptField(section)]: concept, ...(value ? {} : { [saysSo[section]]: false }) };
      if (date) item.date = date;
      if (method && section === "findings") item.method = method;
      if (draft.values.by?.trim()) item.by = draft.values.by.trim();
      this.attempt(key, sheet.answer(sameDay, section, [item], `${label}: ${value ? "yes" : "no"}`));
    };
    return [
      this.named(id, section, concept) ? null : h("span", { class: "what" }, label),
      choice(key, ["Yes", "No"], now, choose),
      dateField(draft, key, section === "findings" ? "Since, or seen on" : "Date"),
      section === "judgements" || section === "consents" ? draft.field(key, "by", "Who says so", { size: 10 }) : null,
    ];
  }

  askItself(id, asked, draft, key) {
    const enter = () => this.enter(asked.section, {}, asked.members);
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
        this.attempt(key, sheet.remove(rows.map(([index]) => ["answers", index]), `${label}: not known`));
        return;
      }
      const date = draft.values.date?.trim();
      const sameDay = rows.filter(([, row]) => row.date === date).map(([index]) => ["answers", index]);
      const item = { test: id, answer: value, date, ...(draft.values.by?.trim() ? { by: draft.values.by.trim() } : {}) };
      this.attempt(key, sheet.answer(sameDay, "answers", [item], `${label}: ${value ? "yes" : "no"}`));
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
      this.conflicts(),
      this.head(),
      this.addPart(),
      this.entered(),
      this.completeness(),
      this.readings(),
    ]);
  }

  conflicts() {
    const { conflicts } = this.screening;
    if (!conflicts.length) return null;
    return h(
      "section",
      { class: "conflicts" },
      h("h3", {}, `${conflicts.length === 1 ? "A conflict" : `${conflicts.length} conflicts`}: decides nothing until it is solved`),
      h("ul", {}, conflicts.map(({ message }) => h("li", {}, message))),
    );
  }

  head() {
    const { written } = this.sheet;
    const field = (name, label, attributes = {}, choices = null) => {
      const key = `head ${name}`;
      const draft = this.draft(key, { [name]: written[name] ?? "" });
      const made = draft.field(key, name, label, attributes, choices);
      made.querySelector("input, select").addEventListener("change", () => {
        const value = String(draft.values[name]).trim();
        this.attempt(key, this.sheet.say(name, value, `${label}: ${value || "not known"}`));
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
      if (this.attempt("add", this.sheet.put(section, [item], `Added: ${title} ${said}`))) this.recordPart();
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
          h("ul", { class: "items" }, shown.reverse().map((row) => this.entry(section, row, !known.has(JSON.stringify(row.item))))),
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
        ? h("span", { class: "buttons" }, h("button", { type: "button", class: "small", "data-key": `${key} delete`, onclick: () => this.sheet.remove([place], `Deleted: ${text}`) }, "Delete", hidden(`: ${text}`)))
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
      if (this.attempt(key, this.sheet.replace([section, index], changed, `Changed: ${title} ${said}`))) close();
    };
    const form = itemForm(this.kb, section, draft, { key, save, saveWords: "Save", cancel: close });
    form.classList.add("editing");
    return [form, this.refusal(key)];
  }

  completeness() {
    const complete = [this.sheet.written.complete ?? []].flat();
    const set = (names, words) => this.attempt("complete", this.sheet.say("complete", names, words));
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
        ? h("ul", { class: "items" }, others.map((name) => h("li", {}, label(name), " ", h("button", { type: "button", class: "small", "data-key": `complete ${name}`, onclick: () => set(complete.filter((one) => one !== name), `${label(name)} not complete`) }, "Not complete", hidden(`: ${label(name)}`)))))
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

/** Return what stands in the page, packed by gzip. */
async function unpacked(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (letter) => letter.charCodeAt(0));
  return JSON.parse(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text());
}

const [knowledge, start] = await Promise.all(["knowledge", "start"].map(unpacked));
const kb = prepare(knowledge);
new Page(kb, start).start();

// For who wants to look closer, and for tests: how this page decides, by itself.
globalThis.pyscreen = {
  screen: (written, day, readings) => screen(kb, written, exactDay(day), readings),
  decide: (truths, readings) => decide(kb, (test) => truths[test] ?? null, chosenReadings(kb, readings)),
  copied: (written) => [writeYaml(written), readText(writeYaml(written))],
  tests: Object.keys(kb.tests),
  criteria: Object.keys(kb.criteria),
  fields: FORMS,
  showEvidence,
  opened: performance.now(),
};
