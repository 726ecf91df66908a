"""What the scripts say, in the reader's language: a page carries it, and ``frontend/src/words.js`` finds it there."""

from __future__ import annotations

from django.utils import translation
from django.utils.translation import gettext_noop as mark

# Every sentence that a script of frontend/src hands to say(); a test compares the two.
SENTENCES = (
    # app.js
    mark("The server cannot be reached. Check the connection; what you typed is still here."),
    mark("You are not signed in any more, or may not do this. Reload the page."),
    mark("That did not work. Reload the page and try again."),
    mark("Search on this page"),
    # charts.js
    mark("before the round"),
    mark("after the round"),
    mark("tuned without replay"),
    mark("published, not measured here"),
    mark("What the chart shows"),
    mark("{title}, {unit}. The tables below hold the same numbers."),
    mark("← better"),
    mark("better →"),
    # curve.js
    mark("Step"),
    mark("Loss (nats a token)"),
    mark("Loss by step of tuning; the numbers are in the table above."),
    # editor.js and contributions/saver.js
    mark("Not saved yet"),
    mark("Saving…"),
    mark("Saved at {time}"),
    mark("Not saved"),
    mark("Not saved: you are not signed in any more. Copy what you wrote, then reload."),
    mark("Not saved: the server cannot be reached. Trying again."),
    # review.js
    mark("Approve this?"),
    mark("It goes into the taxonomy right away."),
    mark("Approve"),
    mark("Request changes?"),
    mark("The author gets it back with your reason:"),
    mark("Request changes"),
    mark("Reject this?"),
    mark("It is closed for good. The author reads your reason:"),
    mark("Reject"),
    mark("Write the reason, or choose a sentence. The author reads it."),
)


def script_words() -> dict[str, str]:
    """English → the reader's language; empty for English, which the scripts speak by themselves."""
    if (translation.get_language() or "en").startswith("en"):
        return {}
    return {sentence: translation.gettext(sentence) for sentence in SENTENCES}
