// The list of model calls: it grows, changes in place and counts what is new, as every list does.

import { Listing, growing, rememberColumns } from "./listing.js";
import { follow } from "./live.js";

const traces = new Listing("trace", "model call");

rememberColumns("flightlog.traces.columns");
const table = document.getElementById("traces");
if (table) growing(table, "/traces/rows");
follow(() => traces.renew());
