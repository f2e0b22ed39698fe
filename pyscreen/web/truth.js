// Strong Kleene logic: true, false, null (unknown). As pyscreen/truth.py.

export const negate = (truth) => (truth === null ? null : !truth);

export function both(truths) {
  let result = true;
  for (const truth of truths) {
    if (truth === false) return false;
    if (truth === null) result = null;
  }
  return result;
}

export const either = (truths) => negate(both(truths.map(negate)));

/** Return what all say, or unknown. */
export const agreed = (truths) => (new Set(truths).size === 1 ? truths[0] : null);
