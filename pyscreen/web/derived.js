// Quantities computed from others, only within their validity. As pyscreen/derived.py, formula by formula.

import {
  ANY, ONE, ZERO, fraction, interval, isAbove0, least, minus, most, order, over, readFraction, showNumber, times, whole,
} from "./numbers.js";
import { FIRST_DAY, LAST_DAY, dayOrder, isExactDay, showWhen, when, yearsRange } from "./days.js";

const ADULT = 18;
const OLDEST = 150;

/** Return the record's values of a quantity, with those computed for it where a formula of its name exists. */
export function measurementsOf(record, concept, kb, day) {
  const reported = record.measurements.filter((item) => item.concept === concept);
  if (!kb.derived.has(concept)) return reported;
  return joined([...reported, ...FORMULAS[concept](record, day)]);
}

/** Return the record's statements of a kind, with what follows from its other facts. */
export function statementsOf(record, kind, kb) {
  const found = [...record.statements[kind]];
  if (kind === "event" && kb.derived.has("death") && record.died) {
    found.push({
      concept: "death", present: true, when: record.died, stated: record.died, end: null, ongoing: false, planned: false,
      by: null, method: null, id: null, place: ["died"],
    });
  }
  return found;
}

function joined(values) {
  const found = values.filter((value) => value.method !== "computed");
  for (const value of values.filter((one) => one.method === "computed")) {
    const sameDay = [...found.keys()].filter((i) => found[i].when && value.when && dayKey(found[i]) === dayKey(value));
    if (!sameDay.length) found.push(value);
    for (const i of sameDay) {
      const text = `${found[i].text}, ${value.text}`;
      found[i] = measured(found[i].concept, rangeOf([found[i], value]), text, found[i].when, found[i].method, found[i].id, found[i].place);
    }
  }
  return found;
}

const dayKey = (value) => (value.when ? `${value.when.earliest}-${value.when.latest}` : "");
const measured = (concept, value, text, day, method, id, place) => ({
  concept, value, text, when: day, method, id, place, low: null, high: null, side: null,
});

function* age(record, day) {
  if (!record.birth || record.birth.earliest > day) return;
  const [low, high] = yearsRange(record.birth, when(day));
  const text = low === high ? `${low} a` : `${low} to ${high} a`;
  yield measured("age", interval(whole(low), whole(high)), `${text}, born ${showWhen(record.birth)}`, when(day), null, null, ["birth_date"]);
}

function* qtcf(record) {
  for (const [[qt, rate], inputs, day] of sameDayValues(record, "qt_interval", "heart_rate")) {
    const root = (length, beats, side) => {
      if (!length || !beats || !isAbove0(length) || !isAbove0(beats)) return null;
      return cubeRoot(over(times(times(times(length, length), length), beats), whole(60)))[side];
    };
    yield computed("qtcf", interval(root(qt.low, rate.low, 0), root(qt.high, rate.high, 1)), "ms", "from QT and heart rate", inputs, day);
  }
}

function* pvr(record) {
  for (const [[mpap, pawp, output], inputs, day] of sameDayValues(record, "mpap", "pawp", "cardiac_output")) {
    let resistance = ANY;
    const ends = [mpap.low, mpap.high, pawp.low, pawp.high, output.low, output.high];
    if (!ends.includes(null) && isAbove0(output.low)) {
      const fall = [minus(mpap.low, pawp.high), minus(mpap.high, pawp.low)];
      resistance = interval(
        least([over(fall[0], output.low), over(fall[0], output.high)]),
        most([over(fall[1], output.low), over(fall[1], output.high)]),
      );
    }
    yield computed("pvr", resistance, "WU", "from mPAP, PAWP and cardiac output", inputs, day);
  }
}

const CKD_EPI = {
  ckd_epi_2021: {
    scale: "142", exponent: "-1.200", perYear: "0.9938", female: ["0.7", "-0.241", "1.012"], male: ["0.9", "-0.302", "1"],
  },
  ckd_epi_2009: {
    scale: "141", exponent: "-1.209", perYear: "0.993", female: ["0.7", "-0.329", "1.018"], male: ["0.9", "-0.411", "1"],
  },
};

