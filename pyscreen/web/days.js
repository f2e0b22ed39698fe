// Days as whole numbers (1 is 0001-01-01), known to the year, month or day; durations; three-valued answers. As pyscreen/dates.py.

import { both, negate } from "./truth.js";

export const FIRST_DAY = 1;
export const LAST_DAY = 3652059;
const DAY = 86400000;
const ORIGIN = Date.UTC(2000, 0, 1) / DAY - 730120;

export function civil(day) {
  const date = new Date((day + ORIGIN) * DAY);
  return [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate()];
}

export function dayOf(year, month, day) {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  return Math.round(date.getTime() / DAY) - ORIGIN;
}

const pad = (number, size) => String(number).padStart(size, "0");
const monthLength = (year, month) => dayOf(year + (month === 12), (month % 12) + 1, 1) - dayOf(year, month, 1);

export function isoDay(day) {
  const [year, month, date] = civil(day);
  return `${pad(year, 4)}-${pad(month, 2)}-${pad(date, 2)}`;
}

/** A day known to be one of `earliest` to `latest`; `clock` only orders items of one day. */
export const when = (earliest, latest = earliest, clock = "") => ({ earliest, latest, clock });
export const isExactDay = (day) => day.earliest === day.latest;

/** Return a key by which days sort: the latest day it may be, then the earliest, then the clock. */
export const dayOrder = (day) =>
  `${pad(day.latest, 8)} ${pad(day.earliest, 8)} ${day.clock.length === 5 ? `${day.clock}:00` : day.clock}`;

const WHEN = /^(\d{4})(?:--|-(\d{2})(?:-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})?)?)?)?$/;
export const CLOCK = /^(?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60))?$/;

/** Read 2026, 2026-05, 2026-05-02 or 2026-05-02T08:30. */
export function parseWhen(written) {
  const wrong = new Error(`'${written}' is no date; expected a date such as 2026, 2026-05 or 2026-05-02`);
  const found = WHEN.exec(String(written).trim());
  if (!found) throw wrong;
  const [year, month, day] = [1, 2, 3].map((part) => Number(found[part] ?? 0));
  if (year < 1 || (found[2] && (month < 1 || month > 12))) throw wrong;
  if (found[3] && (day < 1 || day > monthLength(year, month))) throw wrong;
  if (found[4] && !CLOCK.test(found[4])) throw wrong;
  if (found[3]) return when(dayOf(year, month, day), dayOf(year, month, day), found[4] ?? "");
  return found[2] ? ofMonth(year, month) : when(dayOf(year, 1, 1), dayOf(year, 12, 31));
}

const ofMonth = (year, month) => when(dayOf(year, month, 1), dayOf(year, month, monthLength(year, month)));

export function showWhen(day) {
  if (isExactDay(day)) return isoDay(day.earliest);
  const [year, month] = civil(day.earliest);
  if (day.earliest === dayOf(year, 1, 1) && day.latest === dayOf(year, 12, 31)) return pad(year, 4);
  const whole = ofMonth(year, month);
  if (day.earliest === whole.earliest && day.latest === whole.latest) return `${pad(year, 4)}-${pad(month, 2)}`;
  return `${isoDay(day.earliest)}..${isoDay(day.latest)}`;
}

// ---- durations: {number, unit}; unit d, wk (exact), mo, a (by the calendar) ----

export function parseDuration(text) {
  const [number, unit] = text.split(" ");
  return { number: Number(number), unit };
}

export const showDuration = (duration) => `${duration.number} ${duration.unit}`;

export function shift(day, duration, sign = 1) {
  const number = sign * duration.number;
  const exact = { d: 1, wk: 7 }[duration.unit];
  const found = exact ? day + number * exact : sameDay(day, number * (duration.unit === "a" ? 12 : 1));
  if (found < FIRST_DAY || found > LAST_DAY) throw new RangeError("outside the years 1 to 9999");
  return found;
}

function sameDay(day, months) {
  const [year, month, date] = civil(day);
  const total = year * 12 + month - 1 + months;
  const [toYear, toMonth] = [Math.floor(total / 12), (((total % 12) + 12) % 12) + 1];
  if (toYear < 1 || toYear > 9999) throw new RangeError("outside the years 1 to 9999");
  return dayOf(toYear, toMonth, Math.min(date, monthLength(toYear, toMonth)));
}

export const shiftWhen = (day, duration, sign = 1) =>
  when(shift(day.earliest, duration, sign), shift(day.latest, duration, sign), day.clock);

/** Return the whole years from start to end; below 0 where the end is before the start. */
export function completedYears(start, end) {
  if (end < start) return -completedYears(end, start);
  const [[year, month], [toYear, toMonth]] = [civil(start), civil(end)];
  let months = (toYear - year) * 12 + toMonth - month;
  if (sameDay(start, months) > end) months -= 1;
  return Math.floor(months / 12);
}

export const yearsRange = (start, end) => [
  completedYears(start.latest, end.earliest),
  completedYears(start.earliest, end.latest),
];

const DUE = { below: "after", at_most: "on_or_after", above: "before", at_least: "on_or_before" };

export function compareSpan(start, end, op, duration) {
  if (op === "equals") return spanEquals(start, end, duration);
  return compareDays(shiftWhen(start, duration), DUE[op], end);
}

function spanEquals(start, end, duration) {
  const due = (day) => shift(day, duration);
  let [low, high] = [start.earliest, start.latest + 1];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (due(middle) < end.earliest) low = middle + 1;
    else high = middle;
  }
  if (low > start.latest || due(low) > end.latest) return false;
  return isExactDay(end) && due(start.earliest) === due(start.latest) ? true : null;
}

export function compareDays(a, op, b) {
  if (op === "before") return negate(compareDays(b, "on_or_before", a));
  if (op === "after") return negate(compareDays(a, "on_or_before", b));
  if (op === "on_or_after") return compareDays(b, "on_or_before", a);
  return a.latest <= b.earliest ? true : a.earliest > b.latest ? false : null;
}

// ---- spans: from start to end, both days included; null is open ----

const spanStart = (span) => span.start ?? when(FIRST_DAY);
const spanEnd = (span) => span.end ?? when(LAST_DAY);
export const isPossible = (span) => !span.start || !span.end || span.start.earliest <= span.end.latest;
export const firstDay = (span) =>
  when(spanStart(span).earliest, Math.min(spanStart(span).latest, spanEnd(span).latest));
export const lastDay = (span) => when(Math.max(spanStart(span).earliest, spanEnd(span).earliest), spanEnd(span).latest);
export const spanOn = (day) => ({ start: day, end: day });

export function isInside(one, other) {
  if (!isPossible(one) || !isPossible(other)) return null;
  return both([
    compareDays(firstDay(other), "on_or_before", firstDay(one)),
    compareDays(lastDay(one), "on_or_before", lastDay(other)),
  ]);
}

export function overlap(one, other) {
  if (!isPossible(one) || !isPossible(other)) return null;
  return both([
    compareDays(firstDay(one), "on_or_before", lastDay(other)),
    compareDays(firstDay(other), "on_or_before", lastDay(one)),
  ]);
}
