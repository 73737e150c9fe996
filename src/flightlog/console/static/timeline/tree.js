// From events to rows: what belongs together becomes one, and what happened inside something stands under it.

const FAMILIES = [
  ["run", "run_started", "run_finished"],
  ["span", "span_started", "span_finished"],
  ["model", "llm_request", "llm_response"],
  ["tool", "tool_call", "tool_result"],
  ["command", "exec_started", "exec_result"],
  ["tests", "test_started", "test_result"],
  ["patch", "patch_proposed", "patch_applied"],
  ["decision", "capability_decision", "capability_decision"],
];
const RUN = 0, SPAN = 1, SIZE = 8;
// A patch or a permission that nothing followed is not under way.
const UNDER_WAY_MAX = 5;
const BEGINS = new Map(FAMILIES.map(([, begin], family) => [begin, family]));
const ENDS = new Map(FAMILIES.map(([, , end], family) => [end, family]));
const BAD = new Set(["error", "failed", "denied"]);
const QUIET = "run_heartbeat";
// The event of a finished span that is its run's own.
const ROOT = 64;
// A finished span as OpenTelemetry has them is one event, with a span id of its own.
const WHOLE = ["llm_response", "tool_result", "span_finished"];

/** What a row of this type is called in a tree. */
export const wordOf = (type) => FAMILIES[BEGINS.get(type) ?? ENDS.get(type)]?.[0] ?? type;

/** Whether the event went wrong: by its level, its status or its type. */
export function isBad(store, n) {
  return store.level[n] >= 3 || BAD.has(store.texts[store.status[n]]) || store.texts[store.type[n]] === "error";
}

/** Steps: `first` and `last` event (-1: none), times, the step that each lies in, and which step an event belongs to. */
class Steps {
  count = 0;

  constructor(store) {
    const room = store.count;
    this.first = new Int32Array(room);
    this.last = new Int32Array(room).fill(-1);
    this.start = new Float64Array(room);
    this.end = new Float64Array(room);
    this.parent = new Int32Array(room).fill(-1);
    this.bad = new Uint8Array(room);
    this.open = new Uint8Array(room);
    this.of = new Int32Array(room).fill(-1);
    this.clock = store.clock;
    this.lasts = !store.timeless;
  }

  make(store, n) {
    const step = this.count++;
    this.first[step] = n;
    this.end[step] = this.clock[n];
    this.start[step] = this.#began(store, n);
    this.bad[step] = isBad(store, n) ? 1 : 0;
    this.of[n] = step;
    return step;
  }

  finish(store, step, n) {
    this.last[step] = n;
    this.end[step] = Math.max(this.end[step], this.clock[n]);
    this.start[step] = Math.min(this.start[step], this.#began(store, n));
    // How it ended is what counts: a permission that is asked for and denied is a denial.
    if (isBad(store, n)) this.bad[step] = 1;
    this.open[step] = 0;
    this.of[n] = step;
  }

  #began(store, n) {
    return this.clock[n] - (this.lasts ? Math.max(0, store.took[n]) : 0);
  }
}

/** Every event a step of its own, in commit order. */
export function flatSteps(store) {
  const steps = new Steps(store);
  for (let n = 0; n < store.count; n++) steps.make(store, n);
  return steps;
}

/** Requests joined with their answers, spans with their ends, all under the span that they happened in. */
export function treeSteps(store) {
  const steps = new Steps(store);
  const waiting = new Int32Array(store.texts.length * SIZE).fill(-1);
  const owner = new Int32Array(store.texts.length).fill(-1);
  const begins = store.texts.map(() => -1), ends = store.texts.map(() => -1);
  for (const [type, family] of BEGINS) mark(store, begins, type, family);
  for (const [type, family] of ENDS) mark(store, ends, type, family);
  const quiet = store.texts.indexOf(QUIET);
  let root = -1, rootSpan = -1;
  for (let n = 0; n < store.count; n++) {
    const type = store.type[n];
    if (type === quiet) continue;
    const begin = begins[type], end = ends[type];
    const family = begin >= 0 ? begin : end;
    const by = family === RUN ? 0 : family === SPAN ? store.span[n] : store.correlation[n];
    const at = by * SIZE + family;
    const known = family >= 0 && (by || family === RUN);
    if (end >= 0 && known && waiting[at] >= 0) {
      steps.finish(store, waiting[at], n);
      waiting[at] = -1;
      continue;
    }
    const step = steps.make(store, n);
    if (begin >= 0 && known && family <= UNDER_WAY_MAX) steps.open[step] = 1;
    if (begin >= 0 && known) waiting[at] = step;
    const isRoot = (store.flags[n] & ROOT) !== 0;
    if (family === RUN && root < 0) root = step;
    if (isRoot && rootSpan < 0) rootSpan = step;
    if ((isRoot || family === RUN || family === SPAN) && store.span[n] && owner[store.span[n]] < 0) owner[store.span[n]] = step;
  }
  nest(store, steps, owner, root >= 0 ? root : rootSpan);
  return steps;
}

