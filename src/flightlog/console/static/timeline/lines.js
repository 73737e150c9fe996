// What events say in one line each: asked for in batches for the rows that are looked at, and kept.

const AT_ONCE = 200, KEPT_MAX = 20_000, REST_MS = 70;

/** Lines by event id. */
export class Lines {
  #kept = new Map(); #timer = null; #wanted = []; #asking = false;

  constructor(url, onArrive) {
    this.url = url;
    this.onArrive = onArrive;
  }

  /** The line of an event; undefined while it is not here. */
  get(id) {
    return this.#kept.get(id);
  }

  /** These are looked at now. */
  want(ids) {
    this.#wanted = ids.filter((id) => !this.#kept.has(id));
    if (this.#wanted.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), REST_MS);
  }

  async #ask() {
    if (this.#asking || this.#wanted.length === 0) return;
    this.#asking = true;
    const ids = this.#wanted.slice(0, AT_ONCE);
    try {
      const response = await fetch(`${this.url}?ids=${ids.join(",")}`);
      if (!response.ok) throw new Error(`${response.status}`);
      const found = await response.json();
      if (this.#kept.size > KEPT_MAX) this.#kept.clear();
      // One that has nothing to say is not asked again.
      for (const id of ids) this.#kept.set(id, found[id] ?? "");
      this.#wanted = this.#wanted.filter((id) => !this.#kept.has(id));
      this.onArrive();
    } catch (error) {
      console.warn("Flightlog: lines did not come through", error);
      this.#wanted = [];
    }
    this.#asking = false;
    if (this.#wanted.length) this.#ask();
  }
}
