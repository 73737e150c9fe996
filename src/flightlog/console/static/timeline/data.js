// The events of a run as columns: what comes from the server in pieces is kept in typed arrays, not as objects.

const FIRST = 4_096, TURN_US = 1_000_000;
// What people say of a run days after it is no part of its time.
const LATER = "feedback";
// Files that runs are imported from may have no times.
const ALL_AT_ONCE_US = 200;
const COLUMNS = {
  id: Float64Array, at: Float64Array, took: Float64Array, type: Uint32Array, name: Uint32Array, level: Uint8Array,
  status: Uint32Array, span: Uint32Array, parent: Uint32Array, correlation: Uint32Array, flags: Uint16Array,
};
const TEXTS = ["type", "name", "status", "span", "parent", "correlation"];

/** Columns that grow. `texts[0]` is the empty text, which stands for none. */
export class Store {
  count = 0; lastId = 0; min = 0; max = 0; head = null; texts = [""]; degraded = [];
  timeless = false;
  #room = FIRST; #known = null; #table = null; #order = null;

  constructor() {
    for (const [name, Kind] of Object.entries(COLUMNS)) this[name] = new Kind(this.#room);
  }

  /** Begin one answer of the server: its table of texts is its own. */
  begin(head) {
    this.head = head;
    for (const gap of head.degraded ?? []) if (!this.degraded.some((known) => known.id === gap.id)) this.degraded.push(gap);
    this.#table = this.count === 0 ? null : [0];
    if (this.#table) this.#known ??= new Map(this.texts.map((text, number) => [text, number]));
  }

  /** Add one chunk of events. */
  add(chunk) {
    this.#addTexts(chunk.strings);
    this.#makeRoom(this.count + chunk.n);
    let id = 0, skipped = 0;
    for (let n = 0; n < chunk.n; n++) {
      id += chunk.id[n];
      if (id <= this.lastId) {
        skipped++;
        continue; // it is here already: a piece was asked for twice
      }
      const to = this.count + n - skipped;
      this.id[to] = id;
      this.at[to] = chunk.at[n];
      this.took[to] = chunk.took[n];
      this.level[to] = chunk.level[n];
      this.flags[to] = chunk.flags[n];
      for (const name of TEXTS) this[name][to] = this.#table ? this.#table[chunk[name][n]] : chunk[name][n];
      if (this.text("type", to) !== LATER) this.#widen(chunk.at[n], chunk.took[n]);
    }
    this.count += chunk.n - skipped;
    if (this.count) this.lastId = this.id[this.count - 1];
  }

  /** Where each event is drawn, in microseconds: when it happened, or its turn where all are said to have happened at once. */
  get clock() {
    this.timeless = this.count > 3 && this.max - this.min < ALL_AT_ONCE_US;
    if (!this.timeless) return this.at;
    if (this.#order?.length !== this.count) this.#order = Float64Array.from({ length: this.count }, (_, n) => n * TURN_US);
    return this.#order;
  }

  /** The first and the last moment that is drawn. */
  get extent() {
    const clock = this.clock;
    return this.timeless ? [0, clock[this.count - 1]] : [this.min, this.max];
  }

  /** The number of the event with this id, or -1. */
  find(id) {
    let low = 0, high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if (this.id[middle] === id) return middle;
      if (this.id[middle] < id) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  /** Column `name` of event `number` as text. */
  text(name, number) {
    return this.texts[this[name][number]];
  }

  #widen(at, took) {
    if (at > this.max) this.max = at;
    const began = took > 0 ? at - took : at;
    if (began < this.min) this.min = began;
  }

  #addTexts(fresh) {
    if (!this.#table) {
      for (const text of fresh) this.texts.push(text);
      return;
    }
    for (const text of fresh) {
      let number = this.#known.get(text);
      if (number === undefined) {
        number = this.texts.push(text) - 1;
        this.#known.set(text, number);
      }
      this.#table.push(number);
    }
  }

  #makeRoom(wanted) {
    if (wanted <= this.#room) return;
    // What the head promises in one step, and half as much again for a run that outgrows it.
    this.#room = Math.max(wanted, Math.min(this.head?.events ?? 0, 4 * this.#room), Math.ceil(this.#room * 1.5));
    for (const [name, Kind] of Object.entries(COLUMNS)) {
      const grown = new Kind(this.#room);
      grown.set(this[name].subarray(0, this.count));
      this[name] = grown;
    }
  }
}

/** Read one answer line by line: `onHead(head)`, `onChunk(chunk)` as they come. Throws when it is cut off. */
export async function read(url, { onHead, onChunk, signal }) {
  const response = await fetch(url, { signal, headers: { Accept: "application/x-ndjson" } });
  if (!response.ok) throw new Error(await reason(response));
  let rest = "", ended = false, headed = false;
  const take = (line) => {
    if (!line) return;
    const part = JSON.parse(line);
    if (part.end) ended = true;
    else if (headed) onChunk(part);
    else {
      headed = true;
      onHead(part);
    }
  };
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const line of lines) take(line);
  }
  take(rest);
  if (!ended) throw new Error("the answer was cut off");
}

async function reason(response) {
  try {
    const problem = await response.json();
    return problem.detail ?? problem.title;
  } catch {
    return `the server answered ${response.status}`;
  }
}
