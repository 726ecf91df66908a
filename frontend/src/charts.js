// <score-chart data="id">: the scores of releases as points on their 95 % intervals, one measure at a time.
// The data are those of taxonomy_app/releases/dashboard.py, in a <script type="application/json"> with that id;
// the page has the same numbers in tables, so the picture is for the eye alone.
import { Chart, Legend, LinearScale, PointElement, ScatterController, Tooltip } from "chart.js";
import "./charts.css";
import { decimal, say } from "./words.js";

Chart.register(Legend, LinearScale, PointElement, ScatterController, Tooltip);

const ROW = 44;
const FRAME = 96;
// Where in its row a series lies, so that intervals of one row do not cover each other.
const SERIES = [
  { key: "before", label: say("before the round"), offset: -0.2, shape: "circle", hollow: true, colour: "--chart-before" },
  { key: "after", label: say("after the round"), offset: 0, shape: "circle", hollow: false, colour: "--gain" },
  { key: "control", label: say("tuned without replay"), offset: 0.2, shape: "triangle", hollow: false, colour: "--loss" },
  { key: "baseline", label: say("published, not measured here"), offset: 0, shape: "rectRot", hollow: false, colour: "--chart-quiet" },
];

// Draws each point's interval as a line with short ends, under the points.
const intervals = {
  id: "intervals",
  beforeDatasetsDraw(chart) {
    const { ctx, scales } = chart;
    chart.data.datasets.forEach((dataset, index) => {
      if (!chart.isDatasetVisible(index)) return;
      ctx.save();
      ctx.strokeStyle = dataset.borderColor;
      ctx.lineWidth = 2;
      for (const point of dataset.data) {
        if (point.low === null) continue;
        const y = scales.y.getPixelForValue(point.y);
        const [left, right] = [scales.x.getPixelForValue(point.low), scales.x.getPixelForValue(point.high)];
        ctx.beginPath();
        ctx.moveTo(left, y);
        ctx.lineTo(right, y);
        for (const x of [left, right]) {
          ctx.moveTo(x, y - 4);
          ctx.lineTo(x, y + 4);
        }
        ctx.stroke();
      }
      ctx.restore();
    });
  },
};

// A canvas knows no CSS variables, and Chart.js reads no oklch(): the browser computes each colour for an element, and
// a single painted point gives it back in red, green and blue.
function colours(element) {
  const probe = document.createElement("span");
  probe.hidden = true;
  element.append(probe);
  const pixel = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (value) => {
    probe.style.color = value;
    pixel.clearRect(0, 0, 1, 1);
    pixel.fillStyle = getComputedStyle(probe).color;
    pixel.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = pixel.getImageData(0, 0, 1, 1).data;
    return `rgba(${red}, ${green}, ${blue}, ${(alpha / 255).toFixed(3)})`;
  };
  const found = {
    text: read("var(--color-base-content)"),
    grid: read("color-mix(in oklab, var(--color-base-content) 14%, transparent)"),
    ground: read("var(--color-base-100)"),
    "--gain": read("var(--gain)"),
    "--loss": read("var(--loss)"),
    "--chart-before": read("color-mix(in oklab, var(--color-base-content) 68%, var(--color-base-100))"),
    "--chart-quiet": read("color-mix(in oklab, var(--color-secondary) 78%, var(--color-base-content))"),
  };
  probe.remove();
  return found;
}

const figure = (value) => decimal(value, 2, 2);
const shorten = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

class ScoreChart extends HTMLElement {
  connectedCallback() {
    this.measures = JSON.parse(document.getElementById(this.getAttribute("data")).textContent);
    if (!this.measures.length) return;
    this.chosen = 0;
    this.append(this.switch(), this.caption(), this.frame(), this.note());
    this.repaint = () => this.draw();
    document.addEventListener("seedbed:theme", this.repaint);
    this.scheme = matchMedia("(prefers-color-scheme: dark)");
    this.scheme.addEventListener("change", this.repaint);
    // Labels are shortened by the frame's width, so a turned phone needs them anew.
    this.observer = new ResizeObserver(() => {
      const narrow = this.box.clientWidth < 560;
      if (narrow !== this.narrow) this.draw();
    });
    this.observer.observe(this.box);
    this.draw();
  }

  disconnectedCallback() {
    this.observer?.disconnect();
    this.chart?.destroy();
    document.removeEventListener("seedbed:theme", this.repaint);
    this.scheme?.removeEventListener("change", this.repaint);
  }

