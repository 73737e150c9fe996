// What is shown: the steps of the run in one of two modes, what is folded, what is filtered, what is selected.

import { flatRows, flatSteps, lay, treeRows, treeSteps } from "./tree.js";

const LEVELS = ["debug", "info", "warn", "error"];

export class Model {
  mode = "tree"; folded = new Set(); foldAll = false; types = null; levels = null; found = null;
  steps = null; rows = null; laid = null; selected = -1; partner = -1; running = false;
  #kinds = new Map(); #event = -1; #kindOf = []; #isFrame = [];

  /** `kinds` is which types are of which kind, as the page says it. */
  constructor(store, zoom, kinds) {
    Object.assign(this, { store, zoom });
    for (const one of kinds.split(" ")) {
      const [kind, types] = one.split("=");
      for (const type of types.split(",")) this.#kinds.set(type, kind);
    }
    // By type: they are asked for each of many events.
    this.kindOf = (n) => (this.#kindOf[store.type[n]] ??= this.#kinds.get(store.texts[store.type[n]]) ?? "note");
    this.isFrame = (n) => (this.#isFrame[store.type[n]] ??= /^(run|span)_/.test(store.texts[store.type[n]]));
    // A step that only holds others; a finished span with nothing inside is work by itself.
    this.isHolder = (step) => {
      const n = this.steps.first[step];
      return this.isFrame(n) && !(store.texts[store.type[n]] === "span_finished" && this.laid?.size[step] === 0);
    };
    this.isFolded = (step) => this.folded.has(this.steps.first[step]) !== (this.foldAll && this.steps.parent[step] >= 0);
  }

  /** Whether some of the events are not to be seen. */
  get filtered() {
    return Boolean(this.types || this.levels || this.found);
  }

  /** Whether rows lie inside each other. */
  get tree() {
    return this.mode === "tree" && !this.filtered;
  }

  /** The number of the selected event, or -1. */
  get event() {
    return this.#event;
  }

  /** Make steps and rows of what the store holds now. */
  rebuild() {
    const joined = treeSteps(this.store);
    this.pairs = joined;
    this.steps = this.mode === "tree" ? joined : flatSteps(this.store);
    this.laid = this.mode === "tree" ? lay(joined) : null;
    this.arrange();
  }

  /** Make the rows anew after folding or filtering. */
  arrange() {
    this.rows = this.tree ? treeRows(this.laid, this.isFolded) : flatRows(this.steps, this.#keep());
    this.#reselect();
  }

  /** Choose what is shown alone: types and levels as comma-separated words, `found` a Set of ids or null for all. */
  filter({ types = "", level = "", found = null }) {
    this.types = types ? new Set(types.split(",")) : null;
    this.levels = level ? new Set(level.split(",")) : null;
    this.found = found;
  }

  /** Select the step that this event is part of. */
  select(event) {
    this.#event = event;
    this.#reselect();
  }

  /** Unfold what hides the selected step. */
  reveal() {
    if (!this.tree || this.selected < 0 || this.rows.at[this.selected] >= 0) return;
    for (let up = this.steps.parent[this.selected]; up >= 0; up = this.steps.parent[up]) if (this.isFolded(up)) this.fold(up, false);
    this.arrange();
  }

  /** Fold or unfold one step; `arrange` shows it. */
  fold(step, on) {
    if (this.isFolded(step) === on) return;
    const event = this.steps.first[step];
    if (!this.folded.delete(event)) this.folded.add(event);
  }

  /** The next step in the direction of `by` that passes `test`, also where it is folded away; -1 when there is none. */
  next(by, test) {
    const order = this.tree ? this.laid.order : this.rows.step;
    const count = this.tree ? this.laid.count : this.rows.count;
    const here = this.selected < 0 ? (by > 0 ? -1 : count) : order.indexOf(this.selected);
    for (let n = here + by; n >= 0 && n < count; n += by) if (test(order[n])) return order[n];
    return -1;
  }

  /** The event of a step that tells most: how it went wrong, or what a model said, else how it began. */
  telling(step) {
    const { first, last, bad } = this.steps;
    return last[step] >= 0 && (bad[step] || this.kindOf(first[step]) === "llm") ? last[step] : first[step];
  }

  #reselect() {
    this.selected = this.#event >= 0 ? this.steps.of[this.#event] : -1;
    const pair = this.#event >= 0 ? this.pairs.of[this.#event] : -1;
    const other = pair < 0 ? -1 : this.pairs.first[pair] === this.#event ? this.pairs.last[pair] : this.pairs.first[pair];
    this.partner = this.mode === "flat" && other >= 0 ? this.steps.of[other] : -1;
  }

  #keep() {
    if (!this.filtered) return null;
    const { store, types, levels, found } = this;
    return (n) => (!types || types.has(store.texts[store.type[n]])) && (!levels || levels.has(LEVELS[store.level[n]])) && (!found || found.has(store.id[n]));
  }
}
