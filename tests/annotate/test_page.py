import base64
import hashlib
import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from graphml.annotate.page import colors, inert_json, page_data, render, write_page
from graphml.annotate.prediction import Annotations
from graphml.plots.style import PALETTE

Annotated = Callable[..., Annotations]
TOOLTIP = "document.getElementById('tooltip')"


class Tags(HTMLParser):
    """Tags of a page with their attributes, and the content of each script and style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] in ("script", "style") and data.strip():
            self.texts.append((self.tags[-1][0], data))


@pytest.fixture
def page(tmp_path: Path, annotated: Annotated) -> Path:
    write_page(tmp_path / "annotations.html", annotated())
    return tmp_path / "annotations.html"


def test_the_policy_allows_the_page_its_own_script_and_style_and_nothing_else(annotated: Annotated) -> None:
    tags = Tags(render(annotated()))
    (policy,) = [a["content"] for tag, a in tags.tags if a.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in html.unescape(str(policy)).split("; "))
    scripts = [text for tag, text in tags.texts if tag == "script"]
    (style,) = [text for tag, text in tags.texts if tag == "style"]

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "script-src": digest(scripts[1]),
        "style-src": digest(style),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert "application/json" in [a.get("type") for tag, a in tags.tags if tag == "script"]


def test_nothing_points_outside_the_file(annotated: Annotated) -> None:
    tags = Tags(render(annotated()))
    assert [a[name] for _, a in tags.tags for name in ("src", "href") if name in a] == ["data:,"]
    assert not any(name.startswith("on") or name == "style" for _, a in tags.tags for name in a)


def test_text_cannot_leave_its_block(annotated: Annotated) -> None:
    tags = Tags(render(annotated()))
    assert [tag for tag, _ in tags.tags].count("script") == 2
    assert "img" not in [tag for tag, _ in tags.tags]
    data = json.loads(next(text for tag, text in tags.texts if tag == "script"))
    assert "{{data}}" in data["dialogues"][0]["utterances"][1]["text"]
    for evil in (
        "</script>",
        "<!--",
        "\u2028",
        "&amp;",
        "\\",
        '"',
        "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"),
    ):
        assert json.loads(inert_json(evil)) == evil
        assert not re.search("[<>&\u2028]", inert_json(evil))


def test_data_hold_what_was_predicted(annotated: Annotated) -> None:
    annotations = annotated(timed=False)
    data = page_data(annotations)
    rows = [row for dialogue in data["dialogues"] for row in dialogue["utterances"]]
    assert [len(dialogue["utterances"]) for dialogue in data["dialogues"]] == [12, 13, 14]
    assert rows[20]["p"] == pytest.approx(annotations.probabilities[20].tolist(), abs=1e-4)
    assert rows[20]["start"] is None
    # the model's window, strongest first; sources are numbered in their dialogue
    relations = data["dialogues"][1]["utterances"][0]["relations"]
    assert sorted(source for source, _, _ in relations) == [1, 2]
    assert relations == sorted(relations, key=lambda relation: -relation[2])
    assert page_data(annotated(labels=False))["report"] is None
    assert sum(map(sum, data["report"]["confusion"])) == int((annotations.labels >= 0).sum())


def test_emotions_have_the_expected_colours_and_share_none_while_there_are_enough() -> None:
    assert colors(["happy", "sad", "neutral", "angry", "excited", "frustrated"]) == [4, 0, 7, 1, 3, 6]
    assert colors(["neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"]) == [7, 3, 5, 0, 4, 2, 1]
    assert sorted(colors(["joy", "happy", *"abcdef"])) == list(range(8))
    assert len(colors([*"abcdefghijkl"])) == 12
    css = (Path(render.__code__.co_filename).parent / "page.css").read_text()
    assert [css.count(f"--emotion-{number}: {color}") for number, color in enumerate(PALETTE)] == [1] * 8


def test_page_opens_without_an_error_or_a_request(browser: Any, page: Path) -> None:
    browser.open(page)
    assert browser.run("document.querySelectorAll('.block').length") == 12
    assert browser.run("document.querySelectorAll('.line').length") == 12
    assert browser.run("[...document.querySelectorAll('#names div')].map(d => d.textContent)") == [
        *dict.fromkeys(browser.run("data.dialogues[0].utterances.map(u => u.speaker)")),
        "uncertainty",
    ]
    assert browser.run("document.querySelectorAll('#report td:not(.corner)').length") == 36
    assert browser.requests == [page.as_uri()]
    assert browser.errors == []


def test_hover_shows_the_probabilities(browser: Any, page: Path) -> None:
    browser.open(page)
    assert browser.run(f"{TOOLTIP}.hidden") is True
    browser.move(".block[data-i='3'] .fill")
    assert browser.run(f"{TOOLTIP}.hidden") is False
    p = browser.run("data.dialogues[0].utterances[3].p")
    widths = "[...document.querySelectorAll('#tooltip .probabilities i')].map(i => i.getBoundingClientRect().width)"
    tracks = browser.run("document.querySelector('#tooltip .track').getBoundingClientRect().width")
    assert [width / tracks for width in browser.run(widths)] == pytest.approx(sorted(p, reverse=True), abs=0.01)
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=2, y=2)
    assert browser.run(f"{TOOLTIP}.hidden") is True
    assert browser.errors == []


def test_click_lists_the_relations_and_draws_them(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.click(".block[data-i='4'] .fill")
    relations = browser.run("data.dialogues[0].utterances[4].relations")
    assert sorted(source for source, _, _ in relations) == [2, 3, 5, 6]
    assert browser.run("document.querySelectorAll('.arc:not(.halo)').length") == 4
    listed = browser.run("[...document.querySelectorAll('.relations small')].map(small => small.textContent)")
    names = browser.run("data.relations")
    assert [text.split(" · ")[0] for text in listed] == [names[relation] for _, relation, _ in relations]
    assert browser.run("document.querySelector('.line.chosen').dataset.i") == "4"
    browser.click(".relations button")  # goes to the strongest source
    assert browser.run("document.querySelector('.block.chosen').dataset.i") == str(relations[0][0])
    browser.click(".line[data-i='0']")
    assert browser.run("document.querySelector('.block.chosen').dataset.i") == "0"
    assert browser.errors == []


def test_hostile_text_is_shown_and_does_nothing(browser: Any, page: Path) -> None:
    browser.open(page)
    for selector in (".block[data-i='1'] .fill", ".line[data-i='1']"):
        browser.click(selector)
    assert "<img src=x onerror=" in browser.run("document.querySelector('#details .said').textContent")
    assert browser.run("document.title") == "Emotions in conversation"
    assert browser.run("document.images.length") == 0
    assert browser.requests == [page.as_uri()]
    assert browser.errors == []


def test_policy_stops_markup_that_would_run_and_requests(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.run("document.body.insertAdjacentHTML('beforeend', '<img src=\"data:,\" onerror=\"document.title=1\">')")
    assert browser.run("fetch('http://127.0.0.1:9/').then(() => 'sent', error => error.name)") == "TypeError"
    browser.run("new Promise(done => setTimeout(done, 100))")
    assert browser.run("document.title") == "Emotions in conversation"
    assert sum("Content Security Policy" in error for error in browser.errors) >= 2, browser.errors


def test_keys_move_choose_and_close(browser: Any, page: Path) -> None:
    browser.open(page)
    browser.run("document.querySelector('.block[tabindex=\"0\"]').focus()")
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft"):
        browser.press(key)
    assert browser.run("document.activeElement.dataset.i") == "2"
    assert browser.run(f"{TOOLTIP}.hidden") is False
    browser.press("Enter")
    assert browser.run("document.querySelector('.block.chosen').dataset.i") == "2"
    assert browser.run("document.querySelectorAll('.block[tabindex=\"0\"]').length") == 1
    browser.press("End")
    assert browser.run("document.activeElement.dataset.i") == "11"
    browser.press("Escape")
    assert browser.run(f"{TOOLTIP}.hidden") is True
    assert browser.errors == []


def test_other_dialogues_can_be_chosen_and_time_can_be_missing(
    browser: Any, tmp_path: Path, annotated: Annotated
) -> None:
    write_page(tmp_path / "page.html", annotated(timed=False, labels=False, samples=0))
    browser.open(tmp_path / "page.html")
    browser.click("#next")
    browser.click("#next")
    assert browser.run("document.querySelectorAll('.block').length") == 14
    assert browser.run("document.getElementById('next').disabled") is True
    assert browser.run("document.querySelector('#scroller text[text-anchor=start]').textContent") == "#1"
    assert browser.run("document.getElementById('report').hidden") is True
    for button in ("#wider", "#narrower", "#fit"):
        browser.click(button)
    assert browser.errors == []


def test_light_and_dark_differ(browser: Any, page: Path) -> None:
    seen = set()
    for scheme in ("light", "dark"):
        browser.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        browser.open(page)
        seen.add(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert base64.b64decode(browser.send("Page.captureScreenshot")["data"]).startswith(b"\x89PNG")
    assert len(seen) == 2


def test_thousands_of_utterances_stay_usable(browser: Any, tmp_path: Path, annotated: Annotated) -> None:
    write_page(tmp_path / "page.html", annotated(dialogues=1, utterances=3000, samples=0))
    browser.open(tmp_path / "page.html")
    before = browser.busy()
    browser.run("choose(2999); document.body.getBoundingClientRect().height")
    assert browser.busy() - before < 2  # seconds of the page's own processor time; 0.1 on a machine at rest
    assert browser.run("document.querySelector('.line.chosen').dataset.i") == "2999"
    assert browser.run("document.getElementById('scroller').scrollLeft") > 10_000
    assert browser.errors == []
