// Two runs side by side: keys lead from one difference to the next.

import { key } from "./keys.js";
import "./panel.js"; // a step opens beside the page

const different = () => [...document.querySelectorAll(".pair:not(.same)")];

function go(step) {
  const rows = different();
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step))];
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: "nearest" });
}

key("n", "Next difference", () => go(1));
key("N", "Previous difference", () => go(-1));
