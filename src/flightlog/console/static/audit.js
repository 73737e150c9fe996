// Audit records: the list grows, changes in place and counts what is new, as every list does; a record opens beside it.

import { Listing, growing, rememberColumns } from "./listing.js";
import { follow, swap } from "./live.js";
import { panel } from "./panel.js";

const audits = new Listing("audit", "record");

rememberColumns("flightlog.audit.columns");
const table = document.getElementById("audits");
if (table) growing(table, "/audit/rows");
follow(() =>
  audits.renew(undefined, (page) => {
    swap("matrix", page);
    swap("quick", page);
  }),
);

// ── the panel ──────────────────────────────────────────────────────────────────────────────────────────────────────────
// Links with data-panel open it by themselves; here the row is marked and the address remembers it.

function opened(id) {
  for (const row of audits.rows) row.classList.toggle("marked", Number(audits.idOf(row)) === id);
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
