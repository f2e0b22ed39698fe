// Doses as they are written ("30 mg/d", "500 mg twice daily"), exactly, as an amount a day. As pyscreen/doses.py.

import { ONE, fraction, order, over, readFraction, times, whole } from "./numbers.js";

const EXPECTED = "expected a dose such as '30 mg/d', '1 mg/kg/d', '15 mg/wk' or '500 mg twice daily'";
const DOSE = /^(?<amount>\d{1,20}(?:\.\d{1,18})?) *(?<unit>[^\s\d]\S*(?: \S+)*)?$/;
const MILLI = fraction(1n, 1000n);
const UNITS = new Map([
  ["mg", ["mg", ONE]],
  ["g", ["mg", whole(1000)]],
  ...["ug", "mcg", "µg", "μg"].map((unit) => [unit, ["mg", MILLI]]),
  ["[IU]", ["[IU]", ONE]],
  ["k[IU]", ["[IU]", whole(1000)]],
]);
const PER = { kg: "/kg", m2: "/m2" };
const DAYS = { h: fraction(1n, 24n), d: ONE, wk: whole(7) };
const WORDS = new Map([
  ...["h", "hour", "hours"].map((word) => [word, DAYS.h]),
  ...["d", "day", "days"].map((word) => [word, DAYS.d]),
  ...["wk", "week", "weeks"].map((word) => [word, DAYS.wk]),
]);
const TIMES = { once: 1, twice: 2, "three times": 3, "four times": 4 };
const TIMES_PER = /^(?:(?<times>once|twice|three times|four times|\d{1,2} times) )?(?:daily|weekly|(?:a|per) (?:day|week))$/;
const EVERY = /^every (?:(?<other>other) )?(?:(?<number>\d{1,3}) )?(?<unit>hours?|days?|weeks?)$/;
const UCUM = /^(?<times>\d{1,3})?\/(?:(?<unit>h|d|wk)|\((?<number>\d{1,3})\.(?<units>h|d|wk)\))$/;

/** Return how many times a day; monthly and "as needed" are not exact. */
function frequencyOf(text) {
  const words = text.split(/\s+/).filter(Boolean).join(" ");
  const rate = timesPer(TIMES_PER.exec(words)) ?? every(EVERY.exec(words)) ?? ucum(UCUM.exec(words));
  if (!rate || rate.n === 0n) throw new Error(`'${words}' is no exact frequency; expected daily, twice daily, weekly, every 2 weeks or 1/wk`);
  return rate;
}

function timesPer(found) {
  if (!found) return null;
  const said = found.groups.times ?? "once";
  return fraction(BigInt(TIMES[said] ?? said.split(" ")[0]), /week(ly)?$/.test(found[0]) ? 7n : 1n);
}

function every(found) {
  if (!found || (found.groups.other && found.groups.number)) return null;
  const number = Number(found.groups.number ?? (found.groups.other ? 2 : 1));
  return number ? over(ONE, times(whole(number), WORDS.get(found.groups.unit))) : null;
}

function ucum(found) {
  if (!found) return null;
  const [often, number] = [Number(found.groups.times ?? 1), Number(found.groups.number ?? 1)];
  const unit = DAYS[found.groups.unit ?? found.groups.units];
  return often && number ? over(whole(often), times(whole(number), unit)) : null;
}

/** Return {amount, unit}: the amount a day in mg/d, mg/kg/d, mg/m2/d or [IU]/d. */
export function parseDose(dose, unit, frequency) {
  const found = DOSE.exec(String(dose).trim());
  if (!found) throw new Error(`'${dose}' is no dose; ${EXPECTED}`);
  const text = found.groups.unit ?? "";
  const gap = text.indexOf(" ");
  const [written, often] = gap < 0 ? [text, ""] : [text.slice(0, gap), text.slice(gap + 1)];
  if (written && unit && written !== unit) throw new Error(`the dose is in '${written}', but its unit is said to be '${unit}'`);
  if (often && frequency) throw new Error(`the frequency is said twice: '${often}' and '${frequency}'`);
  const [factor, daily, rate] = doseUnit(written || unit || "");
  return { amount: times(times(readFraction(found.groups.amount), factor), rateOf(rate, often || frequency)), unit: daily };
}

function doseUnit(text) {
  if (!text) throw new Error(`the dose has no unit; ${EXPECTED}`);
  const [base, ...per] = text.split("/");
  const rate = per.length && WORDS.has(per.at(-1)) ? over(ONE, WORDS.get(per.pop())) : null;
  if (!UNITS.has(base) || per.length > 1 || per.some((part) => !Object.hasOwn(PER, part))) {
    throw new Error(`a dose cannot be in '${text}'; ${EXPECTED}`);
  }
  const [name, factor] = UNITS.get(base);
  return [factor, `${name}${per.map((part) => PER[part]).join("")}/d`, rate];
}

function rateOf(said, frequency) {
  const often = frequency ? frequencyOf(frequency) : null;
  if (!said && !often) throw new Error("how often is not said; write the dose by the day or week (30 mg/d, 15 mg/wk) or a frequency");
  if (said && often && order(said, often)) throw new Error(`the unit already says how often, and '${frequency}' says otherwise`);
  return said ?? often;
}
