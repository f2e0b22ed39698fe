// Exact numbers with units: fractions of big integers, intervals, scales of measurement. As pyscreen/quantities.py.

import { both, negate } from "./truth.js";

// ---- fractions: {n, d} in lowest terms, d above 0 ----

const divisor = (a, b) => {
  while (b) [a, b] = [b, a % b];
  return a < 0n ? -a : a;
};

export function fraction(n, d = 1n) {
  const sign = d < 0n ? -1n : 1n;
  const common = divisor(n, d) * sign || 1n;
  return { n: n / common, d: d / common };
}

export const ZERO = fraction(0n);
export const ONE = fraction(1n);
export const whole = (number) => fraction(BigInt(number));
export const plus = (a, b) => fraction(a.n * b.d + b.n * a.d, a.d * b.d);
export const minus = (a, b) => fraction(a.n * b.d - b.n * a.d, a.d * b.d);
export const times = (a, b) => fraction(a.n * b.n, a.d * b.d);
export const over = (a, b) => fraction(a.n * b.d, a.d * b.n);
export const opposite = (a) => ({ n: -a.n, d: a.d });

/** Return below 0, 0 or above 0 as a is less than, equal to or more than b. */
export const order = (a, b) => {
  const difference = a.n * b.d - b.n * a.d;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
};
export const least = (numbers) => numbers.reduce((a, b) => (order(b, a) < 0 ? b : a));
export const most = (numbers) => numbers.reduce((a, b) => (order(b, a) > 0 ? b : a));
export const isAbove0 = (a) => a.n > 0n;

/** Read "50", "-1/7", "8.25" or "1e3". */
export function readFraction(text) {
  const ratio = /^(-?\d+)\/(\d+)$/.exec(text);
  if (ratio) return fraction(BigInt(ratio[1]), BigInt(ratio[2]));
  const [, sign, before, after = "", power = "0"] = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  const places = Number(power) - after.length;
  const digits = BigInt(before + after || "0") * (sign === "-" ? -1n : 1n);
  return places >= 0 ? fraction(digits * 10n ** BigInt(places)) : fraction(digits, 10n ** BigInt(-places));
}

/** Return the shortest exact decimal, or "about" and six significant digits where there is none. */
export function showNumber(number) {
  let rest = number.d;
  let places = 0;
  for (const prime of [2n, 5n]) {
    let count = 0;
    while (rest % prime === 0n) [rest, count] = [rest / prime, count + 1];
    places = Math.max(places, count);
  }
  if (rest !== 1n) return `about ${sixDigits(number)}`;
  return decimal(number.n * 10n ** BigInt(places) / number.d, places);
}

function decimal(scaled, places) {
  const digits = String(scaled < 0n ? -scaled : scaled).padStart(places + 1, "0");
  const [before, after] = [digits.slice(0, digits.length - places), digits.slice(digits.length - places)];
  return (scaled < 0n ? "-" : "") + (after ? `${before}.${after}` : before);
}

function sixDigits(number) {
  let places = 0;
  const size = number.n < 0n ? -number.n : number.n;
  const scaled = (at) => (at >= 0 ? size * 10n ** BigInt(at) : size / 10n ** BigInt(-at));
  while (scaled(places) / number.d >= 1000000n) places -= 1;
  while (scaled(places) / number.d < 100000n) places += 1;
  const half = places >= 0 ? [scaled(places), number.d] : [size, number.d * 10n ** BigInt(-places)];
  let digits = half[0] / half[1];
  const twice = 2n * (half[0] % half[1]);
  if (twice > half[1] || (twice === half[1] && digits % 2n === 1n)) digits += 1n;
  const sign = number.n < 0n ? "-" : "";
  if (places <= 0) return sign + String(digits * 10n ** BigInt(-places));
  return sign + decimal(digits, places).replace(/\.?0+$/, "");
}

// ---- intervals: {low, high, lowOpen, highOpen}; null is no bound ----

export const ANY = { low: null, high: null, lowOpen: false, highOpen: false };
export const interval = (low, high, lowOpen = false, highOpen = false) => ({ low, high, lowOpen, highOpen });
export const exactly = (number) => interval(number, number);
export const isExact = (value) => value.low !== null && value.high !== null && order(value.low, value.high) === 0;

export function bound(comparator, number) {
  if (!comparator) return exactly(number);
  if (comparator.startsWith("<")) return interval(null, number, false, comparator === "<");
  return interval(number, null, comparator === ">", false);
}

