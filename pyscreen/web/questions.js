// Which questions matter now: the tests whose answer can still change a verdict, what each answer would settle, and how to ask it.

import { MET, UNKNOWN, UNMET, groupStatus, verdictOf } from "./kleene.js";
import { INPUTS } from "./derived.js";
import { conditionOf, membersOf } from "./knowledge.js";

/** Return the members of a criterion that are not settled and can still change its status. */
export function openMembers(screening, id) {
  const { kb, statuses, readings } = screening;
  const criterion = kb.criteria[id];
  const members = (criterion.members ?? []).filter((member) => statuses.get(member.criterion) === UNKNOWN);
  const names = (found) => [...new Set(found.map((member) => member.criterion))];
  if (criterion.kind === "by_reading") return names(members.filter((member) => readings[member.reading] === member.option));
  if (criterion.kind === "points") return names(members.filter((member) => canScore(criterion, member, statuses)));
  return names(members);
}

/** Tell whether an item of a score can still add to it: no heavier one of its domain is met. */
function canScore(criterion, { domain, weight }, statuses) {
  const certain = criterion.members.filter((other) => other.domain === domain && statuses.get(other.criterion) === MET);
  return weight < 0 || certain.every((other) => other.weight < weight);
}

/** Return the tests that can still change the status of a criterion, in order, each once. */
export function openTests(screening, root) {
  const found = new Set();
  const seen = new Set();
  const visit = (id) => {
    if (seen.has(id)) return;
    seen.add(id);
    if (screening.kb.criteria[id].kind === "test") found.add(id);
    else for (const member of openMembers(screening, id)) visit(member);
  };
  if (screening.statuses.get(root) === UNKNOWN || screening.kb.criteria[root].kind === "presumed_absent") visit(root);
  return [...found];
}

/** Return every criterion under a root, the root included. */
export function everythingUnder(kb, root) {
  const found = new Set([root]);
  for (const id of found) for (const member of kb.criteria[id].members ?? []) found.add(member.criterion);
  return found;
}

/** Return the criteria that have each criterion as a member. */
export function parentsOfAll(kb) {
  const parents = new Map();
  for (const [id, criterion] of Object.entries(kb.criteria)) {
    for (const member of criterion.members ?? []) parents.set(member.criterion, [...(parents.get(member.criterion) ?? []), id]);
  }
  return parents;
}

/** Return the statuses that change, and to what, when some have changed and others must be looked at again. */
function rippled(screening, parents, queue, changed, readings) {
  const now = (id) => changed.get(id) ?? screening.statuses.get(id);
  while (queue.length) {
    const id = queue.shift();
    const criterion = screening.kb.criteria[id];
    const fresh = groupStatus(id, criterion, (criterion.members ?? []).map((member) => now(member.criterion)), readings);
    if (fresh === now(id)) continue;
    changed.set(id, fresh);
    queue.push(...(parents.get(id) ?? []));
  }
  return changed;
}

const answered = (screening, parents, test, status) =>
  rippled(screening, parents, [...(parents.get(test) ?? [])], new Map([[test, status]]), screening.readings);

/**
 * Return the questions that matter to a verdict, the one to ask next first: {test, needs, settles, level, act}.
 *
 * `needs` are the requirements and exclusions that it bears on; `settles` those that one of its answers settles, with which answers.
 */
export function questionsOf(screening, verdict, parents) {
  const open = [...verdict.open, ...verdict.openExclusions];
  const byTest = new Map();
  for (const need of open) {
    for (const test of openTests(screening, need.criterion)) byTest.set(test, [...(byTest.get(test) ?? []), need]);
  }
  const questions = [...byTest].map(([test, needs], place) => {
    const [yes, no] = [MET, UNMET].map((status) => answered(screening, parents, test, status));
    const settles = needs
      .map((need) => ({
        need,
        yes: yes.get(need.criterion) ?? UNKNOWN,
        no: no.get(need.criterion) ?? UNKNOWN,
      }))
      .filter((one) => one.yes !== UNKNOWN || one.no !== UNKNOWN);
    const act = actOf(screening.kb, test);
    return { test, needs, settles, level: act?.level ?? 1, act: act?.label ?? "", place };
  });
  const weight = ({ settles }) => settles.reduce((sum, one) => sum + (one.yes !== UNKNOWN) + (one.no !== UNKNOWN), 0);
  return questions.sort((a, b) => weight(b) - weight(a) || a.level - b.level || a.place - b.place);
}

