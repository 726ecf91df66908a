// The YAML of a draft in CodeMirror, kept equal to the text area below it, which the form sends.
import { defaultKeymap, history, historyKeymap, indentWithTab } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { EditorState } from "@codemirror/state";
import { tags } from "@lezer/highlight";
import { EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";

const colours = HighlightStyle.define([
  { tag: [tags.definition(tags.propertyName), tags.propertyName], color: "var(--color-primary)", fontWeight: "600" },
  { tag: [tags.string, tags.special(tags.string)], color: "var(--color-secondary)" },
  { tag: [tags.comment, tags.meta], color: "color-mix(in oklab, var(--color-base-content) 70%, var(--color-base-100))" },
  { tag: [tags.keyword, tags.attributeValue, tags.labelName], color: "var(--color-info)" },
]);

const look = EditorView.theme({
  "&": { fontSize: "0.875rem", backgroundColor: "transparent", color: "var(--color-base-content)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font-mono)", lineHeight: "1.6", maxHeight: "75dvh", overflow: "auto" },
  ".cm-content, .cm-gutter": { minHeight: "32rem" },
  ".cm-gutters": {
    backgroundColor: "var(--color-base-200)",
    color: "color-mix(in oklab, var(--color-base-content) 70%, var(--color-base-100))",
    borderRight: "1px solid var(--color-base-300)",
  },
  ".cm-activeLine, .cm-activeLineGutter": {
    backgroundColor: "color-mix(in oklab, var(--color-primary) 8%, transparent)",
  },
  ".cm-cursor": { borderLeftColor: "var(--color-base-content)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in oklab, var(--color-primary) 25%, transparent)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--color-base-100)",
    color: "var(--color-base-content)",
    border: "1px solid var(--color-base-300)",
    borderRadius: "0.5rem",
  },
});

function diagnostics(state, checks) {
  const found = [];
  for (const item of checks.querySelectorAll("[data-problems] > li")) {
    const number = Number(item.dataset.line);
    if (!number || number > state.doc.lines) continue;
    const line = state.doc.line(number);
    const column = Math.max(Number(item.dataset.column || 1) - 1, 0);
    const from = Math.min(line.from + column, line.to);
    found.push({ from, to: Math.max(line.to, from), severity: item.dataset.severity, message: item.textContent.trim() });
  }
  return found.sort((a, b) => a.from - b.from);
}

for (const area of document.querySelectorAll("textarea[data-yaml]")) {
  const editor = area.closest("draft-editor");
  const nonce = document.querySelector("meta[name=csp-nonce]")?.content;
  const frame = document.createElement("div");
  frame.className = "yaml-frame";
  const view = new EditorView({
    parent: frame,
    state: EditorState.create({
      doc: area.value,
      extensions: [
        nonce ? EditorView.cspNonce.of(nonce) : [],
        lineNumbers(),
        lintGutter(),
        history(),
        drawSelection(),
        highlightActiveLine(),
        bracketMatching(),
        indentUnit.of("  "),
        yaml(),
        syntaxHighlighting(colours),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "YAML", spellcheck: "false" }),
        // Tab leaves the editor after Escape, as CodeMirror does it, so that the keyboard is never caught.
        keymap.of([...defaultKeymap, ...historyKeymap, indentWithTab]),
        EditorView.updateListener.of((update) => {
          if (!update.docChanged) return;
          area.value = update.state.doc.toString();
          area.dispatchEvent(new Event("input", { bubbles: true }));
        }),
        look,
      ],
    }),
  });
  area.before(frame);
  area.hidden = true;
  const show = (checks) => view.dispatch(setDiagnostics(view.state, diagnostics(view.state, checks)));
  show(document.getElementById("checks"));
  editor?.addEventListener("draft:checked", (event) => show(event.detail.checks));
  editor?.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-line]");
    if (!link) return;
    event.preventDefault();
    const line = view.state.doc.line(Math.min(Number(link.dataset.line), view.state.doc.lines));
    view.dispatch({ selection: { anchor: line.from, head: line.to }, scrollIntoView: true });
    view.focus();
  });
  document.querySelector("label[for=yaml]")?.addEventListener("click", () => view.focus());
}
