// The live overview: asks for the numbers every 2 s while somebody looks. All text from outside goes in as textContent.
import { Growth, svg } from "./chart.js";

const EVERY = 2000;
const SLOWEST = 15000;
const $ = (id) => document.getElementById(id);
const series = [{ key: "hops", label: "hops discovered" }, { key: "results", label: "results stored" }];
const growth = new Growth($("chart"), series);
const state = { tag: "", last: null, shown: null, delay: EVERY, timer: 0, paused: false };

function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenth = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const number = (value) => (value === null || value === undefined ? "–" : Number.isInteger(value) || value >= 100 ? whole.format(value) : tenth.format(value));
const ms = (value) => (value === null ? "–" : `${tenth.format(value)} ms`);
const time = (text) => new Date(text).toLocaleTimeString("en-GB");

function ago(text, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - Date.parse(text)) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  return `${Math.round(seconds / 3600)} h ago`;
}

function when(text, now) {
  return make("time", { dateTime: text, title: text, textContent: ago(text, now) });
}

function tiles(it) {
  for (const output of document.querySelectorAll("[data-value]")) {
    const text = number(it.totals[output.dataset.value]);
    if (output.textContent !== text) output.textContent = text;
  }
  const rate = it.totals.hops_per_minute;
  if (rate) document.querySelector('[data-note="hops"]').textContent = `+${number(Math.round(rate))} in a minute`;
}

function chart(it) {
  const { t, hops, results, served } = it.history;
  growth.show(it.history);
  if (t.length < 2) return;
  const span = Math.round(t.at(-1) - t[0]);
  $("chart-summary").textContent =
    `In ${span < 120 ? `${span} s` : `${Math.round(span / 60)} min`}: hops from ${number(hops[0] ?? 0)} to ${number(hops.at(-1))}, ` +
    `results from ${number(results[0] ?? 0)} to ${number(results.at(-1))}.`;
  const stride = Math.max(1, Math.ceil(t.length / 12));
  const places = t.map((_, place) => place).filter((place) => (t.length - 1 - place) % stride === 0).reverse();
  $("chart-rows").replaceChildren(...places.map((place) => make("tr", {},
    make("th", { scope: "row", textContent: new Date(t[place] * 1000).toLocaleTimeString("en-GB") }),
    ...[hops, results, served].map((column) => make("td", { textContent: number(column[place]) })))));
}

function beats(steps) {
  const high = Math.max(1, ...steps);
  const bars = steps.map((value, place) => {
    const height = Math.max(1, (value / high) * 20);
    return svg("rect", { x: place * 4.26, y: 22 - height, width: 3, height });
  });
  return svg("svg", { class: "beats", viewBox: "0 0 128 22", role: "img", "aria-label": `results of the last looks: ${steps.join(", ")}` }, ...bars);
}

function agents(it, now) {
  $("agents-empty").hidden = it.agents.length > 0;
  const more = it.totals.agents - it.agents.length;
  $("agents-more").hidden = more === 0;
  $("agents-count").textContent = `${number(more)} more; ${number(it.totals.agents_silent)} of all ${number(it.totals.agents)} are silent.`;
  $("agents").replaceChildren(...it.agents.map((one) => make("tr", {},
    make("th", { scope: "row" }, make("span", { className: `mark ${one.state}`, title: one.state, textContent: one.name })),
    make("td", {}, when(one.last_result, now)),
    make("td", { className: "num count", textContent: number(one.results) }),
    make("td", { className: "num rate", textContent: number(one.results_per_minute) }),
    make("td", { className: "wide" }, beats(one.beats)),
    make("td", { className: "num", textContent: one.answered_percent === null ? "–" : `${one.answered_percent} %` }),
    make("td", { className: "num", textContent: ms(one.rtt_ms) }))));
}

function services(it, now) {
  $("services").replaceChildren(...it.services.map((one) => {
    const said = one.since ? [`${one.state} since `, when(one.since, now)] : [one.state];
    if (one.detail) said.push(`: ${one.detail}`);
    return make("li", {},
      make("span", { className: `mark ${one.state}`, textContent: one.kind }),
      make("code", { textContent: one.url }),
      make("span", { className: "quiet" }, ...said, one.version ? ` · ${one.version}` : ""));
  }));
}

const unheard = (hop) => (hop.redacted ? "kept at home" : "no answer");

function dots(route) {
  return make("span", { className: "dots", ariaHidden: "true" }, ...route.hops.map((hop, place) => {
    const kind = hop.redacted ? " redacted" : hop.address === null ? " silent" : "";
    const end = hop.address === route.target ? " end" : "";
    const gap = place && hop.ttl !== route.hops[place - 1].ttl + 1 ? " gap" : "";
    return make("i", { className: `dot c${hop.colour}${kind}${end}${gap}`, title: `${hop.ttl}  ${hop.address ?? unheard(hop)}  ${hop.network}` });
  }));
}

function path(route) {
  const names = route.hops.map((hop) => hop.network).filter((name) => name);
  return names.filter((name, place) => name !== names[place - 1]).join(" › ");
}

