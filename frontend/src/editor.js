// The draft editor: saves and checks while one types, says what is saved, puts each problem at its field.
// Everything it does a plain form post does too; it only spares the steps.
import "./contributions/contributions.css";
import { DraftSaver } from "./contributions/saver.js";
import { say } from "./words.js";

const PAUSE = 600; // milliseconds without a key before what was typed is sent
const AGAIN = 4000; // milliseconds until a save that found no server is tried again

const words = (text) => (text.trim() ? text.trim().split(/\s+/).length : 0);

// A button of the form saves it and exchanges the editor; what looks how far an asking is does neither.
const sendsForm = (event) => event.detail.elt.matches("button[name='action']");

class DraftEditor extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form");
    this.saver = new DraftSaver(this.dataset.checkUrl, this.form, (state, text) => this.show(state, text));
    this.addEventListener("input", this.onInput);
    this.addEventListener("change", this.onInput);
    this.form.addEventListener("submit", this.onSubmit);
    this.addEventListener("htmx:confirm", this.onConfirm);
    this.addEventListener("htmx:beforeRequest", this.onLeave);
    this.addEventListener("htmx:afterRequest", this.onReturn);
    this.addEventListener("click", this.onClick);
    window.addEventListener("beforeunload", this.onUnload);
    window.addEventListener("pageshow", this.onShow);
  }

  disconnectedCallback() {
    clearTimeout(this.timer);
    window.removeEventListener("beforeunload", this.onUnload);
    window.removeEventListener("pageshow", this.onShow);
  }

  onInput = (event) => {
    const field = event.target;
    if (field.matches("textarea, input")) this.count(field);
    if (!field.name || field.closest("[data-no-autosave]")) return;
    this.dirty = true;
    this.show("waiting", say("Not saved yet"));
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), PAUSE);
  };

  count(field) {
    const place = field.closest("[data-field]")?.querySelector("[data-words]");
    if (!place) return;
    const number = words(field.value);
    place.querySelector("[data-count]").textContent = number;
    place.classList.toggle("severity-error", Number(place.dataset.words) > 0 && number > Number(place.dataset.words));
  }

  async save() {
    clearTimeout(this.timer);
    this.dirty = false;
    const checks = await this.saver.save();
    if (!checks) {
      this.dirty = true;
      this.timer = setTimeout(() => this.save(), AGAIN);
      return;
    }
    this.querySelector("#checks").replaceWith(checks);
    if (checks.dataset.refused === undefined) {
      for (const field of this.querySelectorAll("input[data-version]")) field.value = checks.dataset.version;
    } else {
      this.dirty = true;
    }
    this.place(checks);
    this.dispatchEvent(new CustomEvent("draft:checked", { bubbles: true, detail: { checks } }));
  }

  // Each problem goes below the field it names; what is elsewhere stays in the list beside the editor.
  place(checks) {
    const found = new Map();
    for (const item of checks.querySelectorAll("[data-problems] > li")) {
      const name = item.dataset.field;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push(item);
    }
    for (const frame of this.querySelectorAll("[data-field]:not(li)")) {
      const list = frame.querySelector(".field-problems");
      const control = frame.querySelector("textarea, input, select");
      if (!list || !control) continue;
      const problems = found.get(frame.dataset.field) ?? [];
      list.replaceChildren(
        ...problems.map((problem) => {
          const row = document.createElement("li");
          row.className = `severity-${problem.dataset.severity}`;
          row.textContent = problem.textContent;
          return row;
        }),
      );
      const wrong = problems.some((problem) => problem.dataset.severity === "error");
      const kind = control.localName === "input" ? "input" : control.localName;
      control.classList.toggle(`${kind}-error`, wrong);
      if (wrong) control.setAttribute("aria-invalid", "true");
      else control.removeAttribute("aria-invalid");
    }
  }

  show(state, text) {
    const place = this.querySelector("[data-save-state]");
    if (!place) return;
    place.dataset.state = state;
    place.querySelector("[data-save-text]").textContent = text;
  }

  // A button that leaves or changes the page waits for a save under way, or it would overtake it.
  onSubmit = async (event) => {
    if (event.defaultPrevented || this.settled) return;
    clearTimeout(this.timer);
    if (!this.saver.busy) {
      this.leaving = true;
      return;
    }
    event.preventDefault();
    await this.saver.idle();
    this.settled = true;
    this.leaving = true;
    this.form.requestSubmit(event.submitter);
    this.settled = false;
  };

  onConfirm = async (event) => {
    if (!sendsForm(event)) return;
    clearTimeout(this.timer);
    if (!this.saver.busy) return;
    event.preventDefault();
    await this.saver.idle();
    event.detail.issueRequest(true);
  };

  onLeave = (event) => {
    if (!sendsForm(event)) return;
    this.dirty = false;
    afterSwap(event.detail.elt.value);
  };

  // A button whose request failed has saved nothing: what was typed is still to be sent.
  onReturn = (event) => {
    if (!sendsForm(event) || event.detail.successful || !this.isConnected) return;
    this.dirty = true;
    this.timer = setTimeout(() => this.save(), AGAIN);
  };

  // Come back to by the browser's button, the page is as it was left: the draft may have been saved since.
  onShow = (event) => {
    if (event.persisted && !this.dirty) window.location.reload();
  };

  // A line's link in the list goes to the line in the text area.
  onClick = (event) => {
    const link = event.target.closest("a[data-line]");
    const area = this.querySelector("textarea[data-yaml]");
    if (!link || !area || area.hidden) return;
    event.preventDefault();
    const lines = area.value.split("\n");
    const start = lines.slice(0, link.dataset.line - 1).join("\n").length + (link.dataset.line > 1 ? 1 : 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[link.dataset.line - 1] ?? "").length);
  };

  onUnload = (event) => {
    if (this.dirty && !this.leaving) event.preventDefault();
  };
}

// After the editor was exchanged, the focus goes where the button's work is.
function afterSwap(action) {
  const [name, place = "0"] = (action ?? "").split(":");
  const at = Number.parseInt(place, 10);
  document.addEventListener(
    "htmx:afterSettle",
    () => {
      if (name === "ask" || name === "try") {
        document.querySelector("#asking")?.focus();
        return;
      }
      const cards = document.querySelectorAll(".seed-card");
      const step = { "seed-up": -1, "seed-down": 1, "seed-duplicate": 1, "seed-remove": 0 }[name] ?? 0;
      const card = name === "seed-add" ? cards[cards.length - 1] : cards[Math.min(at + step, cards.length - 1)];
      if (!card) return;
      if (name === "seed-up" || name === "seed-down") {
        const again = card.querySelector(`button[value^="${name}:"]:not([disabled])`);
        (again ?? card.querySelector("textarea")).focus();
      } else if (name === "pair-add") {
        [...card.querySelectorAll("[data-field$='.question'] textarea")].at(-1)?.focus();
      } else if (name.startsWith("source-")) {
        document.querySelector("#sources input")?.focus();
      } else {
        card.querySelector("textarea")?.focus();
      }
      card.scrollIntoView({ block: "nearest" });
    },
    { once: true },
  );
}

customElements.define("draft-editor", DraftEditor);
