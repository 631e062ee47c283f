"""Texts that break programs: each kind is made anew, and differently, from a random source."""

from collections.abc import Callable, Mapping
from random import Random

MEGABYTE = 1_000_000

_LENGTHS = (1, 10, 100, 200, 500, 1000, 3999, 4000, 4001, 40_000)


def _repeated(*units: str) -> Callable[[Random], bytes]:
    """One of these, over and over."""

    def make(random: Random) -> bytes:
        unit, length = random.choice(units), random.choice(_LENGTHS)
        return (unit * (length // len(unit) + 1))[:length].encode("utf-8", "surrogatepass")

    return make


def _mixed(*units: str) -> Callable[[Random], bytes]:
    """Some of these in any order."""

    def make(random: Random) -> bytes:
        length = random.choice(_LENGTHS)
        return "".join(random.choices(units, k=length))[:length].encode("utf-8", "surrogatepass")

    return make


def _any_characters(random: Random) -> bytes:
    codes = (random.randrange(random.choice((0x80, 0x3000, 0xA000, 0x110000))) for _ in range(random.choice(_LENGTHS)))
    return "".join(map(chr, codes)).encode("utf-8", "surrogatepass")


def _megabyte(random: Random) -> bytes:
    unit = random.choice(("a", "甲", ",", "\u0301", "3人", "\ufdfa", "😀")).encode()
    return unit * (MEGABYTE // len(unit))


def _among_words(random: Random) -> bytes:
    """A report that can be read, with something in it that cannot."""
    kind = random.choice([name for name in TEXTS if name not in ("among words", "a megabyte")])
    inner = TEXTS[kind](random)[:300].decode("utf-8", "ignore").encode()
    return "山区公路积雪3米,".encode() + inner + ",50人被困".encode()


TEXTS: Mapping[str, Callable[[Random], bytes]] = {
    "control characters": _mixed(*map(chr, range(1, 32)), "\x7f", "\x85", "甲"),
    "NUL": _mixed("\0", "甲", "a"),
    "direction marks": _mixed("\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2069", "\u200f", "被困3人", "abc"),
    "right to left": _mixed("שלום ", "مرحبا ", "٣", "۵", "\u0640"),
    "emoji": _mixed("😀", "👨‍👩‍👧‍👦", "🏴\U000e0067\U000e0062\U000e007f", "👍🏽", "🇨🇳", "\u200d", "\ufe0f"),
    "zero width": _repeated("\u200b", "\u200d", "\ufeff", "\u2060", "\u200b甲"),
    "combining marks": _mixed("\u0301", "\u0323", "\u0f71", "\u0f74", "\u3099", "a", "か"),
    "stacked marks": _repeated("a" + "\u0301" * 300, "\u0315\u0300", "\u0f71\u0f72\u0f74", "\u1100\u1161\u11a8"),
    "characters that grow": _repeated("\ufdfa", "\ufdf2", "\u33c2", "⑽", "㍿", "\u1f82", "\ufb2c"),
    "lone surrogates": _mixed("\ud800", "\udfff", "甲", "a"),
    "pairs of surrogates": _repeated("\ud83d\ude00"),
    "broken UTF-8": lambda random: random.choice((b"\xff\xfe", b"\xc3", b"\xe4\xb8", b"\xf8\x88\x80\x80\x80")) * 9,
    "noncharacters": _mixed("\uffff", "\ufffe", "\ufdd0", "\U0010ffff", "\ue000", "\ufffd"),
    "SQL": _repeated("'; DROP TABLE instructions; --", "' OR '1'='1", '"; DELETE FROM requests;', "\\'; %00"),
    "HTML": _repeated("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&#x27;&lt;", "]]><!--"),
    "format strings": _repeated("%s%n%x", "{0.__class__}", "{}", "${jndi:ldap://x}", "%(a)s", "{{7*7}}", "\\u0000"),
    "paths": _repeated("../", "..\\", "/etc/passwd", "file:///", "~/", "./.", "tiny/", "tiny/../", "%2e%2e/"),
    "identifiers": _repeated("a", "A.b_c:d-", "-", ":", "instructions/", "0" * 32),
    "digits": _repeated("9", "0", "1.", "1,000", "3人", "1-", "１", "٣", "1e9"),
    "Chinese numerals": _repeated("万", "九千九百九十九万", "三百", "一", "零", "俩", "两两", "几十", "上万", "壹佰"),
    "punctuation": _repeated(",", "。", ";", "、", "!?", "…", ".", " ", "\u3000", ";一、"),
    "telephone numbers": _repeated("13800000000", "010-12345678 ", "139 ", "1380000 0000,"),
    "people": _repeated("娃3人,", "我和我妈", "三对夫妻,", "12个,出来5个", "其余没事", "3人其余", "司机及三名乘客"),
    "places": _repeated("甲村", "大甲村", "A7公路", "村口", "路", "甲", "A1", "甲区乙市丙村"),
    "orders": _repeated("派1台车至甲,", "派到到", "调运沙袋2000条至甲、", "另1人备勤,", "通知120派3辆,", "甲待核实,"),
    "symbols": _repeated("<situation>", "<report>", "<instruction>", "<kind:request>", "▁", "<0xE5>", "</s>"),
    "another script": _repeated("ж", "λόγος ", "हिन्दी", "한국어", "ﷲ", "𝔄", "ก็"),
    "any characters": _any_characters,
    "nothing": lambda random: random.choice((b"", b" ", b"\n", b"\t\r\n", "\u3000".encode(), "\u200b".encode())),
    "a megabyte": _megabyte,
    "among words": _among_words,
}
