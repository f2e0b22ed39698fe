"""The browser that the other tests look at pages with sees what it must: errors, calls to a network, what is not accessible."""

from __future__ import annotations

from pyscreen.document import page
from pyscreen.knowledge import load
from tests.browser import Browser, violations

GOOD = '<!doctype html><html lang="en"><head><title>t</title></head><body><main><h1>h</h1>{}</main></body></html>'


def complaints(browser: Browser, body: str) -> list[str]:
    """Open a page that complains, and return what it said."""
    browser.open(GOOD.format(body)).wait_for_load_state("networkidle")
    said, browser.complaints = browser.complaints, []
    return said


def test_a_silent_page_raises_no_complaint(browser: Browser) -> None:
    opened = browser.open(GOOD.format("<p>fine</p>"))
    assert opened.inner_text("p") == "fine"
    assert violations(opened) == []


def test_errors_of_a_page_are_seen(browser: Browser) -> None:
    assert complaints(browser, "<script>console.error('boo')</script>") == ["error: boo"]
    assert complaints(browser, "<script>throw new Error('boo')</script>") == ["boo"]
    assert complaints(browser, "<script>console.log('all is well')</script>") == []


def test_a_call_to_a_network_is_seen(browser: Browser) -> None:
    said = complaints(browser, '<img alt="" src="http://127.0.0.1:9/x.png">')
    assert "asks the network for http://127.0.0.1:9/x.png" in said


def test_what_is_not_accessible_is_seen_in_either_scheme(browser: Browser) -> None:
    style = (
        "<style>:root{color-scheme:light dark} p{color:#777} @media(prefers-color-scheme:dark){p{color:#ddd}}</style>"
    )
    body = GOOD.format(f'{style}<p style="background:#888">text</p>')
    assert [one.split(":")[0] for one in violations(browser.open(body))] == ["color-contrast"]
    dark = browser.open(body.replace("#888", "#000"), dark=True)
    assert violations(dark) == []


def test_the_document_of_a_trial_is_accessible(browser: Browser) -> None:
    kb = load("diabetic_kidney")
    opened = browser.open(page(kb))
    assert opened.title().startswith(kb.title)
    assert violations(opened) == []
