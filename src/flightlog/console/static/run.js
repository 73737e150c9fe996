// One run as a list of events: new events are put under the last row, and a row opens the panel.

import { key } from "./keys.js";
import { fetchPage, follow, swap } from "./live.js";
import { panel } from "./panel.js";

const ROWS_MAX = 2_000;
const events = document.getElementById("events");
const split = document.getElementById("split");
const place = document.getElementById("place");
const rows = () => [...events.querySelectorAll("a.ev")];
const current = () => events.querySelector('a.ev[aria-current="true"]');

// ── news ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function refresh() {
  const page = await fetchPage(events.dataset.more);
  swap("head", page);
  swap("kinds", page);
  const fresh = page.getElementById("events");
  const coming = [...fresh.querySelectorAll("li:has(a.ev)")];
  if (coming.length === 0) return;
  if (events.dataset.atEnd !== "true") {
    announce(coming.length, fresh.dataset.atEnd !== "true");
    return;
  }
  const following = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  events.querySelector("li.empty")?.remove();
  events.append(...coming.filter((item) => !document.getElementById(item.firstElementChild.id)).map((item) => document.adoptNode(item)));
  events.dataset.more = fresh.dataset.more;
  trim();
  if (following && location.hash === "") scrollTo({ top: document.documentElement.scrollHeight });
  // The answer was a full page: there is more where it came from.
  if (fresh.dataset.atEnd !== "true") await refresh();
}

function trim() {
  const extra = events.children.length - ROWS_MAX;
  if (extra <= 0) return;
  for (let n = 0; n < extra; n++) events.firstElementChild.remove();
}

function announce(count, more) {
  const news = document.getElementById("news");
  news.hidden = false;
  const newest = new URL(events.dataset.more, location.href);
  newest.searchParams.delete("afterId");
  newest.searchParams.set("latest", "true");
  news.href = newest;
  news.textContent = `${count}${more ? "+" : ""} later`;
}

// ── the panel ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function mark(row) {
  current()?.removeAttribute("aria-current");
  row?.setAttribute("aria-current", "true");
  row?.scrollIntoView({ block: "nearest" });
}

function show(row, remember = true) {
  mark(row);
  row.focus({ preventScroll: true });
  if (remember) history.pushState({}, "", row.getAttribute("href").split("#")[0]);
  panel.open(Number(row.dataset.id));
}

function remember(id) {
  const url = new URL(location.href);
  url.searchParams.delete("event");
  url.hash = "";
  if (id === null) url.searchParams.delete("id");
  else url.searchParams.set("id", id);
  if (url.href !== location.href) history.pushState({}, "", url);
}

panel.onclose = () => {
  mark(null);
  remember(null);
};

panel.onmove = (id) => {
  mark(document.getElementById(`e${id}`));
  remember(id);
};

events.addEventListener("click", (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const row = event.target.closest("a.ev");
  if (!row) return;
  event.preventDefault();
  show(row);
});

function step(by) {
  const all = rows();
  const at = all.indexOf(current());
  const next = at === -1 ? all[0] : all[Math.max(at + by, 0)];
  if (next) show(next);
}

key("j", "Next event", () => step(1));
key("k", "Previous event", () => step(-1));

function restore() {
  const id = Number(new URL(location.href).searchParams.get("id"));
  mark(document.getElementById(`e${id}`));
  if (id) panel.open(id);
  else panel.close();
}
addEventListener("popstate", restore);

// The server has put the opened event beside the list, for who has no scripts.
const opened = place.querySelector(".panel");
if (opened) {
  split.classList.remove("open");
  place.replaceChildren();
  panel.open(Number(opened.dataset.id));
  document.getElementById(`e${opened.dataset.id}`)?.scrollIntoView({ block: "center" });
}
follow(refresh);
