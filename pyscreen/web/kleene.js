// Strong Kleene logic over the criterion graph, and the verdict for each cohort. As kb/engine/status.lp, score.lp and verdict.lp.

export const [MET, UNMET, UNKNOWN] = ["met", "unmet", "unknown"];
export const [ELIGIBLE, INELIGIBLE, UNDECIDED] = ["eligible", "ineligible", "undecided"];

/** Return {statuses, conflicting}: the status of every criterion, given the tests' answers and how the readings are read. */
export function decide(kb, truthOf, readings) {
  const { criteria } = kb;
  const statuses = new Map();
  const conflicting = new Set();
  const doubts = new Map();
  for (const [test, by] of kb.doubts) doubts.set(test, [...(doubts.get(test) ?? []), by]);

  function statusOf(id) {
    if (!statuses.has(id)) {
      const criterion = criteria[id];
      statuses.set(id, criterion.kind === "test" ? ofTest(id) : ofGroup(id, criterion));
    }
    return statuses.get(id);
  }

  function ofTest(id) {
    const truth = truthOf(id);
    if (truth !== true) return truth === false ? UNMET : UNKNOWN;
    if (!(doubts.get(id) ?? []).some((by) => statusOf(by) === MET)) return MET;
    conflicting.add(id);
    return UNKNOWN;
  }

  function ofGroup(id, criterion) {
    const members = (criterion.members ?? []).map((member) => statusOf(member.criterion));
    if (criterion.kind === "known_by" && members.includes(MET) && members.includes(UNMET)) conflicting.add(id);
    return groupStatus(id, criterion, members, readings);
  }

  for (const id of Object.keys(criteria)) statusOf(id);
  return { statuses, conflicting };
}

/** Return the status of a criterion other than a test from those of its members. */
export function groupStatus(id, criterion, members, readings) {
  switch (criterion.kind) {
    case "all_of":
      return members.includes(UNMET) ? UNMET : members.includes(UNKNOWN) ? UNKNOWN : MET;
    case "any_of":
      return members.includes(MET) ? MET : members.includes(UNKNOWN) ? UNKNOWN : UNMET;
    case "none_of":
      return members.includes(MET) ? UNMET : members.includes(UNKNOWN) ? UNKNOWN : MET;
    case "n_of": {
      const met = members.filter((status) => status === MET).length;
      const possible = members.filter((status) => status !== UNMET).length;
      return atLeast(criterion.number, met, possible);
    }
    case "known_by": {
      const known = new Set(members.filter((status) => status !== UNKNOWN));
      return known.size === 1 ? [...known][0] : UNKNOWN;
    }
    case "presumed_absent":
      return members.includes(MET) ? MET : UNMET;
    case "by_reading": {
      const chosen = criterion.members.findIndex((member) => readings[member.reading] === member.option);
      return chosen < 0 ? UNKNOWN : members[chosen];
    }
    case "points":
      return atLeast(criterion.number, ...points(criterion, members));
    case "constant":
      return id === "always" ? MET : UNMET;
    default:
      throw new Error(`no rule for a criterion of kind ${criterion.kind}`);
  }
}

const atLeast = (number, certain, possible) => (certain >= number ? MET : possible < number ? UNMET : UNKNOWN);

/** Return the points of a score that are certain, and the most that are still possible. */
export function points(criterion, members) {
  const [low, high] = [new Map(), new Map()];
  (criterion.members ?? []).forEach(({ criterion: id, domain, weight }, i) => {
    const status = members[i];
    if (weight < 0) {
      low.set(`item ${id}`, status !== UNMET ? weight : 0);
      high.set(`item ${id}`, status === MET ? weight : 0);
      return;
    }
    if (status === MET) low.set(domain, Math.max(low.get(domain) ?? 0, weight));
    if (status !== UNMET) high.set(domain, Math.max(high.get(domain) ?? 0, weight));
  });
  const sum = (table) => [...table.values()].reduce((total, one) => total + one, 0);
  return [sum(low), sum(high)];
}

/** Return the verdict of a cohort: {status, failing, open, excludedBy, openExclusions}. */
export function verdictOf(kb, cohort, statuses) {
  const among = (needs, status) => needs.filter((need) => statuses.get(need.criterion) === status);
  const failing = among(cohort.needs, UNMET);
  const open = among(cohort.needs, UNKNOWN);
  const excludedBy = among(kb.exclusions, MET);
  const openExclusions = among(kb.exclusions, UNKNOWN);
  const status = failing.length || excludedBy.length ? INELIGIBLE : open.length || openExclusions.length ? UNDECIDED : ELIGIBLE;
  return { cohort, status, failing, open, excludedBy, openExclusions };
}

/** Return the members of a criterion whose status makes its own status hold, in order. */
export function deciders(kb, id, statuses, readings) {
  const criterion = kb.criteria[id];
  const members = criterion.members ?? [];
  if (criterion.kind === "by_reading") {
    return members.filter((member) => readings[member.reading] === member.option).map((member) => member.criterion);
  }
  const status = statuses.get(id);
  const wanted = criterion.kind === "none_of" ? ({ met: UNMET, unmet: MET }[status] ?? status) : status;
  const found = members.map((member) => member.criterion).filter((member) => statuses.get(member) === wanted);
  if (criterion.kind === "known_by" && status === UNKNOWN && found.length < members.length) {
    return members.map((member) => member.criterion).filter((member) => statuses.get(member) !== UNKNOWN);
  }
  return found;
}