function* ckdEpi(record, day, method) {
  const concept = `egfr_${method}`;
  const found = [...ckdEpiOfCreatinine(record, day, concept, CKD_EPI[method])];
  const days = new Set(found.map(dayKey));
  for (const value of record.measurements) {
    if (value.concept === "egfr" && (value.method === method || value.method === null)) {
      const told = value.method !== null || days.has(dayKey(value));
      yield measured(concept, told ? value.value : ANY, value.text, value.when, value.method, value.id, value.place);
    }
  }
  yield* found;
}

function* ckdEpiOfCreatinine(record, day, concept, formula) {
  const sexes = record.sex === null ? [formula.female, formula.male] : [formula[record.sex]];
  const egfr = (creatinine, years) =>
    sexes.map(([kappa, alpha, factor]) => {
      const ratio = over(creatinine, readFraction(kappa));
      const exponent = order(ratio, ONE) < 0 ? alpha : formula.exponent;
      const parts = [formula.scale, factor].map(readFraction);
      const perYear = readFraction(formula.perYear);
      const aged = fraction(perYear.n ** BigInt(years), perYear.d ** BigInt(years));
      return [...parts, aged].reduce(times, power(ratio, readFraction(exponent)));
    });
  for (const value of record.measurements) {
    if (value.concept !== "creatinine") continue;
    const at = value.when ?? when(record.birth ? record.birth.earliest : FIRST_DAY, day);
    const [youngest, oldest] = record.birth ? yearsRange(record.birth, at) : [0, OLDEST];
    if (oldest < ADULT) continue;
    const { low, high } = value.value;
    const bounds = interval(
      high && isAbove0(high) ? widened(least(egfr(high, oldest)), -1n) : ZERO,
      low && isAbove0(low) ? widened(most(egfr(low, youngest)), 1n) : null,
    );
    yield computed(concept, youngest >= ADULT ? bounds : ANY, "mL/min/1.73 m2", "CKD-EPI from creatinine", [value], value.when);
  }
}

const widened = (number, sign) => times(number, fraction(10n ** 30n + sign, 10n ** 30n));

const FORMULAS = {
  age,
  qtcf,
  pvr,
  egfr_ckd_epi_2021: (record, day) => ckdEpi(record, day, "ckd_epi_2021"),
  egfr_ckd_epi_2009: (record, day) => ckdEpi(record, day, "ckd_epi_2009"),
};

/** The quantities from which each formula computes. */
export const INPUTS = {
  age: [], qtcf: ["qt_interval", "heart_rate"], pvr: ["mpap", "pawp", "cardiac_output"],
  egfr_ckd_epi_2021: ["creatinine"], egfr_ckd_epi_2009: ["creatinine"],
};

/** Tell whether every quantity that a trial computes has its formula here. */
export const hasFormula = (concept) => Object.hasOwn(FORMULAS, concept) || concept === "death";

// ---- roots and powers ----

function cubeRoot(number) {
  const digits = 10n ** 12n;
  const exact = fraction(integerCubeRoot(number.n), integerCubeRoot(number.d));
  if (order(times(times(exact, exact), exact), number) === 0) return [exact, exact];
  const floor = integerCubeRoot((number.n * digits ** 3n) / number.d);
  return [fraction(floor, digits), fraction(floor + 1n, digits)];
}

function integerCubeRoot(number) {
  let root = 1n << BigInt(Math.ceil(number.toString(2).length / 3));
  while (root ** 3n > number) root = (2n * root + number / root ** 2n) / 3n;
  return root;
}

// Natural logarithm and exponential as whole numbers of 10**-60; what they leave off is far below the 10**-30 of `widened`.
const UNIT = 10n ** 60n;

function power(base, exponent) {
  if (order(base, ONE) === 0) return ONE;
  const logarithm = logOf(base);
  return fraction(expOf((logarithm * exponent.n) / exponent.d), UNIT);
}

