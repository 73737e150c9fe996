// The rows of the journal's end: a stretch that grows at both ends as it is scrolled, and never holds more than ROWS_MAX.
// What comes while somebody reads further up is held back until they return. All is asked for by cursor, so nothing is
// missed and nothing comes twice, whatever the connection did.

import { fetchPage } from "./live.js";

const ROWS_MAX = 2_000, NEAR_PX = 600, AT_END_PX = 24;

/** Rows in `box`, which scrolls from its end (column-reverse: scrollTop is 0 there and negative above). */
export class Tail {
  #box; #url; #list; #held = []; #moving = Promise.resolve(); #asking = false;

  /** `onChange` is called after every change of what is shown or held back. */
  constructor(box, onChange) {
    this.#box = box;
    this.#url = box.dataset.rows;
    this.#list = box.querySelector("ol");
    this.onChange = onChange;
    box.addEventListener("scroll", () => this.#scrolled(), { passive: true });
  }

  /** Whether new rows are shown as they come. */
  get following() {
    return this.atEnd && Math.abs(this.#box.scrollTop) < AT_END_PX;
  }

  /** Whether the last row is the newest that there was. */
  get atEnd() {
    return this.#list.dataset.end === "true";
  }

  /** How many rows wait, as text; more than ROWS_MAX are not counted. */
  get waiting() {
    return this.#held.length < ROWS_MAX ? String(this.#held.length) : `${ROWS_MAX.toLocaleString("en")}+`;
  }

  /** The rows that are shown. */
  get rows() {
    return this.#list.children;
  }

  /** How far a search has looked, in words; empty when there is nothing more to look at. */
  get looked() {
    return this.#list.dataset.looked;
  }

  /** Ask for earlier rows without scrolling: a search that found little has nothing to scroll. */
  further() {
    return this.#inTurn(() => this.#list.dataset.before ? this.#earlier() : undefined);
  }

  /** Something new is in the journal. */
  news() {
    return this.#inTurn(async () => {
      while (this.atEnd && this.#held.length < ROWS_MAX) {
        const part = await this.#ask({ afterId: this.#list.dataset.after });
        this.#list.dataset.after = part.dataset.after;
        this.#held.push(...this.#unknown(part));
        if (this.following) this.#release();
        this.onChange();
        if (part.dataset.end === "true") return;
      }
    });
  }

  /** Show the newest rows and follow. */
  toEnd() {
    return this.#inTurn(async () => {
      if (this.atEnd && this.#held.length < ROWS_MAX) this.#release();
      else await this.#beginAnew();
      this.#box.scrollTop = 0;
      this.onChange();
    });
  }

  async #beginAnew() {
    const part = await this.#ask({});
    this.#held = [];
    this.#list.replaceWith(document.adoptNode(part));
    this.#list = part;
  }

  #scrolled() {
    if (this.following && this.#held.length) this.toEnd();
    else if (!this.#asking) this.#fill();
    this.onChange();
  }

  #fill() {
    const below = Math.abs(this.#box.scrollTop), above = this.#box.scrollHeight - this.#box.clientHeight - below;
    if (above < NEAR_PX && this.#list.dataset.before) this.#inTurn(() => this.#earlier());
    else if (below < NEAR_PX && !this.atEnd) this.#inTurn(() => this.#later());
  }

  async #earlier() {
    const part = await this.#ask({ beforeId: this.#list.dataset.before });
    this.#list.dataset.before = part.dataset.before;
    this.#list.dataset.looked = part.dataset.looked;
    this.#list.prepend(...this.#unknown(part));
    const extra = this.rows.length - ROWS_MAX;
    if (extra > 0) {
      this.#keepPlace(() => { for (let n = 0; n < extra; n++) this.#list.lastElementChild.remove(); });
      this.#list.dataset.after = this.#list.lastElementChild.dataset.id;
      this.#list.dataset.end = "false";
      this.#held = [];
    }
    this.onChange();
  }

  async #later() {
    const part = await this.#ask({ afterId: this.#list.dataset.after });
    this.#list.dataset.after = part.dataset.after;
    this.#list.dataset.end = part.dataset.end;
    this.#keepPlace(() => this.#list.append(...this.#unknown(part)));
    this.#trimTop();
    this.onChange();
  }

  #release() {
    this.#list.append(...this.#held.slice(-ROWS_MAX));
    this.#held = [];
    this.#trimTop();
  }

  #trimTop() {
    const extra = this.rows.length - ROWS_MAX;
    if (extra <= 0) return;
    for (let n = 0; n < extra; n++) this.#list.firstElementChild.remove();
    this.#list.dataset.before = this.#list.firstElementChild.dataset.id;
  }

  // What changes below the eye must not move what is looked at.
  #keepPlace(change) {
    const height = this.#box.scrollHeight, top = this.#box.scrollTop;
    change();
    this.#box.scrollTop = Math.min(0, top - (this.#box.scrollHeight - height));
  }

  #unknown(part) {
    return [...part.children].filter((row) => !document.getElementById(row.id)).map((row) => document.adoptNode(row));
  }

  async #ask(cursor) {
    const url = new URL(this.#url, location.href);
    for (const [name, value] of Object.entries(cursor)) url.searchParams.set(name, value);
    return (await fetchPage(url)).querySelector("ol");
  }

  // One thing at a time, in order; a failure is its caller's and does not stop the next.
  #inTurn(work) {
    const turn = this.#moving.then(async () => {
      this.#asking = true;
      try {
        await work();
      } finally {
        this.#asking = false;
      }
    });
    this.#moving = turn.catch(() => {});
    return turn;
  }
}