  switch() {
    const group = document.createElement("div");
    group.className = "flex flex-wrap gap-1.5 mb-4";
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", say("What the chart shows"));
    this.buttons = this.measures.map((measure, index) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "btn btn-sm";
      button.textContent = measure.title;
      button.addEventListener("click", () => {
        this.chosen = index;
        this.draw();
      });
      group.append(button);
      return button;
    });
    return group;
  }

  caption() {
    this.heading = document.createElement("p");
    this.heading.className = "font-semibold";
    this.heading.setAttribute("aria-live", "polite");
    return this.heading;
  }

  frame() {
    this.box = document.createElement("div");
    this.box.className = "chart-frame";
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.box.append(this.canvas);
    return this.box;
  }

  note() {
    this.remark = document.createElement("p");
    this.remark.className = "quiet mt-2 text-sm";
    return this.remark;
  }

  draw() {
    const measure = this.measures[this.chosen];
    const paint = colours(this);
    const width = this.box.clientWidth;
    this.narrow = width < 560;
    this.buttons.forEach((button, index) => {
      button.setAttribute("aria-pressed", String(index === this.chosen));
      button.classList.toggle("btn-primary", index === this.chosen);
      button.classList.toggle("btn-ghost", index !== this.chosen);
    });
    this.heading.textContent = `${measure.title}: ${measure.unit}`;
    this.remark.textContent = measure.note;
    this.canvas.setAttribute("aria-label", say("{title}, {unit}. The tables below hold the same numbers.", measure));
    this.box.style.height = `${measure.rows.length * ROW + FRAME}px`;

    const datasets = SERIES.map((series) => ({
      label: series.label,
      data: measure.rows.flatMap((row, y) =>
        row[series.key] ? [{ x: row[series.key].value, y: y + series.offset, row: row.label, ...row[series.key] }] : [],
      ),
      pointStyle: series.shape,
      pointRadius: series.shape === "circle" ? 6 : 7,
      pointHoverRadius: 8,
      borderWidth: 2,
      borderColor: paint[series.colour],
      backgroundColor: series.hollow ? paint.ground : paint[series.colour],
    })).filter((dataset) => dataset.data.length);

    this.chart?.destroy();
    this.chart = new Chart(this.canvas, {
      type: "scatter",
      data: { datasets },
      plugins: [intervals],
      options: {
        responsive: true,
        maintainAspectRatio: false,
        animation: false,
        font: { family: getComputedStyle(this).fontFamily },
        layout: { padding: { right: 12 } },
        scales: {
          x: {
            grace: "6%",
            grid: { color: paint.grid },
            border: { display: false },
            ticks: { color: paint.text, maxTicksLimit: this.narrow ? 5 : 10, callback: (value) => decimal(value, 0, 3) },
            title: { display: true, color: paint.text, text: measure.lower ? say("← better") : say("better →"), align: measure.lower ? "start" : "end" },
            suggestedMin: this.bounds(measure)[0],
            suggestedMax: this.bounds(measure)[1],
          },
          y: {
            min: -0.5,
            max: measure.rows.length - 0.5,
            reverse: true,
            grid: { color: paint.grid, drawTicks: false },
            border: { display: false },
            afterBuildTicks: (axis) => {
              axis.ticks = measure.rows.map((_, value) => ({ value }));
            },
            ticks: {
              color: paint.text,
              autoSkip: false,
              padding: 8,
              font: { size: this.narrow ? 12 : 13 },
              callback: (value) => shorten(measure.rows[value]?.label ?? "", this.narrow ? 16 : 32),
            },
          },
        },
        plugins: {
          legend: { position: "top", align: "start", labels: { color: paint.text, usePointStyle: true, boxHeight: 8, padding: 14 } },
          tooltip: {
            displayColors: false,
            callbacks: {
              title: (points) => points[0].raw.row,
              label: ({ dataset, raw }) =>
                `${dataset.label}: ${figure(raw.value)}` + (raw.low === null ? "" : ` [${figure(raw.low)}, ${figure(raw.high)}]`),
            },
          },
        },
      },
    });
  }

  // Intervals are drawn by our own plugin, so the axis must be told of them.
  bounds(measure) {
    const values = measure.rows.flatMap((row) =>
      SERIES.flatMap(({ key }) => (row[key] ? [row[key].value, row[key].low ?? row[key].value, row[key].high ?? row[key].value] : [])),
    );
    const [least, most] = [Math.min(...values), Math.max(...values)];
    const margin = (most - least) * 0.04 || 0.1;
    return [least - margin, most + margin];
  }
}

customElements.define("score-chart", ScoreChart);
