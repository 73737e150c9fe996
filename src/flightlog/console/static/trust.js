// Whether a run can be trusted: how far it is sealed is asked for again while that changes, and it is verified on demand.

import { fetchPage, swap } from "./live.js";
import { enhance } from "./panel.js";

const SHOWN_MAX = 20, RETRY_MS = 10_000;
const button = document.getElementById("verify"), said = document.getElementById("verified");
const state = () => document.getElementById("trust");

// ── how far it is ──────────────────────────────────────────────────────────────────────────────────────────────────────

function later(ms) {
  if (ms) setTimeout(again, ms);
}

async function again() {
  let wait = RETRY_MS;
  if (document.visibilityState === "visible") {
    try {
      swap("trust", await fetchPage(state().dataset.href));
      enhance(state());
      wait = Number(state().dataset.again ?? 0) * 1_000;
    } catch {
      // The server is away for a moment; the live light says so.
    }
  }
  later(wait);
}

// ── verifying ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function make(tag, props = {}, ...children) {
  const made = Object.assign(document.createElement(tag), props);
  made.append(...children);
  return made;
}

const counted = (number, one, many) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

function found(one) {
  const item = make("li", {}, make("code", { textContent: one.kind }), ` ${one.means} `);
  const detail = one.id === null ? make("span") : make("a", { href: `/events?id=${one.id}&afterId=${Math.max(0, one.id - 1)}` });
  if (one.id !== null) detail.dataset.panel = one.id;
  detail.textContent = one.detail;
  item.append(detail);
  return item;
}

/** The outcome in words: what was altered by name, or that nothing was, with the time and the key. */
function told(report) {
  const key = report.key.split("+")[1] ?? "";
  const at = new Date(report.verified_at);
  const by = `at ${at.toLocaleTimeString("en-GB")}, by key ${key}`;
  const rest = [
    report.unsealed ? `${counted(report.unsealed, "event", "events")} not sealed yet` : "",
    report.erased ? `the payload of ${counted(report.erased, "event", "events")} was lawfully erased` : "",
    report.removed ? `${counted(report.removed, "event", "events")} went by the rules of retention` : "",
  ].filter(Boolean);
  const more = rest.length ? `; ${rest.join(", ")}` : "";
  const checked = `${counted(report.checked, "event", "events")} checked ${by}${more}`;
  if (report.ok) return [make("p", { className: "fine", textContent: `Nothing was altered: ${checked}.`, title: report.verified_at })];
  const all = report.findings.length + report.more;
  const list = make("ul", {}, ...report.findings.slice(0, SHOWN_MAX).map(found));
  if (all > SHOWN_MAX) list.append(make("li", { textContent: `and ${(all - SHOWN_MAX).toLocaleString("en")} more` }));
  return [make("p", { className: "bad", textContent: `${counted(all, "finding", "findings")}: ${checked}.` }), list];
}

async function verify() {
  button.disabled = true;
  button.textContent = "Verifying …";
  try {
    const answer = await fetch("/api/verify", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ run_id: button.dataset.run }),
    });
    const body = await answer.json();
    said.replaceChildren(...(answer.ok ? told(body) : [make("p", { className: "bad", textContent: body.detail })]));
  } catch {
    said.replaceChildren(make("p", { className: "bad", textContent: "The server did not answer." }));
  }
  button.disabled = false;
  button.textContent = "Verify again";
}

if (button) {
  button.hidden = false;
  button.addEventListener("click", verify);
}
if (state()) later(Number(state().dataset.again ?? 0) * 1_000);
