// Deciding by keyboard: a, c or r (app.js presses the button) asks once more, Enter confirms, and the page lands on the
// next submission.
import "./contributions/contributions.css";
import { say } from "./words.js";

const TITLES = {
  approve: [say("Approve this?"), say("It goes into the taxonomy right away."), say("Approve")],
  request_changes: [say("Request changes?"), say("The author gets it back with your reason:"), say("Request changes")],
  reject: [say("Reject this?"), say("It is closed for good. The author reads your reason:"), say("Reject")],
};

class ReviewDecision extends HTMLElement {
  connectedCallback() {
    this.form = this.querySelector("form[method=post]");
    this.dialog = this.querySelector("dialog");
    const hint = this.querySelector("[data-keys]");
    if (hint) hint.hidden = document.body.dataset.shortcuts === "off";
    this.form.addEventListener("submit", this.onSubmit);
    this.dialog.addEventListener("close", this.onClose);
    this.form.elements.reason.addEventListener("keydown", this.onReasonKey);
  }

  reason() {
    const canned = this.form.elements.canned.value;
    const own = this.form.elements.reason.value.trim();
    return [canned, own].filter(Boolean).join("\n");
  }

  onSubmit = (event) => {
    if (this.confirmed) return;
    event.preventDefault();
    this.ask(event.submitter);
  };

  ask(button) {
    if (button.value !== "approve" && !this.reason()) {
      this.form.elements.reason.setCustomValidity(say("Write the reason, or choose a sentence. The author reads it."));
      this.form.elements.reason.reportValidity();
      this.form.elements.reason.setCustomValidity("");
      this.form.elements.reason.focus();
      this.begun = button;
      return;
    }
    const [title, usual, yes] = TITLES[button.value];
    // Where a place asks for several approvals, one of them is not the last word.
    const text = (button.value === "approve" && this.form.dataset.approveText) || usual;
    this.asked = button;
    this.dialog.querySelector("[data-title]").textContent = title;
    this.dialog.querySelector("[data-text]").textContent = [text, button.value === "approve" ? "" : this.reason()].filter(Boolean).join("\n\n");
    const confirm = this.dialog.querySelector("[data-yes]");
    confirm.textContent = yes;
    confirm.classList.toggle("btn-error", button.value === "reject");
    confirm.classList.toggle("btn-primary", button.value !== "reject");
    this.dialog.returnValue = "";
    this.dialog.showModal();
    confirm.focus();
  }

  // Whoever came here by a key gets on by keys: Enter is a new line of the reason, so it takes Ctrl (or ⌘) as well.
  onReasonKey = (event) => {
    if (event.key === "Escape") {
      event.target.blur();
      this.begun = null;
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && this.begun) {
      event.preventDefault();
      this.form.requestSubmit(this.begun);
    }
  };

  onClose = () => {
    if (this.dialog.returnValue !== "yes") return;
    this.confirmed = true;
    this.form.requestSubmit(this.asked);
  };
}

customElements.define("review-decision", ReviewDecision);
