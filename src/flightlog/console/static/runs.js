// The list of runs: rows that are shown change in place; new ones are counted, and wait until they are asked for. Facets and
// histogram come after the list, so that the list is there first.

import { brush } from "./histogram.js";
import { key } from "./keys.js";
import { Listing, growing, rememberColumns } from "./listing.js";
import { fetchPage, follow } from "./live.js";

const NUMBERS_MS = 5_000, TICK_MS = 1_000, MARKED_MAX = 2;
const runs = new Listing("run", "run");

rememberColumns("flightlog.columns");
const table = document.getElementById("runs");
if (table) growing(table, "/rows");

async function refresh() {
  await runs.renew("#flying", flying);
  numbersLater();
}

/** The runs in flight are few, and are shown as they are now; a run that has ended moves to the others with the next page. */
function flying(page) {
  const old = document.getElementById("flying"), fresh = page.getElementById("flying");
  if (old && fresh && !old.contains(document.activeElement)) old.replaceWith(document.adoptNode(fresh));
}

const UNITS = [[86_400, "d"], [3_600, "h"], [60, "min"], [1, "s"]];
setInterval(() => {
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(time.dateTime)) / 1000));
    const [length, unit] = UNITS.find(([length]) => seconds >= length) ?? [1, "s"];
    time.textContent = `${Math.floor(seconds / length)} ${unit}`;
  }
}, TICK_MS);

// ── facets and histogram ─────────────────────────────────────────────────────────────────────────────────────────────────

const side = document.getElementById("side");
if (side && matchMedia("(max-width: 900px)").matches) side.open = false;
let numbersAt = 0, numbersTimer = null;

async function numbers() {
  numbersTimer = null;
  numbersAt = Date.now();
  const place = document.getElementById("numbers");
  if (!side || place.contains(document.activeElement)) return;
  try {
    const page = await fetchPage(side.dataset.href);
    const open = [...place.querySelectorAll("details[open]")].map((one) => one.closest("section").getAttribute("aria-label"));
    const fresh = document.adoptNode(page.getElementById("numbers"));
    for (const section of fresh.querySelectorAll("section")) {
      const more = section.querySelector("details");
      if (more) more.open = open.includes(section.getAttribute("aria-label"));
    }
    place.replaceWith(fresh);
    raise(fresh.querySelector("#chart"));
  } catch {
    place.classList.remove("waiting");
    if (!place.querySelector("a")) place.textContent = "The numbers did not come.";
  }
}

/** The chart stands over the list, as wide as that. */
function raise(chart) {
  const over = document.getElementById("over");
  if (over.contains(document.activeElement)) {
    chart?.remove();
    return;
  }
  over.replaceChildren(...(chart ? [chart] : []));
  if (chart) brush(chart, choose);
}

/** The numbers cost more than the rows, so while things happen they are asked for now and then. */
function numbersLater() {
  numbersTimer ??= setTimeout(numbers, Math.max(0, numbersAt + NUMBERS_MS - Date.now()));
}

function choose(since, until) {
  const url = new URL(location.href);
  url.searchParams.set("since", since);
  url.searchParams.set("until", until);
  url.searchParams.delete("cursor");
  location.assign(url);
}

// ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function mark() {
  const every = runs.rows, row = every[runs.at];
  if (!row) return;
  row.classList.toggle("marked");
  const marked = every.filter((one) => one.classList.contains("marked"));
  for (const extra of marked.slice(MARKED_MAX)) if (extra !== row) extra.classList.remove("marked");
  if (marked.length > MARKED_MAX) marked.find((one) => one !== row)?.classList.remove("marked");
  const two = every.filter((one) => one.classList.contains("marked")).map((one) => one.dataset.run);
  const link = document.getElementById("compare");
  const url = new URL("/compare", location.href);
  if (two[0]) url.searchParams.set("left", two[0]);
  if (two[1]) url.searchParams.set("right", two[1]);
  link.href = url.href;
  link.hidden = two.length === 0;
  link.textContent = two.length === 2 ? "Compare the two" : "Compare with another";
}

key("x", "Mark the run for comparison", mark);
key("c", "Compare the marked runs", () => document.getElementById("compare").hidden || document.getElementById("compare").click());

if (side) {
  const chart = document.getElementById("chart");
  if (chart) raise(chart);
  else numbers();
}
follow(refresh);
