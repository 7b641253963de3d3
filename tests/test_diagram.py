"""
Tests for L{conch_auth.diagram}: a login as a picture.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from xml.etree import ElementTree

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from conch_auth._diagram_style import FONTS, STYLE
from conch_auth._story import Story
from conch_auth.diagnosis import Diagnosis
from conch_auth.diagram import HEIGHT, WIDTH, drawn, svg
from conch_auth.report import Actor, Attempt, AuthReport, Step
from tests.stories import ACCEPTED, NOT_BEGUN, REFUSED

SVG = "{http://www.w3.org/2000/svg}"
SHAPES = {"svg", "title", "style", "rect", "line", "polygon", "text"}
HOSTILE = '</text><script>x</script>&quot;"\x00\x1b[2J\u202e\ufffe\u2028' + "W" * 3000


class Picture:
    """
    A drawing that was read as XML.
    """

    def __init__(self, story: Story) -> None:
        self.source = drawn(story)
        self.root = ElementTree.fromstring(self.source)

    def texts(self, kind: str = "") -> list[str]:
        """
        The lines of text, of one kind or all.
        """
        return [
            element.text or ""
            for element in self.root.iter(f"{SVG}text")
            if not kind or kind in element.get("class", "").split()
        ]

    def count(self, kind: str) -> int:
        """
        How many shapes there are of a kind.
        """
        kinds = (element.get("class", "").split() for element in self.root.iter())
        return sum(kind in names for names in kinds)


def conversation(count: int, *, attempts: int = 1, gap: float = 0.01) -> Story:
    """
    A story of C{count} messages in C{attempts} attempts.
    """
    return Story(
        who="a@b",
        succeeded=False,
        verdict="not logged in",
        attempts=tuple(
            Attempt("publickey", "refused", "no") for _ in range(attempts)
        ),
        steps=tuple(
            Step(
                number * gap,
                *(("client", "server") if number % 2 == 0 else ("server", "client")),
                name=f"message {number}",
                attempt=number * attempts // count,
            )
            for number in range(count)
        ),
        elapsed=count * gap,
    )


class DocumentTests(SynchronousTestCase):
    """
    The document as such.
    """

    def test_alone(self) -> None:
        """
        It is XML of a few shapes, and has nothing that is fetched or run.
        """
        for story in REFUSED, ACCEPTED, NOT_BEGUN:
            picture = Picture(story)
            tags = {each.tag.removeprefix(SVG) for each in picture.root.iter()}
            self.assertLessEqual(tags, SHAPES)
            self.assertNotRegex(picture.source, r"href|url\(|@import|on\w+=")

    def test_title(self) -> None:
        """
        Who cannot see it is told what it shows.
        """
        title = Picture(REFUSED).root.find(f"{SVG}title")
        assert title is not None
        self.assertEqual(title.text, f"Login of {REFUSED.who}: {REFUSED.verdict}")

    def test_same(self) -> None:
        """
        The same story makes the same picture.
        """
        self.assertEqual(drawn(REFUSED), drawn(replace(REFUSED)))

    def test_report(self) -> None:
        """
        A report is drawn as its story is.
        """
        report = AuthReport("alice", "ssh-connection", host="h", ending="it ended")
        self.assertIn("not logged in: it ended", svg(report))

    def test_hostile(self) -> None:
        """
        Whatever a server has sent is text, without a character that acts, and
        not more of it than there is room for.
        """
        story = replace(
            REFUSED,
            who=HOSTILE,
            verdict=HOSTILE,
            facts=((HOSTILE[:9], HOSTILE),),
            attempts=tuple(
                replace(each, method=HOSTILE, reason=HOSTILE, source=HOSTILE)
                for each in REFUSED.attempts
            ),
            steps=tuple(
                step._replace(name=HOSTILE, detail=HOSTILE) for step in REFUSED.steps
            ),
            diagnoses=(Diagnosis("key-refused", HOSTILE, HOSTILE),),
        )
        picture = Picture(story)
        self.assertNotIn("script", {each.tag for each in picture.root.iter()})
        self.assertIn("</text><script>x</script>", picture.texts("name")[0])
        self.assertNotRegex(picture.source, "[\x00-\x09\x0b-\x1f\u202e\u2028\ufffe]")
        self.assertLess(max(map(len, picture.texts())), 200)


class PageTests(SynchronousTestCase):
    """
    It fits a page.
    """

    def assert_fits(self, picture: Picture) -> None:
        _, _, width, height = map(float, picture.root.attrib["viewBox"].split())
        self.assertEqual(width, WIDTH)
        self.assertLessEqual(height, HEIGHT)
        for element in picture.root.iter():
            for name in "x", "x1", "x2":
                self.assertLessEqual(0, float(element.get(name, 0)))
                self.assertLessEqual(float(element.get(name, 0)), width)
            for name in "y", "y1", "y2":
                self.assertLessEqual(float(element.get(name, 0)), height)
            if element.tag == f"{SVG}text":
                self.assert_text_fits(element)

    def assert_text_fits(self, element: ElementTree.Element) -> None:
        kind = element.attrib["class"].split()[0]
        long = FONTS[kind].width_of(element.text or "")
        x = float(element.attrib["x"])
        share = {"start": 0, "middle": 0.5, "end": 1}[
            element.get("text-anchor", "start")
        ]
        self.assertLessEqual(-0.1, x - share * long, element.text)
        self.assertLessEqual(x + (1 - share) * long, WIDTH + 0.1, element.text)

    def test_usual(self) -> None:
        """
        What is usual is drawn in full.
        """
        for story in REFUSED, ACCEPTED, NOT_BEGUN:
            picture = Picture(story)
            self.assert_fits(picture)
            self.assertEqual(picture.count("tip"), len(story.steps))
            self.assertEqual(picture.texts("fold"), [])
        self.assertTrue(self.note(Picture(REFUSED)).endswith("long."))

    def note(self, picture: Picture) -> str:
        """
        What is said of the whole picture.
        """
        (note,) = (text for text in picture.texts("label") if "Time" in text)
        return note

    def test_many_attempts(self) -> None:
        """
        Of five hundred attempts the first and the last are drawn, the very last
        with its messages; the others are counted.
        """
        picture = Picture(conversation(1000, attempts=500))
        self.assert_fits(picture)
        heads = [text for text in picture.texts("name") if "publickey" in text]
        self.assertEqual(heads[0], "1. publickey")
        self.assertEqual(heads[-1], "500. publickey")
        self.assertEqual(
            picture.texts("fold"),
            [f"… {500 - len(heads)} more attempts: {500 - len(heads)} refused …"],
        )
        self.assertIn("message 999", picture.texts("name"))

    def test_many_messages(self) -> None:
        """
        Of an attempt of many messages the first and the last are drawn.
        """
        picture = Picture(conversation(400))
        self.assert_fits(picture)
        names = picture.texts("name")
        self.assertIn("message 0", names)
        self.assertIn("message 399", names)
        (fold,) = picture.texts("fold")
        counted = re.match(r"… (\d+) more messages", fold)
        assert counted is not None
        self.assertEqual(int(counted[1]) + picture.count("tip"), 400)

    def test_middling(self) -> None:
        """
        Where room is short an attempt loses its messages before it is left out.
        """
        picture = Picture(conversation(60, attempts=12, gap=0.5))
        self.assert_fits(picture)
        heads = [text for text in picture.texts("name") if "publickey" in text]
        self.assertEqual(len(heads), 12)
        self.assertEqual(picture.texts("fold"), [])
        self.assertIn("What there is no room for is left out.", self.note(picture))
        self.assertIn("message 59", picture.texts("name"))

    def test_not_kept(self) -> None:
        """
        That the report itself left messages out is said.
        """
        story = replace(REFUSED, steps_left_out=17)
        note = self.note(Picture(story))
        self.assertTrue(note.endswith("long. 17 later messages were not kept."), note)

    def test_many_diagnoses(self) -> None:
        """
        So are diagnoses for which there is no room.
        """
        many = tuple(Diagnosis("key-refused", "p " * 500, "a " * 500) for _ in "x" * 9)
        picture = Picture(replace(conversation(1000, attempts=500), diagnoses=many))
        self.assert_fits(picture)
        self.assertEqual(picture.texts("fold")[-1], "… and 5 more")

    @given(st.data())
    @settings(max_examples=30, deadline=None)
    def test_any(self, data: st.DataObject) -> None:
        """
        Any story at all is drawn, and fits.
        """
        self.assert_fits(Picture(data.draw(stories())))


texts = st.text(max_size=8) | st.sampled_from(["W" * 300, "w w " * 90, HOSTILE])
_actors: st.SearchStrategy[Actor] = st.sampled_from(
    ["client", "server", "agent", "person"]
)


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """
    Stories that hold anything, in any order.
    """
    outcomes = st.sampled_from(["accepted", "partial", "refused", "skipped", "failed"])
    attempts = draw(st.lists(st.builds(Attempt, texts, outcomes, texts), max_size=20))
    index = st.none() | st.integers(0, len(attempts) - 1) if attempts else st.none()
    times = st.floats(0, 1e6)
    steps = st.builds(Step, times, _actors, _actors, texts, texts, index)
    return Story(
        who=draw(texts),
        succeeded=draw(st.booleans()),
        verdict=draw(texts),
        facts=tuple(draw(st.lists(st.tuples(st.text(max_size=8), texts), max_size=12))),
        attempts=tuple(attempts),
        steps=tuple(draw(st.lists(steps, max_size=40))),
        elapsed=draw(times),
        diagnoses=tuple(
            Diagnosis("key-refused", *words)
            for words in draw(st.lists(st.tuples(texts, texts), max_size=6))
        ),
    )


class ConversationTests(SynchronousTestCase):
    """
    What the picture tells.
    """

    def test_words(self) -> None:
        """
        It has the verdict, the facts, each message, each outcome, and what to
        do.
        """
        picture = Picture(REFUSED)
        self.assertEqual(picture.texts("verdict"), [REFUSED.verdict])
        for _, fact in REFUSED.facts:
            self.assertIn(fact, picture.texts("fact"))
        names = Counter(picture.texts("name"))
        self.assertEqual(names["USERAUTH_FAILURE"], 3)
        self.assertEqual(names["getPassword"], 1)
        self.assertEqual(
            picture.texts("outcome"),
            ["asks what is accepted", "not tried", "refused", "refused"],
        )
        self.assertEqual(
            picture.texts("problem"), [each.problem for each in REFUSED.diagnoses]
        )
        for each in REFUSED.diagnoses:
            self.assertIn(each.advice, picture.texts("fact"))

    def test_lanes(self) -> None:
        """
        There is a lane for each who took part, the server on the right.
        """
        everyone = ["person", "agent", "client", "server"]
        self.assertEqual(Picture(REFUSED).texts("actor"), everyone)
        self.assertEqual(Picture(ACCEPTED).texts("actor"), ["client", "server"])
        for one in "agent", "person":
            step = Step(0, "client", one, "x", "", 0)  # type: ignore[arg-type]
            story = replace(ACCEPTED, steps=(step,))
            self.assertEqual(Picture(story).texts("actor"), [one, "client", "server"])
        self.assertEqual(Picture(NOT_BEGUN).texts("actor"), [])

    def test_times(self) -> None:
        """
        The time of each message is told, in seconds.
        """
        self.assertEqual(
            Picture(REFUSED).texts("time")[:4], ["0.000", "0.005", "0.010", "0.021"]
        )

    def test_waits(self) -> None:
        """
        Waits are told; where they are long the axis is broken.
        """
        picture = Picture(REFUSED)
        self.assertEqual(
            picture.texts("waited"), ["waited 0.3 s", "waited 4.7 s", "waited 0.1 s"]
        )
        self.assertEqual(picture.count("gap"), 1)

    def test_own_time(self) -> None:
        """
        What this side took itself is not put on another.
        """
        first, second = ACCEPTED.steps
        story = replace(
            ACCEPTED,
            steps=(first, second, first._replace(at=2.0)),
            elapsed=2.0,
        )
        self.assertEqual(Picture(story).texts("waited"), ["2.0 s of its own"])

    def test_nobody_awaited(self) -> None:
        """
        After a DISCONNECT nobody is waited for.
        """
        step = Step(0.0, "client", "server", "DISCONNECT", "", None)
        picture = Picture(replace(ACCEPTED, steps=(step,), elapsed=9.0))
        self.assertEqual((picture.count("wait"), picture.texts("waited")), (0, []))

    def test_last_wait(self) -> None:
        """
        A server that never answered is waited for until the end.
        """
        story = replace(ACCEPTED, steps=ACCEPTED.steps[:1], elapsed=9.0)
        self.assertEqual(Picture(story).texts("waited"), ["waited 9.0 s"])

    def test_to_itself(self) -> None:
        """
        A note of one party to itself is no arrow.
        """
        step = Step(0.0, "client", "client", "thinks", "", 0)
        picture = Picture(replace(ACCEPTED, steps=(step,)))
        self.assertEqual((picture.count("note"), picture.count("tip")), (1, 0))


class ColourTests(SynchronousTestCase):
    """
    It is readable on white and on dark.
    """

    def setUp(self) -> None:
        white, dark = STYLE.split("@media (prefers-color-scheme: dark) {")
        self.pages = [dict(self.fills(part)) for part in (white, dark)]

    def fills(self, rules: str) -> list[tuple[str, str]]:
        found = re.findall(r"([^{}]+) \{ fill: (#\w{6}); \}", rules)
        return [
            (name.strip(), colour)
            for names, colour in found
            for name in names.split(",")
        ]

    def test_both(self) -> None:
        """
        Each colour on white has one on dark; whoever knows of no dark has
        white.
        """
        self.assertEqual(set(self.pages[0]), set(self.pages[1]))
        self.assertEqual(self.pages[0][".paper"], "#ffffff")

    def test_contrast(self) -> None:
        """
        All text stands out from the paper by 4.5 to 1 (WCAG 2.1, 1.4.3).
        """
        for page in self.pages:
            for name, colour in page.items():
                if name not in (".paper", ".gap", ".head"):
                    self.assertGreaterEqual(contrast(colour, page[".paper"]), 4.5, name)


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted(map(luminance, (one, other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
