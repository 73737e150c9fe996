// The histogram over the list: a stretch of time is chosen by dragging, or by the arrow keys and Enter.

/** Make the chart choose; `onChoose(since, until)` gets RFC 3339 times. */
export function brush(figure, onChoose) {
  const svg = figure.querySelector("svg"), said = figure.querySelector("#brushed");
  const since = Date.parse(figure.dataset.since), until = Date.parse(figure.dataset.until);
  const step = Number(figure.dataset.seconds) * 1000, steps = Math.max(1, Math.round((until - since) / step));
  const shade = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  shade.setAttribute("class", "brush");
  shade.setAttribute("height", "36");
  svg.append(shade);
  let from = null, to = null, dragging = false;

  const place = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(steps - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * steps)));
  };
  const times = () => [Math.min(from, to), Math.max(from, to) + 1].map((n) => new Date(since + n * step).toISOString());
  const show = () => {
    const begin = Math.min(from, to), length = Math.abs(from - to) + 1;
    shade.setAttribute("x", String((begin * 1000) / steps));
    shade.setAttribute("width", String((length * 1000) / steps));
    said.textContent = times().map((time) => time.slice(0, 16).replace("T", " ")).join(" – ");
  };
  const clear = () => {
    from = to = null;
    shade.setAttribute("width", "0");
    said.textContent = "";
  };

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    dragging = true;
    svg.setPointerCapture(event.pointerId);
    from = to = place(event);
    show();
  });
  svg.addEventListener("pointermove", (event) => {
    if (!dragging) return;
    to = place(event);
    show();
  });
  svg.addEventListener("pointerup", () => {
    if (!dragging) return;
    dragging = false;
    onChoose(...times());
  });
  svg.addEventListener("pointercancel", () => {
    dragging = false;
    clear();
  });

  figure.tabIndex = 0;
  figure.setAttribute("role", "group");
  figure.setAttribute("aria-label", "Runs over time. Arrow keys choose a stretch, Shift makes it longer, Enter shows it.");
  figure.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (way) {
      to = to === null ? (way > 0 ? 0 : steps - 1) : Math.min(steps - 1, Math.max(0, to + way));
      if (!event.shiftKey || from === null) from = to;
      show();
    } else if (event.key === "Enter" && from !== null) onChoose(...times());
    else if (event.key === "Escape" && from !== null) clear();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}
