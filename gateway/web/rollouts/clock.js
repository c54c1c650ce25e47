//! The server's time as seen from here: bake times and ages must not depend on how this machine's clock is set. Knows
//! nothing of what happens when.

/** A `date` header is whole seconds, and was some time on its way: less than this is no difference. */
const TOLERANCE_MS = 3_000;

let ahead = 0;

/** @param {string | null} date the `date` header of an answer that has just come */
export function noteServerTime(date) {
  const at = Date.parse(date ?? "");
  if (Number.isNaN(at)) return;
  const difference = at - Date.now();
  ahead = Math.abs(difference) > TOLERANCE_MS ? difference : 0;
}

/** The server's time in milliseconds. */
export const now = () => Date.now() + ahead;
