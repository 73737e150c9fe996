// A run to be read: what follows is loaded before the reader gets there, and a run that goes on is followed at its end.

import { fetchPage, follow } from "./live.js";
import { key } from "./keys.js";

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

// ── keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

function step(by) {
  const all = cards();
  const top = document.querySelector("li.card.target") ?? all.find((card) => card.getBoundingClientRect().bottom > 70);
  const at = all.indexOf(top);
  const next = all[top?.classList.contains("target") ? at + by : Math.max(at, 0)];
  if (!next) return;
  top?.classList.remove("target");
  next.classList.add("target");
  next.scrollIntoView({ block: "nearest" });
  const reference = next.querySelector("a.ref");
  reference?.focus({ preventScroll: true });
}

if (list) {
  key("j", "Next step", () => step(1));
  key("k", "Previous step", () => step(-1));
  new IntersectionObserver(
    (seen) => {
      nearEnd = seen.at(-1).isIntersecting;
      fill().catch((error) => console.warn("Flightlog: the rest of the run did not load", error));
    },
    { rootMargin: `${AHEAD_PX}px` },
  ).observe(end);
  follow(onNews);
}
