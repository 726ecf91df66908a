// A round's page while it runs: the loss curve, clocks that go on between two looks, and details that stay open.
import uPlot from "uplot";
import "./curve.css";
import { decimal, say } from "./words.js";

const paint = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// <loss-curve data-rows="id"> draws the rows of the table body with that id (step, loss, loss of the control). The table
// is the source and the alternative: the server renders it, and every new version of it is drawn again.
class LossCurve extends HTMLElement {
  connectedCallback() {
    this.redraw = () => this.draw();
    this.repaint = () => {
      this.plot?.destroy();
      this.plot = undefined;
      this.draw();
    };
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    document.addEventListener("htmx:afterSettle", this.redraw);
    document.addEventListener("seedbed:theme", this.repaint);
    this.dark.addEventListener("change", this.repaint);
    this.resizing = new ResizeObserver(() => {
      if (this.plot && this.clientWidth) this.plot.setSize({ width: this.clientWidth, height: this.plot.height });
    });
    this.resizing.observe(this);
    this.draw();
  }

  disconnectedCallback() {
    document.removeEventListener("htmx:afterSettle", this.redraw);
    document.removeEventListener("seedbed:theme", this.repaint);
    this.dark.removeEventListener("change", this.repaint);
    this.resizing.disconnect();
    this.plot?.destroy();
  }

  read() {
    const rows = document.getElementById(this.dataset.rows)?.rows ?? [];
    const columns = [[], [], []];
    for (const row of rows) {
      for (const [index, cell] of [...row.cells].entries()) {
        const value = Number.parseFloat(cell.dataset.value);
        columns[index].push(Number.isNaN(value) ? null : value);
      }
    }
    return columns;
  }

  draw() {
    const data = this.read();
    this.hidden = data[0].length < 2;
    if (this.hidden) return;
    const control = data[2].some((value) => value !== null);
    if (this.plot && this.control === control) {
      this.plot.setData(control ? data : data.slice(0, 2));
      return;
    }
    this.plot?.destroy();
    this.control = control;
    const ink = paint("--color-base-content");
    const grid = { stroke: paint("--color-base-300"), width: 1 };
    const axis = { stroke: ink, grid, ticks: grid, font: `12px ${paint("--font-sans") || "sans-serif"}` };
    const line = (label, colour, dash) => ({
      label,
      stroke: paint(colour),
      width: 2,
      dash,
      spanGaps: true,
      points: { show: false },
      value: (_, value) => (value === null ? "–" : decimal(value, 3, 3)),
    });
    const series = [{ label: say("Step") }, line(this.dataset.tuning, "--color-primary")];
    if (control) series.push(line(this.dataset.control, "--color-secondary", [6, 4]));
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", say("Loss by step of tuning; the numbers are in the table above."));
    this.plot = new uPlot(
      {
        width: this.clientWidth || 600,
        height: 260,
        scales: { x: { time: false } },
        axes: [
          { ...axis, label: say("Step"), labelSize: 22 },
          { ...axis, label: say("Loss (nats a token)"), labelSize: 22, size: 56 },
        ],
        series,
        cursor: { points: { size: 7 } },
      },
      control ? data : data.slice(0, 2),
      this,
    );
  }
}
customElements.define("loss-curve", LossCurve);

function words(seconds) {
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600 && seconds % 60) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min`;
  const minutes = Math.round(seconds / 60);
  return minutes % 60 ? `${Math.floor(minutes / 60)} h ${minutes % 60} min` : `${minutes / 60} h`;
}

// <running-time data-seconds="42"> goes on counting from there; the server's words stand where scripts do not run.
class RunningTime extends HTMLElement {
  connectedCallback() {
    const begun = Date.now() - Number(this.dataset.seconds) * 1000;
    const tick = () => {
      this.textContent = words(Math.round((Date.now() - begun) / 1000));
    };
    this.timer = setInterval(tick, 1000);
    tick();
  }

  disconnectedCallback() {
    clearInterval(this.timer);
  }
}
customElements.define("running-time", RunningTime);

// A swapped fragment keeps its details open that a reader opened, and where the reader had scrolled to in them.
let open = new Map();
document.addEventListener("htmx:beforeSwap", () => {
  open = new Map();
  for (const details of document.querySelectorAll("details[data-keep-open][open]")) {
    const box = details.querySelector("[class*=overflow-y]");
    open.set(details.id, { scroll: box?.scrollTop ?? 0, focused: details.contains(document.activeElement) });
  }
});
document.addEventListener("htmx:afterSwap", () => {
  for (const [id, { scroll, focused }] of open) {
    const details = document.getElementById(id);
    if (!details) continue;
    details.open = true;
    const box = details.querySelector("[class*=overflow-y]");
    if (box) box.scrollTop = scroll;
    if (focused) details.querySelector("summary").focus({ preventScroll: true });
  }
});