export function compareValue(value, op, threshold) {
  if (op === "above") return negate(compareValue(value, "at_most", threshold));
  if (op === "at_least") return negate(compareValue(value, "below", threshold));
  if (op === "equals") return both([compareValue(value, "at_least", threshold), compareValue(value, "at_most", threshold)]);
  const low = value.low && order(value.low, threshold);
  const high = value.high && order(value.high, threshold);
  if (op === "below") {
    if (value.low && low >= 0) return false;
    return value.high && (high < 0 || (high === 0 && value.highOpen)) ? true : null;
  }
  if (value.high && high <= 0) return true;
  return value.low && (low > 0 || (low === 0 && value.lowOpen)) ? false : null;
}

/** Tell whether a value cannot be: a bound of it lies outside what is possible, or nothing possible lies within it. */
export function outside(value, possible) {
  const beyond = (end) => end && [compareValue(possible, "below", end), compareValue(possible, "above", end)].includes(true);
  const meets = (end, edge, open) => open && end && edge && order(end, edge) === 0;
  return Boolean(
    beyond(value.low) || beyond(value.high) ||
      meets(value.high, possible.low, value.highOpen) || meets(value.low, possible.high, value.lowOpen),
  );
}

const rangeWords = ({ low, high }, unit) =>
  high ? `${showNumber(low)} to ${showNumber(high)}${unit}` : `${showNumber(low)}${unit} or more`;

// ---- what is written ----

export class UnitError extends Error {}

const COMPARATORS = { "": "", "<": "<", "<=": "<=", "≤": "<=", ">": ">", ">=": ">=", "≥": ">=" };
const LETTER = "[\\p{L}\\p{Nl}\\p{No}]";
const QUANTITY = new RegExp(
  "^(?<comparator><=|>=|<|>|≤|≥|)\\s*" +
    "(?:1\\s*:\\s*(?<titre>[0-9]+)|(?<number>[+-]?(?:[0-9]+(?:\\.[0-9]+)?|\\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?))" +
    `(?:\\s+(?<unit>(?:10[*^]|1/|1$|${LETTER}|[%\\[{/(°]).*)` +
    `|(?![eE][+-]?[0-9])(?<close>/?(?:${LETTER}|[%\\[{°]).*))?$`,
  "u",
);

/** Return comparator, number and unit of a quantity as written; of a titre ("1:80"), where it may be one, its reciprocal. */
export function parseQuantity(written, titre = true) {
  const found = QUANTITY.exec(String(written).trim())?.groups;
  if (!found || (found.titre && BigInt(found.titre) === 0n)) {
    throw new Error(`'${written}' is no quantity; expected a number and a unit, such as 22 10*9/L, <20 % or 1:80`);
  }
  if (found.titre && !titre) throw new Error(`'${written}' is a titre, and the quantity is none; expected a number and a unit`);
  return [COMPARATORS[found.comparator], readFraction(found.titre ?? found.number), found.unit ?? found.close ?? null];
}

const isUnitless = (scale) => /^(?:1|\{[^{}]*\})$/.test(scale.unit);

/** Return a number in the canonical unit of a scale; a unit that the scale does not list is refused. */
export function toCanonical(scale, number, unit) {
  if (unit === null) {
    if (isUnitless(scale)) return number;
    throw new UnitError(`a number needs a unit; expected ${[...scale.units.keys()].join(", ")}`);
  }
  const conversion = scale.units.get(unit);
  if (!conversion) throw new UnitError(`unit '${unit}' is not one of ${[...scale.units.keys()].join(", ")}`);
  return plus(times(number, conversion[0]), conversion[1]);
}

/** Take a value written with its unit, or with a unit of its own; return its interval and the unit it is in. */
export function readValue(scale, possible, written, unit, otherwise = null) {
  const text = String(written).trim();
  if (text === "unknown") return [ANY, unit ?? otherwise ?? scale.unit];
  if (scale.grades.has(text)) return [exactly(scale.grades.get(text)), null];
  if (text.replace(/^[<>=≤≥ ]+/u, "").split(/[^0-9.,eE+-]/u, 1)[0].length > 40) {
    throw new Error("a number of more than 40 characters");
  }
  const [comparator, number, found] = parseQuantity(text, scale.units.has("{titer}"));
  if (unit && found && unit !== found) {
    throw new UnitError(`the value is in '${found}', but its unit is said to be '${unit}'`);
  }
  const size = number.n < 0n ? opposite(number) : number;
  if (number.n && (order(size, SMALLEST) < 0 || order(size, LARGEST) > 0)) {
    throw new Error(`'${text}' is outside everything that is measured`);
  }
  const used = found ?? unit ?? otherwise;
  const value = bound(comparator, toCanonical(scale, number, used));
  if (outside(value, possible)) {
    const expected = rangeWords(possible, isUnitless(scale) ? "" : ` ${scale.unit}`);
    throw new Error(`'${unit ? `${text} ${unit}` : text}' is impossible; expected ${expected}`);
  }
  return [value, used];
}

const LARGEST = fraction(10n ** 18n);
const SMALLEST = fraction(1n, 10n ** 18n);
