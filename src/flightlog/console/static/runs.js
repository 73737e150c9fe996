// The list of runs: rows that are shown change in place; new ones are counted, and wait until they are asked for.

import { fetchPage, follow } from "./live.js";

const list = () => document.getElementById("list");
const rowsOf = (root) => new Map([...root.querySelectorAll("tr[data-run]")].map((row) => [row.dataset.run, row]));

async function refresh() {
  const page = await fetchPage(location.href);
  const fresh = page.getElementById("list");
  const shown = rowsOf(list()), coming = rowsOf(fresh);
  if (shown.size === 0) {
    list().replaceWith(document.adoptNode(fresh));
    return;
  }
  for (const [run, row] of shown) {
    const now = coming.get(run);
    // Replacing a row would take the focus from somebody who is on it.
    if (now && now.innerHTML !== row.innerHTML && !row.contains(document.activeElement)) row.replaceWith(document.adoptNode(now));
  }
  if (list().dataset.first === "true") announce([...coming.keys()].filter((run) => !shown.has(run)).length, coming.size);
}

function announce(count, most) {
  const news = document.getElementById("news");
  news.hidden = count === 0;
  news.href = location.href;
  news.textContent = `${count}${count === most ? "+" : ""} new`;
}

document.getElementById("news").addEventListener("click", (event) => {
  event.preventDefault();
  location.reload();
});

follow(refresh);