function hopTable(route) {
  const head = ["TTL", "Address", "Network", "RTT"].map((text, place) => make("th", { scope: "col", className: place === 3 ? "num" : "", textContent: text }));
  const rows = route.hops.map((hop) => make("tr", {},
    make("td", { className: "num", textContent: hop.ttl }),
    make("td", { className: "hop-address", textContent: hop.address ?? unheard(hop) }),
    make("td", {}, make("span", { className: hop.colour < 0 ? "swatch none" : `swatch c${hop.colour}`, ariaHidden: "true" }), hop.asn ? `AS${hop.asn} ${hop.network}` : hop.network),
    make("td", { className: "num", textContent: ms(hop.rtt_ms) })));
  const end = route.reached ? "reached" : `not reached (${route.stop_reason})`;
  return make("div", { className: "scroll" },
    make("table", { className: "hops" },
      make("caption", { className: "quiet", textContent: `${route.agent} to ${route.target}, ${time(route.started)}, ${end}` }),
      make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
}

function routeRow(route) {
  const summary = make("summary", {},
    make("span", { className: "who", textContent: route.agent }),
    make("span", { className: "to" }, make("b", { textContent: route.target }), " ", make("small", { textContent: route.network })),
    make("span", { className: "way" }, dots(route), make("span", { className: "path", textContent: path(route) })),
    make("span", { className: "num", textContent: route.hops.length ? `${route.hops.at(-1).ttl} hops` : "ping" }),
    make("span", { className: "num", textContent: ms(route.rtt_ms) }));
  const row = make("details", { className: "route fresh" }, summary);
  row.dataset.id = route.id;
  row.addEventListener("toggle", () => { if (row.open && row.children.length === 1) row.append(hopTable(route)); });
  return row;
}

// Rows that are open or hold the focus stay where they are: nothing is taken away from under a reader.
function routes(it) {
  const list = $("routes");
  const wanted = new Set(it.routes.map((route) => route.id));
  const had = new Map([...list.children].filter((row) => row.dataset.live).map((row) => [row.dataset.id, row]));
  for (const row of [...list.children]) {
    const held = row.dataset.live && (row.open || row.contains(document.activeElement));
    if (!held && !(row.dataset.live && wanted.has(row.dataset.id))) row.remove();
  }
  for (const route of it.routes.toReversed()) {
    if (had.has(route.id)) continue;
    const row = routeRow(route);
    row.dataset.live = "1";
    list.prepend(row);
  }
  $("routes-empty").hidden = list.children.length > 0;
}

function show(it) {
  state.shown = it;
  const now = Date.parse(it.at);
  if ($("headline").textContent !== it.headline) $("headline").textContent = it.headline;
  tiles(it);
  chart(it);
  agents(it, now);
  services(it, now);
  routes(it);
}

function live() {
  const kind = state.paused ? "paused" : state.delay > EVERY ? "stale" : "live";
  $("live").dataset.state = kind;
  const seen = state.last ? `updated ${ago(state.last)}` : "";
  $("live-text").textContent = { paused: `held, ${seen}`, stale: "no answer", live: `live, ${seen}` }[kind];
  $("stale").hidden = kind !== "stale";
  if (kind === "stale") $("stale").textContent = `The manager does not answer; these numbers are from ${state.last ? time(state.last) : "when the page was loaded"}. Trying again by itself.`;
}

async function poll() {
  clearTimeout(state.timer);
  try {
    const answer = await fetch("/api/v1/overview", { headers: state.tag ? { "If-None-Match": state.tag } : {}, cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (answer.status === 401) return location.reload(); // the session has ended: the way in is told there
    if (answer.status !== 304) {
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      state.tag = answer.headers.get("ETag") ?? "";
      show(await answer.json());
    }
    state.last = new Date().toISOString();
    state.delay = EVERY;
  } catch {
    state.delay = Math.min(SLOWEST, state.delay * 2);
  }
  live();
  plan();
}

function plan() {
  clearTimeout(state.timer);
  if (!document.hidden && !state.paused) state.timer = setTimeout(poll, state.delay);
}

function pause() {
  state.paused = !state.paused;
  $("pause").setAttribute("aria-pressed", String(state.paused));
  $("pause").textContent = state.paused ? "Go on" : "Pause";
  live();
  if (state.paused) plan(); else poll();
}

function move(by) {
  const rows = [...$("routes").querySelectorAll("summary")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest("summary"));
  rows[Math.min(rows.length - 1, Math.max(0, at + by))].focus();
}

const keys = { j: () => move(1), k: () => move(-1), p: pause, "?": () => $("help").showModal() };
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  keys[event.key]?.();
});
$("pause").addEventListener("click", pause);
$("keys").addEventListener("click", () => $("help").showModal());
document.addEventListener("visibilitychange", () => { if (!document.hidden && !state.paused) poll(); else plan(); });
setInterval(live, 1000);
$("tools").hidden = false;
poll();
