// Numbers over time: each table is drawn as a chart above it, and a point leads where its cell leads. Left and right go through
// the bars of a chart that has the focus, Enter follows.

import { key } from "./keys.js";

const HEIGHT = 200;
const INKS = ["--k-llm", "--k-tool", "--k-decide", "--k-patch", "--k-metric", "--k-exec", "--ink-3"];
const charts = [...document.querySelectorAll(".stat-chart")].map(read);

/** A section as `{ section, shape, unit, names, times, rows, amounts, links }`; rows are those of its table. */
function read(section) {
  const rows = [...section.querySelectorAll("tbody tr")];
  const names = [...section.querySelectorAll("thead th")].slice(1).map((head) => head.textContent);
  const cells = rows.map((row) => [...row.querySelectorAll("td")]);
  const amount = (cell) => (cell.dataset.amount === "" ? null : Number(cell.dataset.amount));
  return {
    section, names, rows, shape: section.dataset.shape, unit: section.dataset.unit,
    times: rows.map((row) => Number(row.dataset.at)), width: Number(section.dataset.width),
    amounts: names.map((_, line) => cells.map((row) => amount(row[line]))),
    links: names.map((_, line) => cells.map((row) => row[line].querySelector("a")?.href ?? null)),
  };
}

// ── numbers as people read them ────────────────────────────────────────────────────────────────────────────────────────────

const short = (value) => Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 }).format(value);
const money = (value) => "$" + Intl.NumberFormat("en", { maximumSignificantDigits: 3, notation: value >= 10_000 ? "compact" : "standard" }).format(value);

function duration(ns) {
  const steps = [[3_600e9, "h"], [60e9, "min"], [1e9, "s"], [1e6, "ms"], [1e3, "µs"]];
  const [size, unit] = steps.find(([least]) => ns >= least) ?? [1, "ns"];
  return `${Number((ns / size).toPrecision(3))} ${unit}`;
}

const WORDS = { count: short, usd: money, ns: duration };
const said = (chart, value) => (value === null || value === undefined ? "–" : WORDS[chart.unit](value));

