"""The lexicon: how things are said. YAML files of templates, compiled once.

In a template ``[a|b|]`` chooses one alternative (groups may nest) and ``{name}`` is filled in.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.synthesis.holdout import Draw, side_of_entry

_FILES = ("places", "frames", "facts", "people", "other", "noise", "traditional")
_PLAIN_FILES = ("noise", "traditional")  # words and their variants: no templates
_FEWEST_DIVIDED = 5  # shorter lists have no held-out side
_PLAINEST = 3  # the first entries of a list say it most plainly: a model that never read them would be of no use
# Vocabulary and marks rather than ways to say something: known in every split, as the names of places.yaml are.
_UNDIVIDED_KEYS = frozenset(
    {"nouns", "hazard_words", "joiners", "finals", "names", "hashtags", "emoji", "fillers", "registers", "item_words"}
)
_WORDS = re.compile(r"\w")
_SLOT = re.compile(r"\{\w+\}")
# Words that ask for rescue in so many words: a report that says one of them has the need.
_PLEA = re.compile("救命|求救|救人|救救|来救|救我|营救|解救|请求救援|求援")

# Words of somebody on the scene: a report by somebody elsewhere does without them where it can.
# Their kin they may name wherever they are: 我爸 is no such word, 我和我爸 is.
_KIN = "爸|妈|爹|娘|哥|嫂|弟|姐|妹|叔|舅|姨|姑|伯|婶|表|堂|侄|外甥|爷|奶|姥|外公|外婆"
_KIN += "|老婆|老公|媳妇|对象|爱人|岳|公公|婆婆|儿|女|闺女|孙|孩子|娃|同学|同事|室友|朋友|邻居|工友|徒弟|师傅|老乡"
_FIRST_PERSON = re.compile(rf"我(?!\[?(?:{_KIN}))|咱|俺|这里|这边|这儿")
# Words of somebody elsewhere, who passes on what others say: a fact of its own (caller_elsewhere).
_SECOND_HAND = re.compile(
    "外地|不在现场|不在那|替|代[发转报人]|帮转|[网群]友|私信|托我|隔着|电话那头|转给我|他们.*(?:跟我|回复)"
)

_Parts = tuple["str | _Slot | tuple[_Parts, ...]", ...]


class _Slot(str):
    """The name of a slot inside a compiled template."""

    __slots__ = ()


class Template:
    """One compiled entry of the lexicon. Raises ValueError for brackets that do not match."""

    __slots__ = ("_parts", "slots", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._parts, end = _parse(text, 0, depth=0)
        if end != len(text):
            raise ValueError(f"template {text!r}: a bracket is closed that was not opened")
        self.slots = tuple(dict.fromkeys(_slots(self._parts)))

    def fill(self, draw: Draw, slots: Mapping[str, str] | None = None) -> str:
        """Chooses the alternatives and fills in the slots. Raises KeyError for a slot without a value."""
        if self._parts == (self.text,):
            return self.text
        said: list[str] = []
        _say(self._parts, draw.random, {} if slots is None else slots, said)
        return "".join(said)

    def phrasings(self) -> Iterator[str]:
        """Every text that the alternatives make, with the slots left as they are; some may come twice."""
        return _expand(self._parts)


class Entries:
    """A list of templates, divided into those that training reads and those that are held out."""

    __slots__ = ("_held", "_known", "calm", "distant", "present")

    def __init__(self, known: Sequence[Template], held: Sequence[Template]) -> None:
        """``calm`` is the part that does not plead for rescue, ``distant`` what one may say who is elsewhere, and
        ``present`` what one may say who is not."""
        self._known, self._held = tuple(known), tuple(held)
        self.calm = self._without(_PLEA)
        self.distant = self._without(_FIRST_PERSON)
        self.present = self._without(_SECOND_HAND)

    @classmethod
    def divide(cls, templates: Sequence[Template], divided: bool) -> "Entries":
        """All templates, the plainest first; where ``divided``, those that are held out are told apart."""
        long = divided and len(templates) >= _FEWEST_DIVIDED
        held = [template for template in templates[_PLAINEST:] if long and _may_be_held_out(template)]
        known = [template for template in templates if template not in held]
        return cls(known, held) if known else cls(templates, ())

    def _without(self, words: re.Pattern[str]) -> "Entries":
        known, held = ([t for t in part if not words.search(t.text)] for part in (self._known, self._held))
        return self if len(known) + len(held) == len(self) else Entries(known, held)

    def __len__(self) -> int:
        return len(self._known) + len(self._held)

    def __iter__(self) -> Iterator[Template]:
        return iter((*self._known, *self._held))

    @property
    def held_out(self) -> tuple[Template, ...]:
        return self._held

    def pick(self, draw: Draw) -> Template:
        """An entry of the drawer's side; of the known side where it has none."""
        side = draw.sides.entries
        if side != "known" and (held := [template for template in self._held if side_of_entry(template.text) == side]):
            draw.used.add("entries")
            return draw.pick(held)
        return draw.pick(self._known or self._held)

    def fill(self, draw: Draw, slots: Mapping[str, str] | None = None) -> str:
        return self.pick(draw).fill(draw, slots)


