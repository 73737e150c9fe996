// A run to be read: what follows is loaded before the reader gets there, and a run that goes on is followed at its end.

import { fetchPage, follow } from "./live.js";
import { key } from "./keys.js";
import { panel } from "./panel.js";

const AHEAD_PX = 1_600, PENDING_MAX = 12;
const list = document.getElementById("reading");
const end = document.getElementById("reading-end");
const cards = () => [...list.querySelectorAll("li.card")];
let loading = null, nearEnd = false;

/** Load the stretch after the last card, once at a time. */
function more() {
  loading ??= append().finally(() => (loading = null));
  return loading;
}

async function append() {
  const page = await fetchPage(list.dataset.more);
  const fresh = page.getElementById("reading");
  const coming = [...fresh.querySelectorAll("li.card")].filter((card) => !document.getElementById(card.id));
  if (coming.length > 0) list.querySelector("li.none")?.remove();
  list.append(...coming.map((card) => document.adoptNode(card)));
  list.dataset.more = fresh.dataset.more;
  list.dataset.atEnd = fresh.dataset.atEnd;
  end.replaceChildren(...[...page.getElementById("reading-end").childNodes].map((node) => document.adoptNode(node)));
}

async function fill() {
  while (nearEnd && list.dataset.atEnd !== "true") await more();
}

/** Ask anew for the cards whose answer had not come. */
async function refreshPending() {
  const waiting = [...list.querySelectorAll("li.card[data-pending]")].slice(-PENDING_MAX);
  for (const card of waiting) {
    const page = await fetchPage(list.dataset.card + (Number(card.id.slice(1)) - 1));
    const fresh = page.getElementById(card.id);
    if (fresh && !fresh.dataset.pending && !card.contains(document.activeElement)) card.replaceWith(document.adoptNode(fresh));
  }
}

async function onNews() {
  await refreshPending();
  if (list.dataset.atEnd !== "true") return; // the reader has not come that far
  const atBottom = innerHeight + scrollY >= document.documentElement.scrollHeight - 80;
  await more();
  if (atBottom && location.hash === "") scrollTo({ top: document.documentElement.scrollHeight });
}

// ── one step ───────────────────────────────────────────────────────────────────────────────────────────────────────────

const current = () => list.querySelector("li.card.target");

function mark(card) {
  current()?.classList.remove("target");
  card?.classList.add("target");
}

function step(by) {
  const all = cards(), was = current();
  const next = was ? all[all.indexOf(was) + by] : all.find((card) => card.getBoundingClientRect().bottom > 70);
  if (!next) return;
  mark(next);
  next.scrollIntoView({ block: "nearest" });
  next.querySelector("a.ref").focus({ preventScroll: true });
  if (panel.id !== null) show(Number(next.id.slice(1)));
}

function fold() {
  const parts = [...(current()?.querySelectorAll("details") ?? [])];
  const open = parts.some((part) => !part.open);
  for (const part of parts) part.open = open;
}

function show(id) {
  panel.open(id);
  remember(id);
}

/** The event in the panel is part of the address. */
function remember(id) {
  const url = new URL(location.href);
  if (id === null) url.searchParams.delete("id");
  else url.searchParams.set("id", id);
  if (url.href !== location.href) history.pushState({}, "", url);
}

function fromAddress() {
  const id = new URL(location.href).searchParams.get("id");
  if (id) panel.open(Number(id));
  else panel.close();
}

if (list) {
  key("j", "Next step", () => step(1));
  key("k", "Previous step", () => step(-1));
  key("o", "Open or close the folds of a step", fold);
  list.addEventListener("click", (event) => mark(event.target.closest("li.card")));
  panel.onmove = remember;
  panel.onclose = () => remember(null);
  addEventListener("popstate", fromAddress);
  if (new URL(location.href).searchParams.has("id")) fromAddress();
  new IntersectionObserver(
    (seen) => {
      nearEnd = seen.at(-1).isIntersecting;
      fill().catch((error) => console.warn("Flightlog: the rest of the run did not load", error));
    },
    { rootMargin: `${AHEAD_PX}px` },
  ).observe(end);
  follow(onNews);
}
