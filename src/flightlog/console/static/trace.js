// The page of one model call: saying what one thinks of it, and the answer as soon as it comes.

import { key } from "./keys.js";
import { fetchPage, follow, swap } from "./live.js";
import "./panel.js";

const NAME_KEPT = "flightlog.actor";
const form = document.getElementById("judge"), said = document.getElementById("judged");
const { target } = form.dataset;
form.hidden = false;
try {
  form.elements.actor.value = localStorage.getItem(NAME_KEPT) ?? "";
} catch {
  // Storage is switched off: the name has to be typed.
}

async function show() {
  const page = await fetchPage(location.href);
  for (const id of ["head", "said", "given"]) swap(id, page);
}

/** Say one thing. What the same person says of the same thing again replaces what was said. */
async function give(kind, value, comment) {
  const { name, actor } = form.elements;
  const body = { target_id: target, target_type: "generation", kind, given_by: "reviewer", source: "console" };
  if (value !== undefined) body.value = value;
  if (comment) body.comment = comment;
  if (kind !== "thumb" && name.value.trim()) body.name = name.value.trim();
  if (actor.value.trim()) body.actor = actor.value.trim();
  if (kind !== "comment") body.key = ["console", body.actor ?? "", kind, body.name ?? ""].join(":").slice(0, 256);
  const answer = await fetch("/api/feedback", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Error(problem.detail ?? `The server answered ${answer.status}.`);
  }
}

async function judge(thumb) {
  const { score, label, correction, comment, actor } = form.elements;
  const note = comment.value.trim();
  const all = [];
  if (thumb) all.push(["thumb", thumb]);
  if (score.value.trim()) all.push(["score", Number(score.value.replace(",", "."))]);
  if (label.value.trim()) all.push(["label", label.value.trim()]);
  if (correction.value.trim()) all.push(["correction", correction.value]);
  if (!all.length && note) all.push(["comment", undefined]);
  if (!all.length) {
    said.textContent = "There is nothing to save yet.";
    return;
  }
  if (all.some(([, value]) => Number.isNaN(value))) {
    said.textContent = "A score is a number.";
    form.elements.score.focus();
    return;
  }
  said.textContent = "Saving …";
  try {
    // A comment belongs to the first thing that is said.
    for (const [n, [kind, value]] of all.entries()) await give(kind, value, n === 0 ? note : "");
    const name = actor.value;
    form.reset();
    actor.value = name;
    try {
      localStorage.setItem(NAME_KEPT, name);
    } catch {
      // It holds for this page only.
    }
    await show();
    said.textContent = "Saved.";
  } catch (error) {
    said.textContent = `Not saved: ${error.message}`;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  judge(null);
});
for (const button of form.querySelectorAll("[data-thumb]")) button.addEventListener("click", () => judge(button.dataset.thumb));

const goTo = (rel) => document.querySelector(`.links a[rel="${rel}"]`)?.click();
key("j", "Next model call of the run", () => goTo("next"));
key("k", "Previous model call of the run", () => goTo("prev"));
follow(show);
