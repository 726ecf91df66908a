"""The browser without scripts reads forms as a browser would send them."""

from deploy.browsing import _Reader

PAGE = """
<form action="/search/"><input name="q" value="fern"></form>
<form id="main" method="post" action="save/">
  <input type="hidden" name="csrf" value="t&amp;k">
  <input name="title" value="old"><input type="checkbox" name="sure"><input type="checkbox" name="keep" checked>
  <input type="radio" name="kind" value="a"><input type="radio" name="kind" value="b" checked>
  <input name="gone" value="x" disabled>
  <textarea name="text">
first
second</textarea>
  <select name="one"><option value="1">1</option><option value="2">2</option></select>
  <select name="many" multiple><option value="1" selected>1</option><option value="2">2</option></select>
  <button name="action" value="save">Save</button>
</form>
<input form="main" name="outside" value="in">
<p role="alert">Wrong <b>line</b>.</p><p>Other</p><a href="/there/">See <b>there</b></a>
"""


def read() -> _Reader:
    reader = _Reader("http://site/page/")
    reader.feed(PAGE)
    return reader


def test_a_form_sends_what_a_browser_would_send() -> None:
    form = read().forms[1]
    assert form.action == "http://site/page/save/"
    assert form.method == "post"
    assert form.fields == [
        ("csrf", "t&k"),
        ("title", "old"),
        ("keep", "on"),
        ("kind", "b"),
        ("text", "first\nsecond"),
        ("one", "1"),
        ("many", "1"),
        ("outside", "in"),
    ]
    assert form.buttons == [("action", "save")]
    assert "sure" in form.names
    assert "gone" not in form.names


def test_alerts_and_links_are_found_with_their_text() -> None:
    reader = read()
    assert "".join(reader.roles["alert"]) == "Wrong line."
    assert reader.links == [("See there", "http://site/there/")]
