"""The line icons of the pages, drawn on a 24 × 24 grid with round strokes. Decoration only: words stand beside each."""

from __future__ import annotations

ICONS: dict[str, str] = {
    "alert": '<path d="M12 4 2.8 19.5h18.4L12 4Z"/><path d="M12 10v4"/><path d="M12 17h.01"/>',
    "archive": '<rect x="3.5" y="4" width="17" height="4.5" rx="1"/><path d="M5 8.5V20h14V8.5"/><path d="M10 12.5h4"/>',
    "arrow-left": '<path d="M19 12H5"/><path d="m11 6-6 6 6 6"/>',
    "arrow-right": '<path d="M5 12h14"/><path d="m13 6 6 6-6 6"/>',
    "bell": '<path d="M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15l1.5-2Z"/><path d="M10 21h4"/>',
    "book": '<path d="M5 5.5A2.5 2.5 0 0 1 7.5 3H19v15H7.5A2.5 2.5 0 0 0 5 20.5v-15Z"/><path d="M5 20.5A2.5 2.5 0 0 0 7.5 21H19v-3"/>',
    "chart": '<path d="M4 4v16h16"/><path d="m7.5 14.5 4-5 3.5 3L20 6"/>',
    "check": '<path d="m5 12.5 4.5 4.5L19 7"/>',
    "chevron-down": '<path d="m6 9 6 6 6-6"/>',
    "chevron-right": '<path d="m9 6 6 6-6 6"/>',
    "clock": '<circle cx="12" cy="12" r="8.5"/><path d="M12 7.5V12l3 2"/>',
    "comment": '<path d="M4 5h16v11H10.5L6 19.5V16H4V5Z"/>',
    "copy": '<rect x="8.5" y="8.5" width="11" height="11" rx="1.5"/><path d="M15.5 8.5v-4h-11v11h4"/>',
    "cross": '<path d="m6 6 12 12"/><path d="M18 6 6 18"/>',
    "download": '<path d="M12 4v11"/><path d="m7 10.5 5 5 5-5"/><path d="M5 20h14"/>',
    "eye": '<path d="M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12Z"/><circle cx="12" cy="12" r="2.8"/>',
    "file": '<path d="M6 3h8l4.5 4.5V21H6V3Z"/><path d="M14 3v4.5h4.5"/><path d="M9 12.5h6"/><path d="M9 16h6"/>',
    "filter": '<path d="M4 5h16l-6.2 7.4V19l-3.6-2v-4.6L4 5Z"/>',
    "folder": '<path d="M3.5 6.5A1.5 1.5 0 0 1 5 5h4.5l2 2.5H19A1.5 1.5 0 0 1 20.5 9v8.5A1.5 1.5 0 0 1 19 19H5a1.5 1.5 0 0 1-1.5-1.5v-11Z"/>',
    "history": '<path d="M4 12a8 8 0 1 0 2.6-5.9L4 8.5"/><path d="M4 4v4.5h4.5"/><path d="M12 8v4.2l2.8 1.8"/>',
    "info": '<circle cx="12" cy="12" r="8.5"/><path d="M12 11v5"/><path d="M12 8h.01"/>',
    "leaf": '<path d="M5 19C4 11 8.5 5 20 4.5 20.5 15 15 20.5 7.5 17.5"/><path d="M4 21c1.5-5 5-8.5 10-11"/>',
    "link": '<path d="M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1"/><path d="M14 10a4 4 0 0 0-5.7 0l-3 3A4 4 0 0 0 11 18.7l1-1"/>',
    "lock": '<rect x="5" y="10.5" width="14" height="9.5" rx="1.5"/><path d="M8 10.5V8a4 4 0 0 1 8 0v2.5"/>',
    "menu": '<path d="M4 7h16"/><path d="M4 12h16"/><path d="M4 17h16"/>',
    "moon": '<path d="M19.5 14.5A8 8 0 0 1 9.5 4.5a8 8 0 1 0 10 10Z"/>',
    "pause": '<path d="M9 6v12"/><path d="M15 6v12"/>',
    "pencil": '<path d="m4 20 1-4.5L16 4.5l3.5 3.5L8.5 19 4 20Z"/><path d="m13.5 7 3.5 3.5"/>',
    "people": '<circle cx="9" cy="8.5" r="3.5"/><path d="M2.5 19.5c.5-3.5 3-5.5 6.5-5.5s6 2 6.5 5.5"/><path d="M15.5 5.2a3.5 3.5 0 0 1 0 6.6"/><path d="M17.5 14.3c2.2.7 3.6 2.5 4 5.2"/>',
    "person": '<circle cx="12" cy="8" r="3.8"/><path d="M4.5 20c.6-4 3.5-6 7.5-6s6.9 2 7.5 6"/>',
    "play": '<path d="M8 5.5v13l10.5-6.5L8 5.5Z"/>',
    "plus": '<path d="M12 5v14"/><path d="M5 12h14"/>',
    "refresh": '<path d="M20 12a8 8 0 0 1-14.3 5"/><path d="M4 12a8 8 0 0 1 14.3-5"/><path d="M18.5 3v4h-4"/><path d="M5.5 21v-4h4"/>',
    "rounds": '<circle cx="12" cy="12" r="8.5"/><circle cx="12" cy="12" r="3.2"/><path d="M12 3.5v5.3"/><path d="m4.7 16.3 4.5-2.6"/><path d="m19.3 16.3-4.5-2.6"/>',
    "search": '<circle cx="11" cy="11" r="6.5"/><path d="m16 16 4.5 4.5"/>',
    "seed": '<path d="M12 3c4.5 3.5 6.5 7 6.5 10.5A6.5 6.5 0 0 1 12 20.5a6.5 6.5 0 0 1-6.5-7C5.5 10 7.5 6.5 12 3Z"/><path d="M12 9c1.5 1.7 2.2 3.2 2.2 4.8"/>',
    "sign-out": '<path d="M10 4H5v16h5"/><path d="M10 12h10"/><path d="m16 8 4 4-4 4"/>',
    "sprout": '<path d="M12 21v-9"/><path d="M12 13C12 8.5 9 6 3.5 6 3.5 10.5 6.5 13 12 13Z"/><path d="M12 11c0-4 2.7-6.5 8.5-7 0 4.5-3 7-8.5 7Z"/>',
    "star": '<path d="m12 4 2.4 5.2 5.6.7-4.1 3.9 1.1 5.6-5-2.8-5 2.8 1.1-5.6L4 9.9l5.6-.7L12 4Z"/>',
    "sun": '<circle cx="12" cy="12" r="4"/><path d="M12 2.5v2"/><path d="M12 19.5v2"/><path d="m5.3 5.3 1.4 1.4"/><path d="m17.3 17.3 1.4 1.4"/><path d="M2.5 12h2"/><path d="M19.5 12h2"/><path d="m5.3 18.7 1.4-1.4"/><path d="m17.3 6.7 1.4-1.4"/>',
    "system": '<rect x="3.5" y="4.5" width="17" height="11.5" rx="1.5"/><path d="M9 20h6"/><path d="M12 16v4"/>',
    "trash": '<path d="M5 7h14"/><path d="M9.5 7V4.5h5V7"/><path d="m6.5 7 .8 13h9.4l.8-13"/>',
}


def svg(name: str, size: int = 20) -> str:
    """The icon as an SVG element that assistive technology skips.

    Raises:
        KeyError: there is no icon of that name.
    """
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 24 24" fill="none" '
        'stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" '
        f'aria-hidden="true" focusable="false" class="shrink-0">{ICONS[name]}</svg>'
    )
