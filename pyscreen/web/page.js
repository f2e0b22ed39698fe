// The worksheet as a page: cohorts at a glance, what matters now in one of them, and the record that is entered.

import { prepare } from "./knowledge.js";
import { FORMS } from "./record.js";
import { isoDay } from "./days.js";
import { ELIGIBLE, INELIGIBLE, MET, UNDECIDED, UNKNOWN, UNMET, decide, deciders, points } from "./kleene.js";
import { showEvidence } from "./answers.js";
import { dependences, everythingUnder, openMembers, openTests, parentsOfAll, questionsOf, wayOf } from "./questions.js";
import { Sheet, exactDay, readText, today, writeYaml } from "./sheet.js";
import { chosenReadings, screen } from "./screening.js";
import { h, refresh } from "./dom.js";
import { suggestions } from "./forms.js";
import { Asking } from "./asking.js";

const MARKS = { [ELIGIBLE]: "✓", [INELIGIBLE]: "✗", [UNDECIDED]: "?" };
const WORDS = { [ELIGIBLE]: "Eligible", [INELIGIBLE]: "Ineligible", [UNDECIDED]: "Undecided" };
const STATUS = { [MET]: "met", [UNMET]: "not met", [UNKNOWN]: "open" };
const FEW = 5;
const KINDS = {
  all_of: "all of", any_of: "any of", none_of: "none of", known_by: "known by any of these; if they disagree, it is not known",
  presumed_absent: "only what is known counts; what the record does not say is presumed not to be so",
};

const counted = (number, word) => `${number} ${word}${number === 1 ? "" : "s"}`;

class Page extends Asking {
  constructor(kb, start) {
    const day = start.day ? exactDay(start.day) : today();
    const written = start.record ?? { record: "new record", recorded: isoDay(day) };
    super(kb, new Sheet(kb, { written, day, readings: start.readings ?? {} }));
    this.sheet.listener = (words, before) => this.moved(words, before);
    this.cohorts = kb.cohorts.filter((cohort) => !start.cohorts?.length || start.cohorts.includes(cohort.id));
    this.cohort = start.record ? this.best() : this.cohorts[0];
    this.parents = parentsOfAll(kb);
    this.turned = new Set();
    this.all = false;
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
      .filter(([, was, is]) => was !== is);
    const told = turned.map(([cohort, was, is]) => `${cohort.code} is now ${is}, it was ${was}`);
    this.turned = new Set(turned.map(([cohort]) => cohort));
    const now = `${this.cohort.code} is ${this.verdict.status}, ${this.openWords(this.verdict)}`;
    this.say([words, ...(told.length ? told : [now])].join(". "));
    this.problems([]);
    this.show();
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
      this.attempt("bar day", () => sheet.screenOn(day.values.day));
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
                type: "button", class: `cohort ${verdict.status}${this.turned.has(cohort) ? " turned" : ""}`, "data-key": `cohort ${cohort.id}`,
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
