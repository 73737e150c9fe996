// The task centre: rows change in place while their tasks go on, new ones are counted, and tasks are canceled and retried here.

import { acting, say } from "./acting.js";
import { key } from "./keys.js";
import { Listing, growing } from "./listing.js";
import { fetchPage, follow, swap } from "./live.js";

const EVERY_MS = 1_000, ASKED_MAX = 100;
const OVER = ["succeeded", "failed", "canceled"];
const tasks = new Listing("task", "task");
const said = document.getElementById("said");

function grow() {
  const table = document.getElementById("tasks");
  if (table) growing(table, "/tasks/rows");
}

// ── news ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

const isUnderWay = (row) => !OVER.includes(row.dataset.mark);

async function refresh() {
  const before = new Map(tasks.rows.map((row) => [row.dataset.task, row.dataset.mark]));
  let coming = new Set();
  await tasks.renew("#nowhere", (page) => {
    for (const id of ["strip", "states"]) if (!document.getElementById(id).contains(document.activeElement)) swap(id, page);
    coming = new Set([...page.querySelectorAll("tr[data-task]")].map((row) => row.dataset.task));
  }, (page) => {
    swap("list", page);
    grow();
  });
  // Those further down, and those that have left what the list is narrowed to, are asked for by name.
  const apart = tasks.rows.filter((row) => isUnderWay(row) && !coming.has(row.dataset.task)).slice(0, ASKED_MAX);
  if (apart.length) tasks.update(await fetchPage(`/tasks/rows?${new URLSearchParams({ ids: apart.map((row) => row.dataset.task).join(",") })}`));
  tell(before);
}

function tell(before) {
  const ended = tasks.rows.filter((row) => before.has(row.dataset.task) && before.get(row.dataset.task) !== row.dataset.mark && !isUnderWay(row));
  if (ended.length === 1) said.textContent = `${ended[0].querySelector("b").textContent}: ${ended[0].dataset.mark}`;
  else if (ended.length) said.textContent = `${ended.length} tasks ended`;
}

// ── keys and choices ───────────────────────────────────────────────────────────────────────────────────────────────────

function act(name) {
  const button = tasks.rows[tasks.at]?.querySelector(`button[data-act="${name}"]`);
  if (button) button.click();
  else if (tasks.at >= 0) say(name === "cancel" ? "This task is over." : "Only what failed or was canceled is done again.");
}

key("c", "Cancel the task", () => act("cancel"));
key("r", "Retry the task", () => act("retry"));

const narrow = document.getElementById("narrow");
if (narrow) {
  const go = () => {
    for (const field of narrow.elements) field.disabled = field.value === "";
    narrow.submit();
  };
  narrow.querySelector("button").hidden = true;
  narrow.addEventListener("change", go);
  narrow.addEventListener("submit", (event) => {
    event.preventDefault();
    go();
  });
}

grow();
acting(refresh);
const nudge = follow(refresh);
// Progress is no event of the journal, so it is asked for while something is under way.
setInterval(() => tasks.rows.some(isUnderWay) && nudge?.(), EVERY_MS);
