// The page of one replay: what would happen, the confirmation, and then what becomes of each letter while it happens.

import { acting, keepName, keptName, send } from "./acting.js";
import { fetchPage, follow, swap } from "./live.js";

const EVERY_MS = 1_000;
const said = document.getElementById("said"), form = document.getElementById("apply");
const going = () => document.getElementById("going").dataset;
let last = going().state;

async function refresh() {
  const page = await fetchPage(location.href);
  for (const id of ["now", "actions", "going", "outcomes"]) if (!document.getElementById(id).contains(document.activeElement)) swap(id, page);
  if (!page.getElementById("applying")) document.getElementById("applying")?.remove();
  if (going().state !== last) said.textContent = `The replay is ${going().state}.`;
  last = going().state;
}

if (form) {
  const { reason, by, confirm } = form.elements, button = form.querySelector("button"), refused = document.getElementById("refused");
  by.value = keptName();
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    refused.textContent = "";
    keepName(by.value.trim());
    const body = { hash: form.dataset.hash, reason: reason.value.trim(), by: by.value.trim() };
    if (confirm) body.confirm = confirm.value.trim();
    try {
      await send(form.dataset.post, body);
      document.querySelector("main h1").focus();
    } catch (error) {
      refused.textContent = error.message;
      button.disabled = false;
    }
    await refresh();
  });
}

acting(refresh);
const nudge = follow(refresh);
setInterval(() => going().running === "true" && nudge?.(), EVERY_MS);
