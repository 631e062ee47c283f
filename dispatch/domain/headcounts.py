"""Headcounts that a report states without their number: people named one by one, and sums and differences of numbers.

我和我妈 is two, 司机及三名乘客 four, 里面原有12个,出来5个 seven. Rules alone, no part of the network, and generous: a
headcount says that somebody could read this number here, not that it is the right one.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from dispatch.domain.amounts import Amount, simplified
from dispatch.domain.extraction import DIGITS

_PAIR = re.compile(
    "[小老]?两口子?|夫妻|夫妇|兄弟|姐妹|妯娌|父子|父女|母子|母女|师徒|叔侄|姐弟|兄妹|祖孙|爸妈|父母|爹妈|爹娘|爷爷奶奶"
    "|姥姥姥爷|外公外婆|一男一女|男女各一人?|司乘"
)
_PAIRS_BEFORE = re.compile(r"([1-9两二三四五六七八九])对$", re.ASCII)
_KIN = (
    "爸爸?|妈妈?|爹|大?娘|哥哥?|嫂子?|弟弟?|姐夫|姐姐?|妹夫|妹妹?|叔叔?|舅妈|舅舅?|姨夫|姨妈?|姑父|姑姑?|大?伯|婶子?|爷爷?|奶奶?"
    "|姥[姥爷]|外公|外婆|公公|婆婆|老公|老婆|媳妇|对象|爱人|丈夫|妻子|儿子?|女儿|闺女|孙[子女]?|侄[子女]?|外甥女?|丈人"
)
_I = "[我俺咱偶额]"
_PERSON = re.compile(
    rf"(?:{_I}|[他她])?(?:{_KIN})|司机|驾驶员|副驾驶?|售票员|押[运车][员的]|随车|跟车的|师傅|徒弟|领队|队长|班长|带班|乘客|同伴"
    "|同事|同学|室友|工友|朋友|邻居|老乡|亲戚|亲属|老师|教师|教练|助教|导游|保安|保洁|店[长员]|护工|工人|监理|队员|组员"
    "|租客|住户|户主|孕妇|产妇|母亲|父亲|妇女|老人|老太太|老大爷|老爷子|老头|孩子?|小孩|[宝娃婴]|新生儿|[儿幼]童|大[姐哥]"
    "|小伙|男[的子方]|女[的子方]|其[子女]|[小老][王李张陈刘杨赵]|大肚子|[他她](?!们)"
    rf"|{_I}(?=(?:这[边儿])?[、和跟与及带领抱守陪扶背搂,])|[和跟与、]{_I}(?!们|的|{_KIN})"
)
_LINK = re.compile(r"[、和跟与及带携领抱搂守陪背扶加还,。;!?:\s]")
_BARE_COUNT = re.compile("[俩仨倆]|.[个個名位口人]")
_ABSORBED = 8  # characters at most between a number and whom it counts: 两个上小学的娃
_ABSORBED_BEFORE = 3  # where the number comes behind them
_FAR = 40  # characters: more than any one headcount and what it absorbs
_NEXT = 20  # characters at most between people of one headcount
_MOST = 6  # people or numbers of one headcount
_TAKEN_OFF = re.compile("[出救撤找走刨扒挖搜寻拽拉脱离剩余除返回搬获联失散丢埋没未仅其]|下来|下山|别的|其他")
_REACH = 12  # characters behind what is taken off, in which that is said
_APART = 30  # characters at most between a number and what is taken off it


@dataclass(frozen=True)
class Headcount:
    """A number of people that ``text[start:end]`` may state."""

    value: int
    start: int
    end: int


def find_headcounts(text: str, amounts: Sequence[Amount]) -> list[Headcount]:
    """Every headcount that can be read in a text besides its plain numbers; ``amounts`` are those of the text."""
    counted = [amount for amount in amounts if amount.exact and _counts_people(amount, text)]
    spelled = simplified(text)
    pairs = _pairs(spelled)
    numbered = _numbered(counted, pairs)
    return [*pairs, *_sums(numbered), *_sums(_named(spelled, numbered)), *_differences(spelled, counted)]


def _counts_people(amount: Amount, text: str) -> bool:
    """16人, 两个, 俩."""
    return amount.kind == "people" or bool(_BARE_COUNT.match(text, amount.end - 1))


def _numbered(counted: Sequence[Amount], pairs: Sequence[Headcount]) -> list[Headcount]:
    """Those who are counted, in reading order, each once."""
    numbers = [Headcount(int(min(amount.lows)), amount.start, amount.end) for amount in counted]
    numbers = [
        each for each in numbers if not any(pair.start <= each.start <= pair.end for pair in _around(each, pairs))
    ]
    return sorted([*pairs, *numbers], key=lambda each: each.start)


def _named(text: str, numbered: Sequence[Headcount]) -> list[Headcount]:
    """Those who are counted or named, in reading order, each once."""
    singles = [Headcount(1, *match.span()) for match in _PERSON.finditer(text)]
    singles = [each for each in singles if not any(_is_counted(each, span, text) for span in _around(each, numbered))]
    return sorted([*numbered, *singles], key=lambda each: each.start)


def _around(single: Headcount, sorted_spans: Sequence[Headcount]) -> Sequence[Headcount]:
    """Those of the spans, which are in reading order, that may have to do with one: only neighbours do."""
    first = bisect_left(sorted_spans, single.start - _FAR, key=lambda span: span.start)
    last = bisect_right(sorted_spans, single.end + _FAR, key=lambda span: span.start)
    return sorted_spans[first:last]


def _pairs(text: str) -> list[Headcount]:
    """夫妻, and 三对夫妻."""
    found = []
    for match in _PAIR.finditer(text):
        several = _PAIRS_BEFORE.search(text, max(0, match.start() - 2), match.start())
        said = several[1] if several else "1"
        number = int(said) if said.isdecimal() else DIGITS[said]
        found.append(Headcount(2 * number, several.start() if several else match.start(), match.end()))
    return found


def _is_counted(single: Headcount, by: Headcount, text: str) -> bool:
    """Whether somebody named is who was counted: 两个上小学的娃, 孩子9个, 男的伤了三个; never 我 nor 我妈."""
    if by.start <= single.start < by.end:
        return True
    if single.start >= by.end and text[single.start] in _I:
        return False
    if single.start >= by.end:
        between, most = text[by.end : single.start], _ABSORBED
    else:
        between, most = text[single.end : by.start], _ABSORBED_BEFORE
    return len(between) <= most and not _LINK.search(between)


def _sums(named: Sequence[Headcount]) -> Iterator[Headcount]:
    for first in range(len(named)):
        value = named[first].value
        for last in range(first + 1, min(first + _MOST, len(named))):
            if named[last].start - named[last - 1].end > _NEXT:
                break
            value += named[last].value
            yield Headcount(value, named[first].start, named[last].end)


def _differences(text: str, counted: Sequence[Amount]) -> Iterator[Headcount]:
    for whole, part in pairwise(counted):
        left = int(min(whole.lows) - min(part.lows))
        if left > 0 and part.start - whole.end <= _APART and _TAKEN_OFF.search(text, whole.end, part.end + _REACH):
            yield Headcount(left, whole.start, part.end)
