"""What the labels of situations are called in Chinese, for people who look at pictures and lists of facts."""

from collections.abc import Mapping

from dispatch.domain import labels
from dispatch.domain.situation import Count, Situation, format_number

KIND_NAMES = {"request": "求助", "offer": "提供援助", "resolved": "已解除", "other": "其他"}
HAZARD_NAMES = {
    "snow_road": "道路积雪",
    "avalanche": "雪崩",
    "flood": "洪涝",
    "earthquake": "地震",
    "landslide": "滑坡塌方",
    "typhoon": "台风",
    "building_fire": "建筑火灾",
    "wildfire": "山林火灾",
    "hazmat": "危险品泄漏",
    "traffic_accident": "交通事故",
    "collapse": "建筑倒塌",
    "mountain_rescue": "山地遇险",
}
PEOPLE_NAMES = {"trapped": "被困", "injured": "受伤", "buried": "被埋", "missing": "失踪", "households": "户数"}
VULNERABLE_NAMES = {
    "elderly": "老人",
    "child": "儿童",
    "infant": "婴儿",
    "pregnant": "孕妇",
    "patient": "病人",
    "disabled": "残疾人",
}
OUTAGE_NAMES = {"power": "断电", "water": "断水", "gas": "断气", "communications": "断网", "road": "断路"}
NEED_NAMES = {
    "rescue": "救援",
    "evacuation": "转移",
    "medical": "医疗",
    "medicine": "药品",
    "food": "食品",
    "water": "饮用水",
    "shelter": "安置",
    "warmth": "御寒物资",
    "boat": "船艇",
    "life_jacket": "救生衣",
    "sandbag": "沙袋",
    "drainage": "排水",
    "snow_clearing": "清雪",
    "debris_clearing": "清障",
    "heavy_equipment": "重型机械",
    "firefighting": "灭火",
    "generator": "发电机",
    "lighting": "照明",
    "fuel": "燃料",
    "communications": "通信保障",
    "transport": "运输",
    "search": "搜救",
}
MEASURE_NAMES = {
    "snow_depth_m": "积雪深(米)",
    "water_depth_m": "水深(米)",
    "floor": "楼层",
    "magnitude": "震级",
    "wind_level": "风力(级)",
    "area_ha": "面积(公顷)",
    "leak_tonnes": "泄漏量(吨)",
}
FACT_NAMES = {
    "cold": "严寒",
    "night": "夜间",
    "current": "水流急",
    "in_water": "人在水中",
    "smoke": "有烟",
    "gas": "有燃气",
    "toxic": "有毒",
    "burning": "正在燃烧",
    "unconscious": "昏迷",
    "critical_site": "重要场所",
    "reinforce": "要求增援",
    "low_battery": "手机快没电",
    "caller_elsewhere": "报警人不在现场",
    "mine": "矿井",
    "flammable": "易燃",
    "reactive": "遇水反应",
    "trees": "树木倒伏",
    "villages": "下风向有村庄",
    "unreachable": "道路不通",
    "indoor": "室内",
    "winter": "冬季",
    "cars": "被困车辆",
    "km": "堵塞长度(公里)",
    "pinned": "被卡压人数",
    "hours": "已等待(小时)",
    "severe": "重伤",
    "moderate": "中度伤",
    "light": "轻伤",
    "displaced": "无家可归人数",
    "vehicles": "事故车辆",
    "altitude_m": "海拔(米)",
    "kilowatts": "功率(千瓦)",
    "battery_percent": "剩余电量(%)",
    "age": "年龄",
}
FIELD_NAMES: Mapping[str, Mapping[str, str]] = {
    "kind": KIND_NAMES,
    "hazards": HAZARD_NAMES,
    "people": PEOPLE_NAMES,
    "vulnerable": VULNERABLE_NAMES,
    "outages": OUTAGE_NAMES,
    "needs": NEED_NAMES,
    "not_needed": NEED_NAMES,
    "measures": MEASURE_NAMES,
    "facts": FACT_NAMES,
}
"""Names of labels by their field of a situation: water is one thing as a need, another as an outage."""
_TITLES: Mapping[str, tuple[str, str]] = {
    "kind": ("kind", "类型"),
    "hazards": ("hazard", "灾情"),
    "people": ("people", "人员"),
    "vulnerable": ("vulnerable", "弱势"),
    "outages": ("outage", "中断"),
    "needs": ("need", "需要"),
    "not_needed": ("not_needed", "不需要"),
    "measures": ("measure", "数值"),
    "facts": ("fact", "情况"),
}
"""By the field too: what its symbols begin with, and what it is called itself."""
_LIST_FIELDS = ("hazards", "vulnerable", "outages", "needs", "not_needed")
_SYMBOL_NAMES: Mapping[str, str] = {
    "<report>": "〔报告〕",
    "<context:location>": "〔来电位置〕",
    "<context:issued>": "〔已发指令〕",
    "<situation>": "〔情报〕",
    "<instruction>": "〔指令〕",
    "<location>": "位置:",
    "<requested>": "索要:",
    "<working>": "〔推算〕",
    "<s>": "〔开始〕",
    "</s>": "〔结束〕",
} | {
    f"<{group}:{label}>": f"{title}:{name}"
    for field, (group, title) in _TITLES.items()
    for label, name in FIELD_NAMES[field].items()
}


def symbol_name(symbol: str) -> str:
    """What a control symbol such as ``<hazard:flood>`` is called; the text itself for any other."""
    return _SYMBOL_NAMES.get(symbol, symbol)


def name_facts(situation: Situation) -> dict[str, str]:
    """Each fact of a situation in words, by its path as in :func:`dispatch.domain.linear.situation_parts`."""
    named = {"kind": f"类型:{KIND_NAMES[situation.kind]}"}
    if situation.location:
        named["location"] = f"位置:{situation.location}"
    for field in _LIST_FIELDS:
        _, title = _TITLES[field]
        for index, label in enumerate(getattr(situation, field)):
            named[f"{field}[{index}]"] = f"{title}:{FIELD_NAMES[field][label]}"
    for category, count in situation.people.items():
        named[f"people.{category}"] = f"{PEOPLE_NAMES[category]}:{_count_words(count)}"
    for index, requested in enumerate(situation.requested):
        named[f"requested[{index}]"] = f"索要:{requested.to_text()}"
    for name, value in situation.measures.items():
        named[f"measures.{name}"] = f"{MEASURE_NAMES[name]}:{format_number(value)}"
    for name, value in situation.facts.items():
        number = f":{format_number(value)}" if name in labels.NUMBER_FACTS else ""
        named[f"facts.{name}"] = f"{FACT_NAMES[name]}{number}"
    return named


def _count_words(count: Count) -> str:
    """约50到60 (说法不一), 至少3"""
    if count.max is None:
        bounds = f"至少{count.min}"
    else:
        bounds = str(count.min) if count.max == count.min else f"{count.min}到{count.max}"
    return f"{'约' if count.approx else ''}{bounds}{'(说法不一)' if count.conflicting else ''}"
