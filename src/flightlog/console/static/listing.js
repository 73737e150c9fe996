// What every long list of rows does: it remembers which columns somebody wants, grows as one scrolls, changes rows in place,
// counts new ones until they are asked for, and is walked by keys.

import { Blocks } from "./blocks.js";
import { key } from "./keys.js";
import { fetchPage } from "./live.js";

/** The URL says which columns are shown; who says nothing gets the last choice, which is kept under `name`. */
export function rememberColumns(name) {
  const here = new URL(location.href);
  let kept = null;
  try {
    kept = localStorage.getItem(name);
  } catch {
    // Storage is switched off: the usual columns it is.
  }
  if (kept && !here.searchParams.has("columns")) {
    here.searchParams.set("columns", kept);
    location.replace(here);
  }
  document.querySelector("#columns form")?.addEventListener("change", (event) => {
    const chosen = [...event.currentTarget.querySelectorAll("input:checked")].map((box) => box.value).join(",");
    try {
      localStorage.setItem(name, chosen);
    } catch {
      // It holds for this page only.
    }
    const url = new URL(location.href);
    url.searchParams.set("columns", chosen);
    url.searchParams.delete("cursor");
    location.replace(url);
  });
}

/** The rows of `table` come in blocks; `path` gives the same rows as the page, alone. */
export function growing(table, path) {
  const loading = document.getElementById("loading");
  const first = new URL(location.href);
  first.pathname = path;
  new Blocks(table, first.href, (text, retry) => {
    loading.hidden = !text;
    loading.textContent = text;
    if (!retry) return;
    const again = document.createElement("button");
    Object.assign(again, { className: "btn", type: "button", textContent: "Try again" });
    again.addEventListener("click", retry);
    loading.append(" ", again);
  });
  const older = document.getElementById("older");
  if (older) older.hidden = true; // scrolling does it
}

/** The rows of the list `#list` that have an id in `data-NAME`. */
export class Listing {
  /** `one` is what a row is called in the list of keys. */
  constructor(name, one) {
    this.selector = `tr[data-${name}]`;
    this.idOf = (row) => row.dataset[name];
    key("j", `Next ${one}`, () => this.go(1));
    key("k", `Previous ${one}`, () => this.go(-1));
    key("Enter", `Open the ${one}`, () => this.rows[this.at]?.querySelector("a").click());
    document.getElementById("news")?.addEventListener("click", (event) => {
      event.preventDefault();
      location.reload();
    });
  }

  /** The list as it is on the page. */
  get list() {
    return document.getElementById("list");
  }

  /** The rows in order. */
  get rows() {
    return [...this.list.querySelectorAll(this.selector)];
  }

  /** The place of the row that has the focus, or -1. */
  get at() {
    return this.rows.indexOf(document.activeElement?.closest?.(this.selector));
  }

  /** Go `step` rows on. */
  go(step) {
    const rows = this.rows;
    const row = rows[Math.min(rows.length - 1, Math.max(0, this.at + step))];
    row?.focus({ preventScroll: true });
    row?.scrollIntoView({ block: "nearest" });
  }

  /** Take the rows that have changed from the page as it is now; `apart` is a place where rows are left alone, `first(page)` is
      called when the first rows have come. */
  async renew(apart = "#nowhere", beside = () => {}, first = () => location.reload()) {
    const page = await fetchPage(location.href);
    const coming = this.#byId(page.getElementById("list")), shown = this.#byId(this.list);
    if (shown.size === 0 && coming.size > 0) {
      first(page);
      return;
    }
    beside(page);
    this.#exchange(shown, coming, apart);
    if (this.list.dataset.first === "true") announce([...coming.keys()].filter((id) => !shown.has(id)).length, coming.size);
  }

  /** Take the rows of `page` that have changed. */
  update(page) {
    this.#exchange(this.#byId(this.list), this.#byId(page), "#nowhere");
  }

  #exchange(shown, coming, apart) {
    for (const [id, row] of shown) {
      const now = coming.get(id);
      if (!now || now.closest(apart) || row.closest(apart) || now.innerHTML === row.innerHTML) continue;
      now.classList.toggle("marked", row.classList.contains("marked"));
      if (row.contains(document.activeElement)) inPlace(row, now);
      else row.replaceWith(document.adoptNode(now));
    }
  }

  #byId(root) {
    return new Map([...root.querySelectorAll(this.selector)].map((row) => [this.idOf(row), row]));
  }
}

/** Replacing a row would take the focus from somebody who is on it, so its cells are, but for the one that has the focus. */
function inPlace(row, now) {
  Object.assign(row.dataset, now.dataset);
  for (const [n, cell] of [...row.cells].entries()) {
    const fresh = now.cells[n]?.cloneNode(true);
    if (fresh && fresh.innerHTML !== cell.innerHTML && !cell.contains(document.activeElement)) cell.replaceWith(document.adoptNode(fresh));
  }
}

function announce(count, most) {
  const news = document.getElementById("news");
  news.hidden = count === 0;
  news.href = location.href;
  news.textContent = `${count}${count === most ? "+" : ""} new`;
}
