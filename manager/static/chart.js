// A growth chart in plain SVG: one area, one line, a cross-hair. No more is needed for a few hundred points.
const NS = "http://www.w3.org/2000/svg";
const EDGE = { left: 52, right: 12, top: 10, bottom: 24 };

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(NS, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// The smallest of 1, 2, 5 × 10^k that cuts `top` into at most `parts`.
function step(top, parts) {
  const raw = Math.max(top, 1) / parts;
  const power = 10 ** Math.floor(Math.log10(raw));
  return Math.max(1, [1, 2, 5, 10].map((one) => one * power).find((one) => one >= raw));
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export class Growth {
  constructor(holder, series) {
    this.holder = holder;
    this.series = series;
    this.data = null;
    this.at = null;
    new ResizeObserver(() => this.draw()).observe(holder);
    holder.addEventListener("pointermove", (event) => this.point(event.clientX));
    holder.addEventListener("pointerleave", () => this.point(null));
  }

  show(history) {
    this.data = history;
    this.draw();
  }

  draw() {
    const times = this.data?.t ?? [];
    const { clientWidth: width, clientHeight: height } = this.holder;
    if (times.length < 2 || width < 120) return;
    const columns = this.series.map(({ key }) => this.data[key].map((value) => value ?? 0));
    const top = Math.max(1, ...columns.flat());
    const tick = step(top, 4);
    const high = Math.ceil(top / tick) * tick;
    const [from, to] = [times[0], times.at(-1)];
    this.x = (at) => EDGE.left + ((at - from) / (to - from)) * (width - EDGE.left - EDGE.right);
    this.y = (value) => height - EDGE.bottom - (value / high) * (height - EDGE.bottom - EDGE.top);
    const image = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-labelledby": "growth-title", "aria-describedby": "chart-summary" });
    for (let value = 0; value <= high; value += tick) {
      const y = this.y(value);
      image.append(svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y, y2: y }));
      image.append(svg("text", { x: EDGE.left - 8, y: y + 4, "text-anchor": "end" }, compact.format(value)));
    }
    const labels = width > 600 ? 5 : 3;
    for (let place = 0; place < labels; place += 1) {
      const at = from + ((to - from) * place) / (labels - 1);
      const anchor = place === 0 ? "start" : place === labels - 1 ? "end" : "middle";
      image.append(svg("text", { x: this.x(at), y: height - 4, "text-anchor": anchor }, clock.format(at * 1000)));
    }
    const lines = columns.map((column) => column.map((value, place) => `${place ? "L" : "M"}${this.x(times[place]).toFixed(1)} ${this.y(value).toFixed(1)}`).join(""));
    image.append(svg("path", { class: "area", d: `${lines[0]}L${this.x(to)} ${this.y(0)}L${this.x(from)} ${this.y(0)}Z` }));
    lines.toReversed().forEach((line, place) => image.append(svg("path", { class: place === lines.length - 1 ? "first" : "second", d: line })));
    this.marks = image.appendChild(svg("g"));
    this.tip = document.createElement("div");
    this.tip.className = "tip";
    this.tip.hidden = true;
    this.holder.replaceChildren(image, this.tip);
    if (this.at !== null) this.point(this.at);
  }

  point(clientX) {
    this.at = clientX;
    if (!this.marks) return;
    this.marks.replaceChildren();
    this.tip.hidden = clientX === null;
    if (clientX === null) return;
    const box = this.holder.getBoundingClientRect();
    const times = this.data.t;
    const wanted = clientX - box.left;
    let near = 0;
    times.forEach((at, place) => { if (Math.abs(this.x(at) - wanted) < Math.abs(this.x(times[near]) - wanted)) near = place; });
    const x = this.x(times[near]);
    this.marks.append(svg("line", { class: "cross", x1: x, x2: x, y1: EDGE.top, y2: box.height - EDGE.bottom }));
    this.series.forEach(({ key }, place) => {
      this.marks.append(svg("circle", { class: place ? "point two" : "point", cx: x, cy: this.y(this.data[key][near] ?? 0), r: 4 }));
    });
    const rows = this.series.map(({ key, label }) => `${label} ${(this.data[key][near] ?? 0).toLocaleString("en")}`);
    this.tip.textContent = [clock.format(times[near] * 1000), ...rows].join("\n");
    const left = x + 14 + this.tip.offsetWidth > box.width ? x - 14 - this.tip.offsetWidth : x + 14;
    this.tip.style.left = `${Math.max(0, left)}px`;
  }
}
