"""Heatmaps: a picture of a bounded size for any number of tokens, also where no font has Chinese."""

import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dispatch.domain.label_names import symbol_name
from dispatch.engine import Attention, Token
from dispatch.model import BundleIdentity
from dispatch.workflow import heatmap
from dispatch.workflow.explain import Explanation, View
from dispatch.workflow.heatmap import MAX_PANELS, draw_png, find_chinese_font


def explanation(read: int = 6, written: int = 5, text: str = "困") -> Explanation:
    """Of that many tokens; nothing but the attention is drawn."""
    source = tuple(Token(text, "report", at, at + 1) for at in range(read))
    target = (
        Token("<hazard:flood>", "situations[0].hazards[0]"),
        *(Token(text, "instruction", at, at + 1) for at in range(written - 1)),
    )
    shapes = {"encoder": (read, read), "decoder": (written, written), "cross": (written, read)}
    random = np.random.default_rng(1)
    weights: Any = {kind: random.random((2, 3, *shape), dtype=np.float32) for kind, shape in shapes.items()}
    instruction: Any = SimpleNamespace(name="", model={"digest": ""})
    return Explanation(instruction, Attention(source, target, weights), (), BundleIdentity("default", "ab12"))


def opened(png: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(png))
    image.load()
    return image


@pytest.mark.parametrize("view", [View(), View("encoder", 1), View("decoder", 2, 3)])
def test_a_view_is_drawn(view: View) -> None:
    image = opened(draw_png(explanation(), [view]))
    assert image.format == "PNG"
    assert image.info["Source"] == "default ab12"
    assert len(np.unique(np.asarray(image.convert("L")))) > 20


@pytest.mark.parametrize("text", ["$$", "$^$", "$\\frac$", "a\nb"])
def test_what_looks_like_a_formula_is_drawn_as_it_is(text: str) -> None:
    opened(draw_png(explanation(text=text)))


def test_every_head_has_a_panel_of_its_own() -> None:
    one = opened(draw_png(explanation(), [View()]))
    six = opened(draw_png(explanation(), [View("cross", layer, head) for layer in (1, 2) for head in (1, 2, 3)]))
    assert (six.width, six.height) == (3 * one.width, 2 * one.height)


def test_the_longest_texts_make_no_larger_picture_than_a_client_reads() -> None:
    png = draw_png(explanation(1024, 1024), [View()])
    image = opened(png)
    assert max(image.size) <= 3000
    assert len(png) < 2_000_000


def test_many_panels_of_long_texts_stay_bounded() -> None:
    image = opened(draw_png(explanation(200, 200), [View("cross", 1, head) for head in (1, 2, 3)] * 5))
    assert max(image.size) <= 4000


@pytest.mark.parametrize("count", [0, MAX_PANELS + 1])
def test_no_view_and_too_many_are_refused(count: int) -> None:
    with pytest.raises(ValueError, match="views: a picture holds 1 to 16"):
        draw_png(explanation(), [View()] * count)


def test_without_a_chinese_font_tokens_are_numbers_and_the_picture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heatmap, "find_chinese_font", lambda: None)
    lettering = heatmap._Lettering(None)
    assert lettering.label(Token("困", "report", 3, 4), 7) == "7"
    assert lettering.label(Token("3", "report", 3, 4), 7) == "3"
    assert draw_png(explanation())  # a character that the font lacks would be a warning, which fails the test


def test_a_symbol_is_called_by_its_chinese_name_where_there_is_a_font() -> None:
    token = Token("<hazard:flood>", "situations[0].hazards[0]")
    family = find_chinese_font()
    expected = symbol_name(token.text) if family else "4"
    assert heatmap._Lettering(family).label(token, 4) == expected
