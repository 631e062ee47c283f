"""Elements of HTML for pages. Whatever they are given as text is shown as text, never read as HTML."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from nicegui import ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement


def element(tag: str, classes: str = "", attributes: Mapping[str, str | int] | None = None) -> Element:
    """An element without a text of its own; attributes are set as they are, whatever they hold."""
    made = ui.element(tag).classes(classes)
    set_attributes(made, attributes or {})
    return made


def text(tag: str, said: str, classes: str = "", attributes: Mapping[str, str | int] | None = None) -> TextElement:
    """An element that says something."""
    made = TextElement(tag=tag, text=said).classes(classes)
    set_attributes(made, attributes or {})
    return made


def set_attributes(target: Element, attributes: Mapping[str, str | int | None]) -> None:
    """Sets attributes, and takes away those that are None; nothing is sent where nothing changes."""
    changed = False
    for name, value in attributes.items():
        if value is None:
            changed = target._props.pop(name, None) is not None or changed
        elif target._props.get(name) != value:
            target._props[name] = value
            changed = True
    if changed:
        target.update()


def button(said: str, key: str, on_click: Callable[[], Any], classes: str = "") -> Element:
    """A button that a key presses too, which stands beside it; "" is no key."""
    made = _button(said, key, classes)
    made.on("click", lambda: on_click(), args=[])
    return made


def submit(said: str, key: str, field: Element, on_submit: Callable[[str], Any], classes: str = "") -> Element:
    """A button that hands in what a field holds at that moment; "" is no key."""
    made = _button(said, key, classes)
    made.on(
        "click", lambda event: on_submit(str(event.args)),
        js_handler=f"() => emit(getHtmlElement({field.id}).value)",
    )  # fmt: skip
    return made


def _button(said: str, key: str, classes: str) -> Element:
    made = element("button", classes, {"type": "button"} | ({"data-key": key} if key else {}))
    with made:
        text("span", said)
        if key:
            text("kbd", key, "", {"aria-hidden": "true"})
    return made


def link(said: str, target: str, key: str = "", classes: str = "") -> Element:
    """A link that a key follows too; "" is no key."""
    made = element("a", classes, {"href": target} | ({"data-key": key} if key else {}))
    with made:
        text("span", said)
        if key:
            text("kbd", key, "", {"aria-hidden": "true"})
    return made


def select(label: str, options: Mapping[str, str], value: str, on_change: Callable[[str], Any], name: str) -> Element:
    """A labelled choice; ``options`` are what is said of each value."""
    with element("label", "field"):
        text("span", label)
        made = element("select", "", {"name": name})
        with made:
            for option, said in options.items():
                text("option", said, "", {"value": option} | ({"selected": "selected"} if option == value else {}))
        made.on("change", lambda event: on_change(str(event.args)), js_handler="(e) => emit(e.target.value)")
    return made


def field(label: str, tag: str, attributes: Mapping[str, str | int]) -> Element:
    """A labelled `input` or `textarea`.

    It begins empty or with what `beginning` says, and is filled later by `set_value`: an attribute `value` would undo
    what is typed, again and again.
    """
    with element("label", "field"):
        text("span", label)
        return element(tag, "", {"autocomplete": "off", "spellcheck": "false", **attributes})


def beginning(value: str) -> dict[str, str | int]:
    """The attribute of a field that begins with a text, there before anybody can type."""
    return {"defaultValue": value}


def entry(label: str, tag: str, attributes: Mapping[str, str | int], on_input: Callable[[str], Any]) -> Element:
    """A field of which ``on_input`` is told what it holds while somebody types."""
    made = field(label, tag, attributes)
    made.on(
        "input", lambda event: on_input(str(event.args)), throttle=0.15, leading_events=False,
        js_handler="(e) => emit(e.target.value)",
    )  # fmt: skip
    return made


def set_value(target: Element, value: str) -> None:
    """What a field holds, also where somebody has typed: Vue would leave that as it is."""
    ui.run_javascript(f"const field = getHtmlElement({target.id}); if (field) field.value = {json.dumps(value)}")


def begin_edit(target: Element, value: str) -> None:
    """The same for the draft's field, but that what was typed there before a reload stands in it again."""
    ui.run_javascript(f"dispatchEdit.begin(getHtmlElement({target.id}), {json.dumps(value)})")


def forget_edit() -> None:
    """Have nothing stand there again: it was handed in, or dropped."""
    ui.run_javascript("dispatchEdit.forget()")


def call(target: Element, method: str) -> None:
    """Calls a method of an element in the browser, such as `focus`."""
    ui.run_javascript(f"getHtmlElement({target.id})?.{method}()")
