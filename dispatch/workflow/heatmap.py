"""Heatmaps: views of an explanation as one PNG, rows and columns labelled with the tokens, in Chinese.

Nothing is fetched: the letters are those of a font of the machine. Where none has Chinese, tokens are shown by their
numbers, and the picture says so.
"""

import io
from collections.abc import Sequence
from functools import cache
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.ft2font import FT2Font
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from dispatch.domain.label_names import symbol_name
from dispatch.engine import AttentionKind, Token
from dispatch.workflow.explain import DEFAULT_VIEW, Explanation, View

MAX_PANELS = 16
NO_FONT = "no Chinese font is installed (such as Debian's fonts-noto-cjk): tokens are shown by their numbers"

_PREFERRED = (
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "Noto Sans CJK JP"),
    *("WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "Microsoft YaHei", "SimHei", "PingFang SC", "Hiragino Sans GB"),
    *("Droid Sans Fallback", "Noto Serif CJK SC", "Noto Serif SC", "AR PL UMing CN", "Arial Unicode MS"),
)
_LATIN = "DejaVu Sans"  # comes with matplotlib
_SAMPLE = "报告被困〔〕"  # what a font has to have
_CELL, _LABEL = 0.2, 0.15  # inches: of a token where there is room, and the least between two labels
_SIDES = ((1, 28.0), (4, 14.0), (MAX_PANELS, 7.0))  # panels, and the longest side of each in inches
_MARGIN = 1.6
_DPI = 100
_SIZE, _TITLE_SIZE = 8, 11  # points

_KIND_NAMES: dict[AttentionKind, tuple[str, str]] = {
    "encoder": ("编码器自注意力", "encoder attention"),
    "decoder": ("解码器自注意力", "decoder attention"),
    "cross": ("交叉注意力", "cross attention"),
}
_AXIS_NAMES: dict[AttentionKind, tuple[tuple[str, str], tuple[str, str]]] = {
    "encoder": (("读入的字", "正在读的字"), ("looked at in the source", "read in the source")),
    "decoder": (("此前写出的内容", "正在写出的内容"), ("written before", "being written")),
    "cross": (("来电报告", "正在写出的内容"), ("looked at in the source", "being written")),
}


def draw_png(explanation: Explanation, views: Sequence[View] = (DEFAULT_VIEW,)) -> bytes:
    """The views side by side, as PNG. Raises ValueError for none, too many, or a layer or head that is not there."""
    if not 1 <= len(views) <= MAX_PANELS:
        raise ValueError(f"views: a picture holds 1 to {MAX_PANELS}, not {len(views)}")
    lettering = _Lettering(find_chinese_font())
    longest = next(side for panels, side in _SIDES if len(views) <= panels)
    across = next(count for count in range(1, MAX_PANELS + 1) if count * count >= len(views))
    down = ceil(len(views) / across)
    sizes = [explanation.matrix(view).shape for view in views]
    width, height = (max(_side(size[axis], longest) for size in sizes) + _MARGIN for axis in (1, 0))
    figure = Figure(figsize=(across * width, down * height), dpi=_DPI, layout="constrained")
    for number, view in enumerate(views):
        _draw(figure.add_subplot(down, across, number + 1), explanation, view, lettering, longest)
    if lettering.family is None:
        figure.suptitle(NO_FONT, fontsize=_SIZE)
    return _png(figure, f"{explanation.model.name} {explanation.model.digest}")


@cache
def find_chinese_font() -> str | None:
    """The family of a font of this machine that has Chinese; None where there is none."""
    families = {entry.name for entry in fontManager.ttflist}
    others = sorted(families.difference(_PREFERRED))
    for family in (*(name for name in _PREFERRED if name in families), *others):
        if _can_draw(family, _SAMPLE):
            return family
    return None


def _png(figure: Figure, source: str) -> bytes:
    """With a palette: a heatmap has few colours, and a third of the size so."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    about = PngInfo()
    about.add_text("Source", source)
    file = io.BytesIO()
    with Image.open(drawn) as picture:
        picture.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE).save(file, "PNG", pnginfo=about)
    return file.getvalue()


class _Lettering:
    """How labels are written with a font; ``family`` None is one without Chinese."""

    def __init__(self, family: str | None) -> None:
        self.family = family
        self.language = 0 if family else 1

    def font(self, size: int) -> FontProperties:
        return FontProperties(family=self.family or _LATIN, size=size)

    def label(self, token: Token, number: int) -> str:
        """What a token is called; its number where the font lacks a character of that."""
        name = symbol_name(token.text) if token.start == token.end else token.text.replace(" ", "␣")
        return name if name and _can_draw(self.family or _LATIN, name) else str(number)


def _can_draw(family: str, text: str) -> bool:
    font = _font(family)
    return all(font.get_char_index(ord(character)) for character in text)


@cache
def _font(family: str) -> FT2Font:
    return get_font(findfont(FontProperties(family=family)))


def _side(tokens: int, longest: float) -> float:
    return min(tokens * _CELL, longest)


def _draw(axes: Axes, explanation: Explanation, view: View, lettering: _Lettering, longest: float) -> None:
    weights = explanation.matrix(view)
    image = axes.imshow(weights, cmap="viridis", vmin=0.0, interpolation="nearest", aspect="auto")
    colours = axes.figure.colorbar(image, ax=axes, fraction=0.03, pad=0.01)
    colours.ax.tick_params(labelsize=_SIZE)
    rows, columns = (
        [lettering.label(token, number) for number, token in enumerate(tokens)]
        for tokens in (explanation.rows(view.kind), explanation.columns(view.kind))
    )
    font = lettering.font(_SIZE)
    across, down = _labelled(len(columns), longest), _labelled(len(rows), longest)
    # One character below the other, as Chinese is written from top to bottom; brackets would stand crosswise there.
    upright = ["\n".join(columns[at].strip("〔〕")) for at in across]
    axes.set_xticks(across, upright, fontproperties=font, parse_math=False)  # what stands between two $ is no formula
    axes.set_yticks(down, [rows[at] for at in down], fontproperties=font, parse_math=False)
    axes.tick_params(length=0)
    below, beside = _AXIS_NAMES[view.kind][lettering.language]
    axes.set_xlabel(below, fontproperties=font)
    axes.set_ylabel(beside, fontproperties=font)
    axes.set_title(_title(view, lettering), fontproperties=lettering.font(_TITLE_SIZE))


def _labelled(tokens: int, longest: float) -> list[int]:
    """The tokens that get a label: all, or every so many where they would overlap."""
    step = ceil(_LABEL * tokens / _side(tokens, longest)) if tokens else 1
    return list(range(0, tokens, step))


def _title(view: View, lettering: _Lettering) -> str:
    kind = _KIND_NAMES[view.kind][lettering.language]
    if lettering.language:
        layer = f"layer {view.layer}" if view.layer else "mean of the layers"
        return f"{kind}, {layer}, {f'head {view.head}' if view.head else 'mean of the heads'}"
    layer = f"第{view.layer}层" if view.layer else "各层平均"
    return f"{kind} · {layer} · {f'第{view.head}头' if view.head else '各头平均'}"
