"""Anonymizing: personal data in texts that become training pairs is replaced by what reads alike and is nobody's."""

import re

from dispatch.workflow.masking import contact_digits

_KEPT_DIGITS = 3  # of a number: enough to be read as one, shared by millions
_IDENTITY_CARD = re.compile(r"(?<!\d)\d{17}[\dXx](?!\d)", re.ASCII)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)
_ACCOUNT = re.compile(
    r"((?:微信|[Ww]e[Cc]hat|[WwVv][Xx]|QQ|qq)(?:同号|群号|号码|群|号)?[是为:: ]{0,3})(?!\d{7})([A-Za-z0-9][\w-]{4,19})",
    re.ASCII,
)
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范"
    "金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)
_LETTER = "[\u4e00-\u9fff]"
_NAME = rf"[{_SURNAMES}]{_LETTER}?(?![村镇乡县市区路街庄屯寨桥站]){_LETTER}"  # 张庄 is none
_ANNOUNCING = "联系人|联络人|姓名|我叫|名叫|报警人|报案人|求助人|负责人|发布人"
_TITLE = "先生|女士|小姐|师傅|大爷|大妈|大姐|大哥|阿姨"
_BEHIND_A_NAME = rf"(?!{_LETTER})|(?=电话|手机|联系|号码|微信|在|{_TITLE})"
_NAMED = tuple(
    re.compile(pattern, re.ASCII)
    for pattern in (
        rf"((?:{_ANNOUNCING})[:: 是]{{0,2}})({_NAME})(?:{_BEHIND_A_NAME})",
        rf"((?<!{_LETTER}))({_NAME})(?={_TITLE}|[:: (]{{0,2}}\+?\d[\d -]{{6}})",
        rf"((?:\d[ -]?){{7}}[ (]{{0,2}})({_NAME})(?!{_LETTER})",
        rf"()([{_SURNAMES}])(?={_TITLE})",
    )
)


def anonymize(text: str) -> str:
    """A text (normalised) without contact and identity card numbers, mail addresses, accounts and people's names.

    Digits become 0 behind the first few, so that a number is still read as what it was; a name becomes 某. Places stay:
    they are what a model learns to read. Names that nothing announces, no title and no number, are not found.
    """
    text = _MAIL.sub("x@example.com", text)
    text = _IDENTITY_CARD.sub("0" * 18, text)
    characters = list(text)
    for digits in contact_digits(text):
        for at in digits[_KEPT_DIGITS:]:
            characters[at] = "0" if text[at].isdigit() else "零"
    text = _ACCOUNT.sub(lambda found: found[1] + "x" * len(found[2]), "".join(characters))
    for named in _NAMED:
        text = named.sub(lambda found: found[1] + "某" * len(found[2]), text)
    return text
