// A long table in blocks of rows. Blocks far from what is seen give their rows back and keep their height; who scrolls back
// gets them again from the server, which knows them as they are by then. However far one scrolls, few rows exist.

import { fetchPage } from "./live.js";

const NEAR_PX = 1_200, KEEP_PX = 6_000;

/** The blocks of `table`: its first tbody is there, each names in `data-more` where the rows after it come from. */
export class Blocks {
  #table; #blocks; #busy = false; #say;

  /** `url` gives the first block's rows; `say(text, retry)` tells of loading (text), failure (text, retry) or neither (""). */
  constructor(table, url, say) {
    this.#table = table;
    this.#say = say;
    this.#blocks = [{ body: table.tBodies[0], url, full: true }];
    let waiting = false;
    addEventListener("scroll", () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => {
        waiting = false;
        this.#look();
      });
    }, { passive: true });
    this.#look();
  }

  /** The rows that exist now, in order. */
  get rows() {
    return this.#blocks.filter((block) => block.full).flatMap((block) => [...block.body.rows]);
  }

  /** How many rows of the first block there are. */
  get first() {
    return this.#blocks[0];
  }

  async #look() {
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (const block of this.#blocks) {
        const box = block.body.getBoundingClientRect();
        const away = Math.max(-box.bottom, box.top - innerHeight);
        if (block.full && away > KEEP_PX) this.#empty(block, box.height);
        else if (!block.full && away < NEAR_PX) await this.#fill(block);
      }
      await this.#grow();
      this.#say("");
    } catch {
      this.#say("The rows did not come.", () => this.#look());
    } finally {
      this.#busy = false;
    }
  }

  async #grow() {
    let last = this.#blocks.at(-1);
    while (last.full && last.body.dataset.more && last.body.getBoundingClientRect().bottom < innerHeight + NEAR_PX) {
      this.#say("Loading more…");
      const url = last.body.dataset.more;
      const body = await this.#ask(url);
      this.#table.append(body);
      last = { body, url, full: true };
      this.#blocks.push(last);
    }
  }

  #empty(block, height) {
    const row = document.createElement("tr");
    const cell = row.insertCell();
    cell.colSpan = this.#table.tHead?.rows[0].cells.length ?? 1;
    cell.style.height = `${height}px`;
    row.className = "gap";
    block.body.replaceChildren(row);
    block.full = false;
  }

  async #fill(block) {
    const body = await this.#ask(block.url);
    block.body.replaceWith(body);
    block.body = body;
    block.full = true;
  }

  async #ask(url) {
    const page = await fetchPage(url);
    return document.adoptNode(page.querySelector("tbody"));
  }
}
