"""Anonymizing: personal data in texts that become training pairs is replaced by what reads alike and is nobody's."""

import re

from dispatch.domain.extraction import find_phones

_KEPT_DIGITS = 3  # of a phone: enough to be read as one, shared by millions
_IDENTITY_CARD = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)", re.ASCII)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_ACCOUNT = re.compile(r"((?:微信|WeChat|wechat|QQ|qq)号?[:: ]?)([A-Za-z0-9][\w-]{4,19})", re.ASCII)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范"
    "金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_NAMED = re.compile(
    rf"((?:联系人|联络人|姓名|我叫|报警人|求助人)[:: 是]?)[{_SURNAMES}][\u4e00-\u9fff]{{1,2}}(?![\u4e00-\u9fff])"
)
_ADDRESSED = re.compile(rf"(?<![\u4e00-\u9fff])[{_SURNAMES}](?=先生|女士|小姐|师傅|大爷|大妈|大姐|大哥|阿姨)")


def anonymize(text: str) -> str:
    """A text (normalised) without telephone and identity card numbers, mail addresses, accounts and people's names.

    Digits become 0 behind the first few, so that a number is still read as what it was; a name becomes 某. Places stay:
    they are what a model learns to read. Names that nothing announces are not found.
    """
    text = _MAIL.sub("x@example.com", text)
    text = _IDENTITY_CARD.sub("0" * 18, text)
    for start, end in reversed(find_phones(text)):
        text = text[:start] + _blanked(text[start:end]) + text[end:]
    text = _ACCOUNT.sub(lambda found: found[1] + "x" * len(found[2]), text)
    text = _NAMED.sub(r"\1某某", text)
    return _ADDRESSED.sub("某", text)


def _blanked(phone: str) -> str:
    return phone[:_KEPT_DIGITS] + re.sub(r"\d", "0", phone[_KEPT_DIGITS:])
