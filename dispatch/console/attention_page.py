"""Attention by layer and head, as a heatmap and as the strongest links in words."""

import json
import re
from collections.abc import Callable, Mapping

import numpy as np
from fastapi import Request
from nicegui import ui

from dispatch.console.elements import element, link, select, set_attributes, text
from dispatch.console.layout import PATIENCE_S, SessionOver, Visit, frame, visit_of
from dispatch.domain.situation import JsonObject
from dispatch.engine import KINDS, AttentionKind
from dispatch.store import NotFound, StoreError
from dispatch.workflow.explain import Explanation, View
from dispatch.workflow.review import NotAllowed

_KEY = re.compile("[0-9a-f]{32}")
_DIGITS = 3


@ui.page("/attention/{key}", response_timeout=PATIENCE_S)
async def attention(request: Request, key: str) -> None:
    """The page."""
    visit = visit_of(request)
    words = visit.words
    with frame(visit, words("attention.title"), "") as messages:
        with element("p", "links"):
            link(words("attention.back"), f"/review/{key}" if _KEY.fullmatch(key) else "/", "b")
        try:
            if not _KEY.fullmatch(key):
                raise NotFound(f"instructions/{key}")
            instruction = await visit.ask(lambda: visit.services.desk.get(visit.reviewer, f"instructions/{key}"))
            explanation = await visit.explain(instruction)
        except (NotFound, NotAllowed, StoreError, SessionOver) as error:
            messages.fail(error)
        except ValueError:
            text("p", words("attention.none"))
        else:
            if not explanation.wrote_it:
                text("p", words("attention.other_model", explanation.model.name), "aside")
            _View(visit, explanation)


class _View:
    def __init__(self, visit: Visit, explanation: Explanation) -> None:
        self._words = words = visit.words
        self._explanation = explanation
        self._view = View()
        self._choices = element("div", "filters")
        self._show_choices()
        with element("div", "scroll", {"tabindex": 0, "role": "region", "aria-label": words("attention.title")}):
            self._canvas = element("canvas", "", {"role": "img", "aria-label": words("attention.picture")})
        text("h2", words("attention.strongest"))
        with element("table", "strongest"):
            with element("thead"), element("tr"):
                for column in ("token", "looks_at", "weight"):
                    text("th", words(f"attention.{column}"), "", {"scope": "col"})
            self._body = element("tbody")
        self._show()

    def _show_choices(self) -> None:
        words, view = self._words, self._view
        layers, heads, *_ = self._explanation.weights[view.kind].shape
        self._choices.clear()
        with self._choices:
            kinds: dict[str, str] = {kind: words(f"attention.{kind}") for kind in KINDS}
            select(words("attention.kind"), kinds, view.kind, self._choose_kind, "kind")
            for name, most, chosen in (("layer", layers, view.layer), ("head", heads, view.head)):
                options = {"0": words("attention.mean")} | {str(number): str(number) for number in range(1, most + 1)}
                select(words(f"attention.{name}"), options, str(chosen), self._number_setter(name, options), name)

    def _choose_kind(self, value: str) -> None:
        """The kinds have not the same layers."""
        self._view = View(_kind(value))
        self._show_choices()
        self._show()

    def _number_setter(self, name: str, options: Mapping[str, str]) -> Callable[[str], None]:
        def choose(value: str) -> None:
            if value in options:
                view = self._view
                layer, head = (int(value), view.head) if name == "layer" else (view.layer, int(value))
                self._view = View(view.kind, layer, head)
                self._show()

        return choose

    def _show(self) -> None:
        view = self._view
        picture = _picture(self._explanation, view)
        set_attributes(self._canvas, {"data-picture": json.dumps(picture, ensure_ascii=False)})
        self._body.clear()
        with self._body:
            for token, weights in zip(picture["rows"], picture["weights"], strict=True):
                best = int(np.argmax(weights))
                with element("tr"):
                    text("td", token, "", {"lang": "zh-CN"})
                    text("td", picture["columns"][best], "", {"lang": "zh-CN"})
                    text("td", f"{weights[best]:.3f}", "number")


def _kind(value: str) -> AttentionKind:
    for kind in KINDS:
        if kind == value:
            return kind
    raise ValueError(f"kind: {value!r} is none of {', '.join(KINDS)}")


def _picture(explanation: Explanation, view: View) -> JsonObject:
    """Raises ValueError where there is no such layer or head."""
    return {
        "rows": [token.text for token in explanation.rows(view.kind)],
        "columns": [token.text for token in explanation.columns(view.kind)],
        "weights": np.round(explanation.matrix(view).astype(float), _DIGITS).tolist(),
    }