function actOf(kb, test) {
  const { kind, concept } = kb.testById.get(test).selection;
  const name = kind === "sex" ? "sex" : concept;
  return Object.hasOwn(kb.acts, name) ? kb.acts[name] : null;
}

// ---- how to ask ----

const SECTION = {
  measurement: "measurements", finding: "findings", therapy: "therapies", event: "events", procedure: "procedures",
  judgement: "judgements", consent: "consents",
};
const PLAIN = new Set(["newest", "within", "method", "value"]);
const PLAIN_SUMMARIES = new Set(["some", "latest", "lowest", "highest", "earliest", "each_of_latest", "consecutive"]);

/**
 * Say how a test is asked: {way, section, concept, ...}.
 *
 * `way` is sex, birth, value (a measurement), says (a statement of one plain concept) or itself (no plain item says it: it is answered
 * itself, or an item is entered). `limits`: the laboratory's own limits are needed; `method`: the method that counts; `inputs`: quantities
 * from which it may be computed; `members`: the concepts that an item may name; `reason`: what it must be given for.
 */
export function wayOf(kb, id) {
  const test = kb.testById.get(id);
  const { selection } = test;
  const { kind, concept } = selection;
  if (kind === "sex") return { way: "sex" };
  if (kind === "measurement" && concept === "age") return { way: "birth" };
  const method = conditionOf(selection, "method")?.word ?? "";
  const reason = conditionOf(selection, "for")?.word ?? "";
  const base = { section: SECTION[kind], concept, method, reason, members: [...selection.members] };
  const compared = [test.comparison, ...selection.conditions.map((condition) => condition.comparison)];
  const limits = compared.some((one) => one?.thresholds.some((threshold) => threshold.limit));
  if (kind === "measurement") {
    const computed = kb.derived.has(concept) ? (INPUTS[concept] ?? []) : [];
    return { ...base, way: "value", limits, inputs: computed, alsoItself: !isPlain(test) };
  }
  const all = membersOf(kb, concept);
  const whole = !selection.members.size || selection.members.size === (all.size || 1);
  if (kind !== "therapy" && whole && isPlain(test)) return { ...base, way: "says" };
  return { ...base, way: "itself" };
}

const isPlain = (test) =>
  PLAIN_SUMMARIES.has(test.summary) && test.selection.conditions.every((condition) => PLAIN.has(condition.name));

// ---- readings ----

/** Return the options not chosen under which a cohort's verdict would be another: {reading, option, status}. */
export function dependences(screening, cohort, parents) {
  const { kb, statuses, readings } = screening;
  const touched = new Map();
  for (const [id, criterion] of Object.entries(kb.criteria)) {
    if (criterion.kind !== "by_reading") continue;
    for (const { criterion: member, reading, option } of criterion.members) {
      if (option === readings[reading] || statuses.get(member) === statuses.get(id)) continue;
      const key = `${reading} ${option}`;
      if (!touched.has(key)) touched.set(key, { reading, option, criteria: [] });
      touched.get(key).criteria.push(id);
    }
  }
  const before = verdictOf(kb, cohort, statuses).status;
  return [...touched.values()]
    .map(({ reading, option, criteria }) => {
      const changed = rippled(screening, parents, criteria, new Map(), { ...readings, [reading]: option });
      return { reading, option, status: verdictOf(kb, cohort, new Map([...statuses, ...changed])).status };
    })
    .filter(({ status }) => status !== before);
}
