import re
from html.parser import HTMLParser

import pytest

from faceimit.tracking.page import (
    Bars,
    Figure,
    Figures,
    Finding,
    Findings,
    Mark,
    Page,
    Section,
    Table,
    Text,
    png,
    shown,
    svg,
)

NASTY = '<script>alert("x")</script> & <b>'


EMPTY = {"meta", "link", "img", "rect", "line", "br", "wbr"}


class Outline(HTMLParser):
    """Open tags, references and text of a page; fails on tags that do not close."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.references, self.words, self.open, self.broken = [], [], [], [], False
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.broken = tag == "wbr"  # a word may break here, and is one
        self.tags.append(tag)
        self.references += [value for name, value in attrs if name in {"src", "href", "srcset", "action", "data"}]
        if tag not in EMPTY:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        if self.broken:
            data = self.words.pop() + data
        self.words.append(data)
        self.broken = False


@pytest.fixture(scope="module")
def figure():
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(2, 1))
    canvas.subplots().plot([0, 1], [1, 0])
    return canvas


@pytest.fixture(scope="module")
def html(figure):
    blocks = [
        Text([NASTY], heading=NASTY),
        Findings([Finding("ok", "fine"), Finding("bad", NASTY, advice=NASTY), Finding("warn", "hm")]),
        Table(["name", "n", "how", "is"], [[NASTY, 12345, Bars([1, 0, 4], NASTY), Mark("warn")]], caption=NASTY),
        Figures([Figure(svg(figure), NASTY, NASTY), Figure(png(figure), "p", wide=True)]),
    ]
    return Page(NASTY, [Section(NASTY, blocks)] * 3, NASTY, [(NASTY, NASTY)], NASTY).html()


def test_a_page_refers_to_nothing_outside_itself(html):
    outline = Outline(html)
    assert outline.references
    assert all(reference.startswith(("data:", "#")) for reference in outline.references)
    assert not re.search(r"@import|url\(|https?://", re.sub(r'src="data:[^"]*"', "", html))


def test_names_are_escaped_everywhere(html):
    outline = Outline(html)
    assert "script" not in outline.tags
    assert "b" in outline.tags  # of the tiles, ours
    assert outline.words.count(NASTY) >= 15


def test_findings_come_the_worst_first_and_say_so_in_words(html):
    words = re.findall(r'class="mark (\w+)">([^<]+)<', html.split("<table")[0])
    assert words == [("bad", "problem"), ("warn", "look at"), ("ok", "good")]


def test_numbers_stand_on_the_right(html):
    assert '<th class="right" scope="col">n</th>' in html
    assert '<td class="right">12,345</td>' in html
    assert '<th class="text" scope="col">name</th>' in html


def test_long_names_of_columns_may_break_where_there_is_no_room():
    table = Table(["task.weight_decay", "val/F1 <a.b>", "1.0"], [[1, 2, 3]])
    html = Page("p", [Section("s", [table])]).html()
    assert ">task.<wbr>weight_<wbr>decay</th>" in html
    assert ">val/<wbr>F1 &lt;a.<wbr>b&gt;</th>" in html
    assert "val/F1 <a.b>" in Outline(html).words


def test_columns_that_hold_nothing_are_left_out():
    table = Table(["a", "b", "c"], [[1, None, ""], [None, "", 0]])
    assert table.kept == [0, 2]


def test_numbers_with_a_unit_stand_on_the_right_too():
    table = Table(["a", "b"], [["6 min", "512 × 512"], ["97.4%", "6"]])
    assert (table.side(0), table.side(1)) == ("right", "left")


def test_bars_are_as_high_as_the_root_of_their_share():
    assert Bars([1, 0, 4], "").heights == [5.0, 0.0, 10.0]
    assert Bars([0, 0], "").heights == [0.0, 0.0]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (float("nan"), ""), (0.123456, "0.1235"), (12345.6, "12,346"), (3, "3"), ("a", "a"), (-0.0, "0")],
)
def test_numbers_are_written_as_people_do(value, text):
    assert shown(value) == text


def test_the_same_figure_gives_the_same_bytes(figure):
    assert svg(figure) == svg(figure)