@dataclass(frozen=True)
class Lexicon:
    """The YAML files of one folder, by name: nested mappings whose lists are :class:`Entries`."""

    places: Mapping[str, Any]
    frames: Mapping[str, Any]
    facts: Mapping[str, Any]
    people: Mapping[str, Any]
    other: Mapping[str, Any]
    noise: Mapping[str, Any]
    traditional: Mapping[str, str]

    @classmethod
    def load(cls, folder: Path | None = None) -> "Lexicon":
        """Raises ValueError naming the file that is missing, is not YAML, or has a malformed template."""
        folder = folder or default_lexicon_folder()
        return cls(*(_load_file(folder / f"{name}.yaml", name) for name in _FILES))


def default_lexicon_folder() -> Path:
    """``data/lexicon`` of a checkout, or the copy inside an installed package."""
    here = Path(__file__).resolve()
    installed = here.parent / "lexicon"
    return installed if installed.is_dir() else here.parents[2] / "data" / "lexicon"


def leaves(tree: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What stands below nested mappings and is none itself (the lists of a lexicon), with the keys that lead to it."""
    if not isinstance(tree, Mapping):
        yield path, tree
        return
    for key, value in tree.items():
        yield from leaves(value, (*path, str(key)))


def read_yaml(path: Path) -> Mapping[str, Any]:
    """Raises ValueError naming the file that is missing, is not YAML, or holds no mapping."""
    try:
        data = yaml.load(path.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        raise ValueError(f"lexicon file {path} is missing") from None
    except yaml.YAMLError as error:
        raise ValueError(f"lexicon file {path}: {error}") from error
    if not isinstance(data, dict):
        raise ValueError(f"lexicon file {path}: must be a mapping")
    return data


def _load_file(path: Path, name: str) -> Mapping[str, Any]:
    data = read_yaml(path)
    if name in _PLAIN_FILES:
        return data
    try:
        return {key: _compile(value, key, name != "places") for key, value in data.items()}
    except ValueError as error:
        raise ValueError(f"lexicon file {path}: {error}") from error


def _compile(value: Any, key: Any, divided: bool) -> Any:
    divided = divided and key not in _UNDIVIDED_KEYS
    if isinstance(value, dict):
        return {inner: _compile(item, inner, divided) for inner, item in value.items()}
    if isinstance(value, list):
        return Entries.divide([Template(str(text)) for text in value], divided)
    return value


def _may_be_held_out(template: Template) -> bool:
    """An entry that is nothing but a slot or marks is no way to say anything."""
    return bool(_WORDS.search(_SLOT.sub("", template.text))) and side_of_entry(template.text) != "known"


def _parse(text: str, start: int, depth: int) -> tuple[_Parts, int]:
    """The parts from ``start`` to the end of the text or, inside a group, to the next ``|`` or ``]``."""
    parts: list[Any] = []
    literal = ""
    position = start
    while position < len(text):
        character = text[position]
        if character in "|]" and depth:
            break
        if character in "[{":
            parts += [literal] if literal else []
            literal = ""
            part, position = (_parse_group if character == "[" else _parse_slot)(text, position, depth)
            parts.append(part)
        elif character in "]}":
            raise ValueError(f"template {text!r}: {character!r} closes nothing")
        else:
            literal += character
            position += 1
    parts += [literal] if literal else []
    return tuple(parts), position


def _parse_group(text: str, position: int, depth: int) -> tuple[tuple[_Parts, ...], int]:
    alternatives = []
    while True:
        parts, position = _parse(text, position + 1, depth + 1)
        alternatives.append(parts)
        if position >= len(text):
            raise ValueError(f"template {text!r}: a [ is not closed")
        if text[position] == "]":
            return tuple(alternatives), position + 1


def _parse_slot(text: str, position: int, _depth: int) -> tuple[_Slot, int]:
    match = _SLOT.match(text, position)
    if match is None:
        raise ValueError(f"template {text!r}: a {{ without a slot's name")
    return _Slot(match[0][1:-1]), match.end()


def _slots(parts: _Parts) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Slot):
            yield str(part)
        elif isinstance(part, tuple):
            for alternative in part:
                yield from _slots(alternative)


def _say(parts: _Parts, random: Callable[[], float], slots: Mapping[str, str], said: list[str]) -> None:
    for part in parts:
        if part.__class__ is str:
            said.append(part)
        elif part.__class__ is _Slot:
            said.append(slots[part])
        else:
            _say(part[int(random() * len(part))], random, slots, said)  # type: ignore[arg-type]


def _expand(parts: _Parts) -> Iterator[str]:
    if not parts:
        yield ""
        return
    first, rest = parts[0], parts[1:]
    heads: Sequence[str]
    if isinstance(first, tuple):
        heads = [text for alternative in first for text in _expand(alternative)]
    else:
        heads = [f"{{{first}}}" if isinstance(first, _Slot) else first]
    for head in heads:
        for tail in _expand(rest):
            yield head + tail
