// The page of one task: everything on it goes on while the task does, without a jump and without taking the focus away.

import { acting } from "./acting.js";
import { key } from "./keys.js";
import { fetchPage, follow, swap } from "./live.js";
import "./panel.js";

const EVERY_MS = 1_000, TOLD_EACH = 250; // thousandths of progress between two things said
const said = document.getElementById("said");
const head = () => document.getElementById("task-head").dataset;
let last = { ...head() };

/** What is open in a part of the page stays open when that is renewed. */
function renew(id, page) {
  const old = document.getElementById(id), fresh = page.getElementById(id);
  if (!old || !fresh || old.contains(document.activeElement)) return;
  const open = [...old.querySelectorAll("details")].map((one) => one.open);
  for (const [n, one] of [...fresh.querySelectorAll("details")].entries()) one.open = open[n] ?? one.open;
  swap(id, page);
}

function tell() {
  const now = { ...head() };
  if (now.state !== last.state) said.textContent = `The task is in ${now.state}.`;
  else if (Math.floor(now.progress / TOLD_EACH) > Math.floor(last.progress / TOLD_EACH)) said.textContent = `${Math.floor(now.progress / 10)} percent`;
  last = now;
}

async function refresh() {
  const page = await fetchPage(location.href);
  for (const id of ["now", "task-head", "actions", "story", "latest", "data"]) renew(id, page);
  tell();
}

const press = (name) => document.querySelector(`button[data-act="${name}"]`)?.click();
key("c", "Cancel the task", () => press("cancel"));
key("r", "Retry the task", () => press("retry"));

acting(refresh);
const nudge = follow(refresh);
setInterval(() => head().over === "false" && nudge?.(), EVERY_MS);
