// What scripts say, in the reader's language. Scripts are written in English; the page carries the translations of what
// they say (taxonomy_app/web/script_words.py), none on an English page.
const carried = document.getElementById("script-words");
const words = carried ? JSON.parse(carried.textContent) : {};

// say("Saved at {time}", { time: "12:30" })
export function say(english, values = {}) {
  return (words[english] ?? english).replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

// A number as the reader's language writes it, with a true minus sign.
export function decimal(value, least, most) {
  const digits = { minimumFractionDigits: least, maximumFractionDigits: most, useGrouping: false };
  return value.toLocaleString(document.documentElement.lang, digits).replace("-", "−");
}
