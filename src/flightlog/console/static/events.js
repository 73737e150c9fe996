// The flight recorder: follows the end of the journal, holds still for whoever reads further up, and opens events beside it.

import { key } from "./keys.js";
import { follow } from "./live.js";
import { panel } from "./panel.js";
import { Tail } from "./tail.js";

const box = document.getElementById("tail");
const resume = document.getElementById("resume");
const said = document.getElementById("said");
const looked = document.getElementById("looked");
const tail = new Tail(box, show);

// ── following and holding still ────────────────────────────────────────────────────────────────────────────────────────

function show() {
  if (tail.rows.length) document.getElementById("none")?.remove();
  looked.hidden = !tail.looked;
  looked.firstElementChild.textContent = tail.looked;
  resume.hidden = tail.following;
  if (tail.following) {
    said.textContent = "";
    return;
  }
  const count = tail.atEnd ? tail.waiting : "0";
  resume.textContent = !tail.atEnd ? "Newest ↓" : count === "0" ? "Paused ↓" : `Paused, ${count} new ↓`;
  if (count !== "0") said.textContent = "New events wait below.";
}

looked.addEventListener("click", (event) => {
  if (!event.target.closest("a") || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  tail.further();
});

resume.addEventListener("click", () => tail.toEnd());

// ── going from row to row ──────────────────────────────────────────────────────────────────────────────────────────────

const linkOf = (row) => row?.querySelector("a.open");

function step(by) {
  const rows = [...tail.rows];
  const here = rows.indexOf(document.activeElement?.closest("li.event"));
  const next = here === -1 ? rows.at(-1) : rows[here + by];
  linkOf(next)?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

key("j", "Next event", () => step(1));
key("k", "Previous event", () => step(-1));
key("G", "Newest events, and follow", () => tail.toEnd());

// The whole row opens the event, except where it links elsewhere or somebody selects text.
box.addEventListener("click", (event) => {
  const row = event.target.closest("li.event");
  if (row && !event.target.closest("a") && getSelection().isCollapsed) linkOf(row).click();
});

// ── the panel ──────────────────────────────────────────────────────────────────────────────────────────────────────────
// Links with data-panel open it by themselves; here the row is marked and the address remembers it.

function opened(id) {
  for (const row of box.querySelectorAll(".event[aria-current]")) row.removeAttribute("aria-current");
  document.getElementById(`e${id}`)?.setAttribute("aria-current", "true");
  const url = new URL(location.href);
  if (id === null) url.searchParams.delete("id");
  else url.searchParams.set("id", id);
  if (url.href !== location.href) history.replaceState(history.state, "", url);
}

panel.onmove = opened;
panel.onclose = () => opened(null);
const wanted = Number(new URL(location.href).searchParams.get("id"));
if (wanted) {
  panel.open(wanted);
  opened(wanted);
}

// A link into the journal begins where it points.
if (!tail.atEnd && new URL(location.href).searchParams.has("afterId")) box.scrollTop = -box.scrollHeight;
follow(() => tail.news());
show();