/** The day, or the hour inside of one, of UTC. */
function time(at) {
  const moment = new Date(at * 1000), inDay = at % 86_400 !== 0;
  return moment.toLocaleString("en-GB", { timeZone: "UTC", ...(inDay ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" }) });
}

// ── drawing ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Each line with all that lies below it; the lowest first. */
function stacked(amounts) {
  const sums = amounts[0].map(() => 0);
  return amounts.map((line) => line.map((value, place) => (sums[place] += value ?? 0)));
}

const ink = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const inkOf = (chart, line) => ink(chart.section.id === "calls" ? ["--k-llm", "--bad"][line] : INKS[line % INKS.length]);

function options(chart, width) {
  const isStack = chart.shape === "stacked";
  const bars = isStack ? uPlot.paths.bars({ size: [0.8, 48], align: 1 }) : undefined;
  // What lies on top is drawn first, so that what lies below covers it.
  const order = chart.names.map((_, line) => line);
  if (isStack) order.reverse();
  const axis = { stroke: ink("--ink-3"), grid: { stroke: ink("--rule"), width: 1 }, ticks: { stroke: ink("--rule"), width: 1 }, font: `11px ${ink("--font")}` };
  const made = {
    width, height: HEIGHT, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "UTC"),
    cursor: { drag: { x: false, y: false }, focus: { prox: 16 }, points: { show: !isStack } },
    scales: {
      x: { range: () => [chart.times[0], chart.times.at(-1) + chart.width * (isStack ? 1 : 0.05)] },
      // Tools differ by powers of ten.
      y: chart.unit === "ns" ? { distr: 3 } : { range: (plot, low, high) => [0, high > 0 ? high * 1.05 : 1] },
    },
    axes: [{ ...axis, values: (plot, ticks) => ticks.map(time) }, { ...axis, size: 58, values: (plot, ticks) => ticks.map((tick) => (tick === null ? "" : said(chart, tick))) }],
    series: [
      { label: "UTC", value: (plot, value, series, place) => (place === null || place === undefined ? "–" : chart.rows[place].querySelector("th").textContent) },
      ...order.map((line) => ({
        label: chart.names[line], paths: bars, stroke: inkOf(chart, line), fill: isStack ? inkOf(chart, line) : undefined, width: isStack ? 0 : 1.5,
        spanGaps: true, points: { show: !isStack && chart.times.length < 60, size: 5 },
        value: (plot, value, series, place) => said(chart, place === null || place === undefined ? null : chart.amounts[line][place]),
      })),
    ],
    hooks: { setCursor: [(plot) => mark(chart, plot.cursor.idx)] },
  };
  const lines = isStack ? stacked(chart.amounts) : chart.amounts;
  return [made, [chart.times, ...order.map((line) => lines[line])], order];
}

function draw(chart) {
  const place = chart.section.querySelector(".plot");
  place.hidden = false;
  chart.plot?.destroy();
  const [made, data, order] = options(chart, Math.max(200, place.clientWidth - 16));
  chart.plot = new uPlot(made, data, place);
  chart.plot.over.addEventListener("click", (event) => {
    const at = chart.plot.cursor.idx;
    if (at !== null && at !== undefined) follow(chart, at, lineAt(chart, order, at, event));
  });
}

/** Which line a click at this height means: the part of the bar, or the nearest point. */
function lineAt(chart, order, at, event) {
  const y = chart.plot.posToVal(event.clientY - chart.plot.over.getBoundingClientRect().top, "y");
  if (chart.shape === "stacked") {
    const tops = stacked(chart.amounts).map((line) => line[at]);
    const found = tops.findIndex((top) => y <= top);
    return found < 0 ? tops.length - 1 : found;
  }
  const gaps = chart.amounts.map((line) => (line[at] === null ? Infinity : Math.abs(line[at] - y)));
  return gaps.indexOf(Math.min(...gaps));
}

function follow(chart, at, line) {
  const link = chart.links[line]?.[at] ?? chart.links.map((each) => each[at]).find(Boolean);
  if (link) location.assign(link);
}

function mark(chart, at) {
  chart.rows.forEach((row, place) => row.classList.toggle("marked", place === at));
}

// ── keys ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function walk(chart, event) {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) {
    const last = chart.times.length - 1;
    chart.at = chart.at === undefined ? (step > 0 ? 0 : last) : Math.min(last, Math.max(0, chart.at + step));
    chart.plot.setCursor({ left: chart.plot.valToPos(chart.times[chart.at], "x") + 1, top: 10 });
    chart.said.textContent = [chart.rows[chart.at].querySelector("th").textContent, ...chart.names.map((name, line) => `${name} ${said(chart, chart.amounts[line][chart.at])}`)].join(", ");
  } else if (event.key === "Enter" && chart.at !== undefined) follow(chart, chart.at, -1);
  else return;
  event.preventDefault();
}

function enhance(chart) {
  const place = chart.section.querySelector(".plot");
  chart.section.querySelector("details").open = false;
  place.tabIndex = 0;
  place.setAttribute("role", "group");
  place.setAttribute("aria-label", `${chart.section.querySelector("h2").textContent.trim()}. Arrow keys go through it, Enter shows what is behind a bar.`);
  draw(chart);
  chart.said = document.createElement("p");
  chart.said.className = "visually-hidden";
  chart.said.setAttribute("role", "status");
  chart.section.append(chart.said);
  place.addEventListener("keydown", (event) => walk(chart, event));
}

if (globalThis.uPlot && charts.length) {
  charts.forEach(enhance);
  let waiting = null;
  const again = () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => charts.forEach(draw), 100);
  };
  addEventListener("resize", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  new MutationObserver(again).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  const step = (way) => {
    const plots = charts.map((chart) => chart.section.querySelector(".plot"));
    plots[Math.min(plots.length - 1, Math.max(0, plots.indexOf(document.activeElement) + way))].focus();
  };
  key("j", "Next chart", () => step(1));
  key("k", "Previous chart", () => step(-1));
}
document.body.dataset.charts = String(charts.length);