function mark(store, table, type, family) {
  const number = store.texts.indexOf(type);
  if (number >= 0) table[number] = family;
}

function nest(store, steps, owner, root) {
  const isSpan = new Set(["span_started", "span_finished", "run_started"].map((type) => store.texts.indexOf(type)));
  // A step with a span of its own, as OpenTelemetry has them, holds what names that span; whichever of the two came first.
  const whole = new Set(WHOLE.map((type) => store.texts.indexOf(type)));
  for (const must of [true, false]) {
    for (let step = 0; step < steps.count; step++) {
      const n = steps.first[step];
      if ((must ? whole.has(store.type[n]) : true) && store.parent[n] && store.span[n] && owner[store.span[n]] < 0) owner[store.span[n]] = step;
    }
  }
  for (let step = 0; step < steps.count; step++) {
    const n = steps.first[step];
    const inside = isSpan.has(store.type[n]) ? -1 : owner[store.span[n]];
    const around = store.parent[n] ? owner[store.parent[n]] : -1;
    const found = inside >= 0 && inside !== step ? inside : around;
    steps.parent[step] = found >= 0 && found !== step ? found : root;
  }
  if (root >= 0) steps.parent[root] = -1;
  cutCircles(steps, root);
}

// Ids are anybody's: spans that lie inside each other would never be reached from the top.
function cutCircles(steps, root) {
  const seen = new Int32Array(steps.count).fill(-1);
  for (let step = 0; step < steps.count; step++) {
    let here = step;
    while (here >= 0 && seen[here] < 0) {
      seen[here] = step;
      const up = steps.parent[here];
      if (up >= 0 && seen[up] === step) steps.parent[here] = here === root ? -1 : root;
      here = steps.parent[here];
    }
  }
}

/** Put the steps in the order in which a tree shows them all, with how deep each lies and how many lie inside it. */
export function lay(steps) {
  const { child, next, top } = links(steps);
  const order = new Int32Array(steps.count), depth = new Uint16Array(steps.count);
  const size = new Int32Array(steps.count), bad = new Uint8Array(steps.count);
  let here = top, deep = 0, count = 0;
  while (here >= 0) {
    depth[here] = deep;
    order[count++] = here;
    if (child[here] >= 0) {
      here = child[here];
      deep++;
      continue;
    }
    while (here >= 0 && next[here] < 0) {
      here = steps.parent[here];
      deep--;
    }
    if (here >= 0) here = next[here];
  }
  for (let n = count - 1; n >= 0; n--) {
    const step = order[n], up = steps.parent[step];
    if (up < 0) continue;
    size[up] += size[step] + 1;
    if (steps.bad[step] || bad[step]) bad[up] = 1;
  }
  return { order, depth, size, bad, count };
}

/** The rows of a tree: `isFolded(step)` hides what lies inside. */
export function treeRows(laid, isFolded) {
  const rows = emptyRows(laid.count);
  for (let n = 0; n < laid.count; n++) {
    const step = laid.order[n];
    add(rows, step);
    if (laid.size[step] && isFolded(step)) n += laid.size[step];
  }
  return rows;
}

/** The rows of a list: those steps of which an event passes `keep`, or all. */
export function flatRows(steps, keep) {
  const rows = emptyRows(steps.count);
  for (let step = 0; step < steps.count; step++) {
    if (!keep || keep(steps.first[step]) || (steps.last[step] >= 0 && keep(steps.last[step]))) add(rows, step);
  }
  return rows;
}

/** `step[row]` is what a row shows, `at[step]` the row that shows it (-1: none). */
const emptyRows = (room) => ({ count: 0, step: new Int32Array(room), at: new Int32Array(room).fill(-1) });

function add(rows, step) {
  rows.at[step] = rows.count;
  rows.step[rows.count++] = step;
}

// Steps inside the same one stand in the order in which they began.
function links(steps) {
  const child = new Int32Array(steps.count).fill(-1), next = new Int32Array(steps.count).fill(-1);
  const order = Int32Array.from({ length: steps.count }, (_, step) => step);
  let sorted = true;
  for (let step = 1; step < steps.count && sorted; step++) sorted = steps.start[step] >= steps.start[step - 1];
  if (!sorted) order.sort((one, other) => steps.start[one] - steps.start[other] || one - other);
  let top = -1;
  for (let n = steps.count - 1; n >= 0; n--) {
    const step = order[n], parent = steps.parent[step];
    next[step] = parent >= 0 ? child[parent] : top;
    if (parent >= 0) child[parent] = step;
    else top = step;
  }
  return { child, next, top };
}
