// One run: new events are put under the last row, and a row opens its panel without loading the page anew.

import { fetchPage, follow, swap } from "./live.js";
import { isForPage } from "./keys.js";

const ROWS_MAX = 2_000;
const events = document.getElementById("events");
const split = document.getElementById("split");
const place = document.getElementById("place");
const rows = () => [...events.querySelectorAll("a.ev")];

// ── news ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function refresh() {
  const page = await fetchPage(events.dataset.more);
  swap("head", page);
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
  const newest = new URL(location.pathname, location.href);
  newest.searchParams.set("latest", "true");
  news.href = newest;
  news.textContent = `${count}${more ? "+" : ""} later`;
}

// ── the panel ──────────────────────────────────────────────────────────────────────────────────────────────────────────

async function show(row, remember = true) {
  for (const other of rows()) other.removeAttribute("aria-current");
  row.setAttribute("aria-current", "true");
  if (remember) history.pushState({ event: row.id }, "", row.getAttribute("href").split("#")[0]);
  const page = await fetchPage(row.dataset.panel);
  if (row.getAttribute("aria-current") !== "true") return; // another was opened meanwhile
  place.replaceChildren(document.adoptNode(page.getElementById("panel")));
  addClose();
  split.classList.add("open");
  // On a narrow screen the panel is above the list and not beside the row.
  const beside = place.getBoundingClientRect().left > row.getBoundingClientRect().left;
  (beside ? row : place).scrollIntoView({ block: "nearest" });
}

function addClose() {
  if (document.getElementById("close")) return;
  const close = document.createElement("a");
  const href = new URL(location.href);
  href.searchParams.delete("event");
  href.hash = "";
  Object.assign(close, { id: "close", className: "close", href: href.href, textContent: "✕" });
  close.setAttribute("aria-label", "Close");
  place.querySelector("header").append(close);
}

function hide(remember = true) {
  const open = rows().find((row) => row.getAttribute("aria-current") === "true");
  const close = document.getElementById("close");
  if (remember && close) history.pushState({}, "", close.href);
  open?.removeAttribute("aria-current");
  place.replaceChildren();
  split.classList.remove("open");
  open?.focus();
}

document.addEventListener("click", (event) => {
  if (event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const row = event.target.closest("a.ev");
  const close = event.target.closest("#close");
  if (!row && !close) return;
  event.preventDefault();
  if (row) show(row);
  else hide();
});

document.addEventListener("keydown", (event) => {
  if (!isForPage(event)) return;
  if (event.key === "Escape") hide();
  if (event.key !== "j" && event.key !== "k") return;
  const all = rows();
  const at = all.findIndex((row) => row.getAttribute("aria-current") === "true");
  const next = event.key === "j" ? all[at + 1] : all[Math.max(at - 1, 0)];
  if (next) show(next);
});

addEventListener("popstate", () => {
  const wanted = new URL(location.href).searchParams.get("event");
  const row = rows().find((one) => new URL(one.href).searchParams.get("event") === wanted);
  if (wanted && row) show(row, false);
  else if (wanted) location.reload();
  else hide(false);
});

follow(refresh);