function logOf(number) {
  let [x, twos] = [number, 0n];
  const two = whole(2);
  while (order(x, two) > 0) [x, twos] = [over(x, two), twos + 1n];
  while (order(x, ONE) < 0) [x, twos] = [times(x, two), twos - 1n];
  return logNear1((x.n * UNIT) / x.d) + twos * LOG_2();
}

let logOf2 = null;
const LOG_2 = () => (logOf2 ??= logNear1(2n * UNIT));

function logNear1(x) {
  const ratio = ((x - UNIT) * UNIT) / (x + UNIT);
  const square = (ratio * ratio) / UNIT;
  let [sum, term] = [0n, ratio];
  for (let k = 1n; term; k += 2n, term = (term * square) / UNIT) sum += term / k;
  return 2n * sum;
}

function expOf(x) {
  const halvings = 40n;
  const small = x / 2n ** halvings;
  let [sum, term] = [UNIT, UNIT];
  for (let k = 1n; term; k += 1n) {
    term = (term * small) / (UNIT * k);
    sum += term;
  }
  for (let k = 0n; k < halvings; k += 1n) sum = (sum * sum) / UNIT;
  return sum;
}

// ---- values of one day ----

function* sameDayValues(record, ...concepts) {
  const byConcept = concepts.map((concept) => record.measurements.filter((value) => value.concept === concept));
  const days = byConcept.map(byExactDay);
  const common = [...days[0].keys()].filter((day) => days.every((found) => found.has(day))).sort((a, b) => a - b);
  for (const day of common) {
    const inputs = days.map((found) => lastOf(found.get(day)));
    yield [inputs.map(rangeOf), inputs.flat(), inputs[0][0].when];
  }
  if (byConcept.flat().every((value) => value.when && isExactDay(value.when))) return;
  for (const combined of combinations(byConcept)) {
    const days_ = combined.map((value) => value.when).filter(Boolean);
    const first = days_.length ? Math.max(...days_.map((day) => day.earliest)) : FIRST_DAY;
    const last = days_.length ? Math.min(...days_.map((day) => day.latest)) : LAST_DAY;
    if (first <= last && !combined.every((value) => value.when && isExactDay(value.when))) {
      yield [combined.map(() => ANY), combined, days_.length ? when(first, last) : null];
    }
  }
}

const combinations = (lists) =>
  lists.reduce((found, list) => found.flatMap((before) => list.map((one) => [...before, one])), [[]]);

function byExactDay(values) {
  const days = new Map();
  for (const value of values) {
    if (!value.when || !isExactDay(value.when)) continue;
    if (!days.has(value.when.earliest)) days.set(value.when.earliest, []);
    days.get(value.when.earliest).push(value);
  }
  return days;
}

function lastOf(values) {
  if (!values.every((value) => value.when?.clock)) return values;
  const last = values.map((value) => dayOrder(value.when)).sort().at(-1);
  return values.filter((value) => dayOrder(value.when) === last);
}

function rangeOf(values) {
  const [lows, highs] = [values.map((one) => one.value.low), values.map((one) => one.value.high)];
  return interval(lows.includes(null) ? null : least(lows), highs.includes(null) ? null : most(highs));
}

function computed(concept, value, unit, how, inputs, day) {
  const middle = value.low ?? value.high;
  const shown = middle === null ? "" : `${showNumber(roundedTo2(middle))} ${unit} `;
  const ids = inputs.map((item) => item.id).filter(Boolean).join(" ") || null;
  const used = inputs.map((item) => item.text).join("; ");
  return measured(concept, value, `${shown}computed (${how}: ${used})`, day, "computed", ids, inputs[0].place);
}

/** Round to two decimals, halves to even. */
function roundedTo2(number) {
  const scaled = number.n * 100n;
  let floor = scaled / number.d;
  if (scaled < 0n && floor * number.d !== scaled) floor -= 1n;
  const twice = 2n * (scaled - floor * number.d);
  if (twice > number.d || (twice === number.d && floor % 2n !== 0n)) floor += 1n;
  return fraction(floor, 100n);
}
