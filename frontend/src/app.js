// What every page has: htmx under the strict content security policy, the theme switch, the menus.
import htmx from "htmx.org";
import { say } from "./words.js";

// No eval, no injected style element: the policy forbids both.
htmx.config.allowEval = false;
htmx.config.includeIndicatorStyles = false;
htmx.config.selfRequestsOnly = true;
htmx.config.historyCacheSize = 0;
htmx.config.refreshOnHistoryMiss = true;
// An answer with problems in it (422), or that somebody else was first (409), is shown where it was asked for, with all
// that was typed; other errors reach the announcer below.
htmx.config.responseHandling = [
  { code: "204", swap: false },
  { code: "304", swap: false },
  { code: "[23]..", swap: true },
  { code: "409", swap: true },
  { code: "422", swap: true },
  { code: "[45]..", swap: false, error: true },
];
window.htmx = htmx;

const announcer = () => document.getElementById("announcer");

function announce(sentence) {
  const place = announcer();
  if (!place) return;
  place.textContent = sentence;
  place.hidden = false;
}

document.addEventListener("htmx:sendError", () => {
  announce(say("The server cannot be reached. Check the connection; what you typed is still here."));
});
document.addEventListener("htmx:responseError", (event) => {
  const { status } = event.detail.xhr;
  if (status === 401 || status === 403) announce(say("You are not signed in any more, or may not do this. Reload the page."));
  else announce(say("That did not work. Reload the page and try again."));
});
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful && announcer()) announcer().hidden = true;
});

// The theme is kept by the server in a cookie, so that the next page comes painted right; here it is only applied at once.
document.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-theme-switch]");
  if (!form || !event.submitter) return;
  event.preventDefault();
  const theme = event.submitter.value;
  const data = new FormData(form, event.submitter);
  if (theme === "system") document.documentElement.removeAttribute("data-theme");
  else document.documentElement.dataset.theme = theme;
  for (const button of form.querySelectorAll("button[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  document.dispatchEvent(new CustomEvent("seedbed:theme"));
  fetch(form.action, { method: "POST", body: data, headers: { "HX-Request": "true" } });
});

// The server shows times on the reader's clock; it learns the zone from here, from the second page on.
const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && !document.cookie.split("; ").includes(`zone=${zone}`)) {
  document.cookie = `zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}

// Menus are <details>: they open without scripts; here they close on Escape and on a click elsewhere.
const menus = () => document.querySelectorAll("details[data-menu][open]");
document.addEventListener("click", (event) => {
  for (const menu of menus()) if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const menu of menus()) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});
document.addEventListener("focusout", (event) => {
  const menu = event.target.closest?.("details[data-menu][open]");
  if (menu && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
});

// Single keys: an element says which is its own (data-shortcut) and what it does (data-shortcut-label); "/" goes to the
// page's search field, as in other tools with long lists. "?" shows them all.
const keyed = () => [
  ...[...document.querySelectorAll("[data-search-field]")].slice(0, 1).map((element) => ["/", say("Search on this page"), element]),
  ...[...document.querySelectorAll("[data-shortcut]:not(:disabled)")].map((element) => [
    element.dataset.shortcut,
    element.dataset.shortcutLabel,
    element,
  ]),
];
const typing = (event) =>
  event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable], .cm-editor, dialog");
const sheet = document.getElementById("shortcut-sheet");

function showSheet() {
  const list = sheet.querySelector("[data-shortcut-list]");
  for (const row of list?.querySelectorAll("[data-found]") ?? []) row.remove();
  for (const [letter, label] of list ? keyed() : []) {
    const [key, words] = [document.createElement("dt"), document.createElement("dd")];
    key.dataset.found = words.dataset.found = "";
    key.append(Object.assign(document.createElement("kbd"), { className: "kbd kbd-sm", textContent: letter }));
    words.textContent = label;
    list.append(key, words);
  }
  sheet.showModal();
}

const opener = document.querySelector("[data-shortcut-sheet]");
if (opener && sheet) {
  opener.hidden = false;
  opener.addEventListener("click", showSheet);
}
document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || document.body.dataset.shortcuts === "off" || typing(event)) return;
  if (event.key === "?" && sheet) {
    event.preventDefault();
    showSheet();
    return;
  }
  const [, , element] = keyed().find(([key]) => key === event.key) ?? [];
  if (!element) return;
  event.preventDefault();
  if (element.matches("input, textarea")) {
    element.focus();
    element.select();
  } else element.click();
});
