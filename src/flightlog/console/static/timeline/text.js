// Times and counts in the same words as the server's.

const MS = 1_000, SECOND = 1_000_000, MINUTE = 60, HOUR = 3_600, DAY = 86_400;
const two = (number) => String(number).padStart(2, "0");

/** A length of time in microseconds, in at most two units. */
export function duration(us) {
  if (us === 0) return "0 s";
  if (us < MS) return `${Math.floor(us)} µs`;
  if (us < SECOND) return `${Math.floor(us / MS)} ms`;
  if (us < MINUTE * SECOND) return `${(Math.floor(us / (SECOND / 10)) / 10).toFixed(1)} s`;
  const seconds = Math.floor(us / SECOND);
  if (seconds < HOUR) return `${Math.floor(seconds / MINUTE)} m ${two(seconds % MINUTE)} s`;
  if (seconds < DAY) return `${Math.floor(seconds / HOUR)} h ${two(Math.floor((seconds % HOUR) / MINUTE))} m`;
  return `${Math.floor(seconds / DAY)} d ${two(Math.floor((seconds % DAY) / HOUR))} h`;
}

/** When in a run something happened, `step` microseconds being the smallest difference that matters. */
export function offset(us, step = SECOND / 100) {
  const sign = us < 0 ? "−" : "+";
  const size = Math.abs(us), seconds = Math.floor(size / SECOND);
  if (step < MS && size < SECOND) return `${sign}${(size / MS).toFixed(step < 10 ? 3 : step < 100 ? 2 : 1)} ms`;
  if (size < SECOND) return `${sign}${Math.round(size / MS)} ms`;
  const digits = step >= SECOND ? 0 : step >= SECOND / 10 ? 1 : step >= SECOND / 100 ? 2 : step >= MS ? 3 : 6;
  const rest = digits ? `.${String(Math.floor(size % SECOND)).padStart(6, "0").slice(0, digits)}` : "";
  if (seconds < MINUTE) return `${sign}${seconds}${rest} s`;
  const small = seconds >= HOUR ? `${two(Math.floor((seconds % HOUR) / MINUTE))}:` : `${Math.floor(seconds / MINUTE)}:`;
  const big = seconds >= HOUR ? `${Math.floor(seconds / HOUR)}:` : "";
  return `${sign}${big}${small}${two(seconds % MINUTE)}${digits > 1 && step >= SECOND / 100 ? rest.slice(0, 2) : rest}`;
}

/** A count with its thousands apart. */
export const count = (number) => number.toLocaleString("en");
