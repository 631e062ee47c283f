"""How many people a text tells of by words alone (我和我妈, 两口子带俩娃), and by sums that it leaves to the reader.

Rules alone, no part of the network, and generous: they say what may have been meant, to tell it from what cannot.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

from dispatch.domain.amounts import SIMPLIFIED, Amount
from dispatch.domain.extraction import DIGITS

MOST_TOLD = 12
"""Nobody names more people one by one."""

_PAIR = (
    "一男一女|一老一小|一大一小|两口子|小两口|老两口|夫妻|夫妇|父子|父女|母子|母女|姐妹|兄弟|姐弟|兄妹|爷孙|祖孙|婆媳|双胞胎|情侣"
    "|俩(?!个)"
)
_ONE = (
    "本人|爸|父亲|妈|母亲|爹|娘(?!家)|爷爷|爷(?!爷)|奶奶|奶(?!奶|粉)|姥姥|姥爷|外公|外婆|公公|婆婆|太太"
    "|哥哥|哥(?!哥)|姐姐|姐(?!姐)|弟弟|弟(?!弟)|妹妹|妹(?!妹)|叔叔|叔(?!叔)|伯|婶|嫂子?|姑姑|姑(?!姑|娘)|姨|舅"
    "|丈夫|老公|妻子|媳妇|老婆|老伴|对象|女友|男友|女朋友|男朋友|儿子|女儿|闺女|儿媳|女婿|孙子|孙女|外甥|侄"
    "|孩子|小孩|大人|娃娃|娃(?!娃)|囡囡|囡(?!囡)|宝宝|婴儿|幼儿|幼童|儿童|少年|学生|妇女|女性|男性|女子|男子|孕妇|老人|老太|老汉"
    "|一男|一女|男的|女的|司机|副驾|师傅|驾驶员|领队|带班|组员|队员|跟车的|乘客|游客|旅客|班长|组长|队长|连长|经理|老师|教师|教练|同学|同事|同伴|同乡|老乡"
    "|工友|邻居|室友|队友|战友|朋友|护士|医生|大夫|保安|保姆|护工|民警|辅警|员工|职工|工人|矿工|民工|村民|居民|群众|住户|房东"
    "|老板|店主|摊主|服务员|快递员|骑手|护林员|值班员|管理员|志愿者|病人|患者|伤员|残疾人|租客|客人|小伙|姑娘|乡亲|牧民|渔民|农民"
)
_NUMERALS = "[\\d零一二两三四五六七八九十百千万几多余]"
_NUMBER = (
    rf"(?<!{_NUMERALS})(?P<number>\d{{1,2}}|[一二两三四五六七八九十])(?!{_NUMERALS})(?:个|名|位|口|对(?P<pairs>))?"
)
_TOLD = re.compile(
    rf"(?P<pair>{_PAIR})|{_NUMBER}(?:\w{{0,3}}?(?P<both>{_PAIR})|\w{{0,3}}?(?:{_ONE}|人))"
    rf"|(?P<three>仨)(?:{_ONE})?|(?P<one>我(?=[和跟与同带领抱背陪扶还、])|(?<=[和跟与])我(?![们的家])|{_ONE})"
)
_WINDOW_END = re.compile(r"[,。;!?…~:]+|\.{2,}")
_MOST_ADDED = 3


def most_told(text: str) -> int:
    """The most people that two neighbouring clauses of a text name, at most MOST_TOLD."""
    clauses = [_count(clause) for clause in _WINDOW_END.split(text.translate(SIMPLIFIED))]
    return min(MOST_TOLD, max(map(sum, zip(clauses, [*clauses[1:], 0], strict=True)), default=0))


def sums_of(amounts: Sequence[Amount]) -> Iterator[float]:
    """What exact amounts of people add up to, two or three of them, and what is left of one less others."""
    values = [min(amount.lows) for amount in amounts if amount.exact and amount.kind in ("people", "")]
    for size in range(2, _MOST_ADDED + 1):
        for group in combinations(values[:MOST_TOLD], size):
            total, largest = sum(group), max(group)
            yield total
            yield 2 * largest - total


def _count(clause: str) -> int:
    return sum(map(_number_of, _TOLD.finditer(clause)))


def _number_of(match: re.Match[str]) -> int:
    if number := match["number"]:
        value = int(number) if number.isascii() else 10 if number == "十" else DIGITS[number]
        value *= 2 if match["pairs"] is not None or match["both"] else 1
        return value if value <= MOST_TOLD else 0
    return 2 if match["pair"] else 3 if match["three"] else 1
