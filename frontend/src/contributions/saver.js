// Sends the form to the address that saves and checks, one request at a time, and tells what came of it.

import { say } from "../words.js";

export class DraftSaver {
  constructor(url, form, tell) {
    this.url = url;
    this.form = form;
    this.tell = tell;
    this.running = null;
  }

  get busy() {
    return this.running !== null;
  }

  idle() {
    return this.running ?? Promise.resolve();
  }

  // The checks' element, or null when the server did not answer with one (it is tried again).
  async save() {
    while (this.running) await this.running;
    this.running = this.send();
    try {
      return await this.running;
    } finally {
      this.running = null;
    }
  }

  async send() {
    this.tell("saving", say("Saving…"));
    const data = new FormData(this.form);
    // Files and the place are taken over by the buttons only.
    for (const field of this.form.querySelectorAll("[data-no-autosave]")) data.delete(field.name);
    try {
      const answer = await fetch(this.url, { method: "POST", body: data, headers: { "X-Requested-With": "fetch" } });
      if (answer.redirected || answer.status === 403) {
        this.tell("failed", say("Not saved: you are not signed in any more. Copy what you wrote, then reload."));
        return null;
      }
      if (!answer.ok && answer.status !== 409 && answer.status !== 422) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const checks = document.importNode(page.querySelector("#checks"), true);
      if (answer.ok) this.tell("saved", say("Saved at {time}", { time: new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) }));
      else this.tell("failed", say("Not saved"));
      return checks;
    } catch {
      this.tell("failed", say("Not saved: the server cannot be reached. Trying again."));
      return null;
    }
  }
}
