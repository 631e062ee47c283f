"""What reports ask for by number, and the need that each implies."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Item:
    """Something asked for by number: its word, its measure word, the need that it implies, and how many."""

    word: str
    unit: str
    need: str
    low: int
    high: int


_ROWS = (
    ("除雪车", "台", "snow_clearing", 1, 12),
    ("防滑链", "副", "heavy_equipment", 10, 120),
    ("棉被", "床", "warmth", 10, 300),
    ("棉衣", "件", "warmth", 10, 300),
    ("毛毯", "条", "warmth", 10, 300),
    ("冲锋舟", "艘", "boat", 1, 15),
    ("橡皮艇", "艘", "boat", 1, 15),
    ("皮划艇", "条", "boat", 1, 12),
    ("救生衣", "件", "life_jacket", 10, 300),
    ("沙袋", "条", "sandbag", 100, 3000),
    ("编织袋", "个", "sandbag", 100, 3000),
    ("排水车", "辆", "drainage", 1, 9),
    ("抽水泵", "台", "drainage", 1, 15),
    ("挖掘机", "台", "debris_clearing", 1, 9),
    ("装载机", "台", "heavy_equipment", 1, 9),
    ("吊车", "辆", "heavy_equipment", 1, 6),
    ("清障车", "辆", "heavy_equipment", 1, 9),
    ("举高车", "辆", "heavy_equipment", 1, 5),
    ("链锯", "台", "debris_clearing", 2, 30),
    ("液压剪", "个", "heavy_equipment", 1, 6),
    ("防化服", "套", "heavy_equipment", 4, 40),
    ("生命探测仪", "台", "search", 1, 9),
    ("搜救犬", "只", "search", 2, 16),
    ("搜救队", "支", "search", 1, 6),
    ("搜救队员", "人", "search", 5, 80),
    ("无人机", "架", "search", 1, 6),
    ("水罐车", "辆", "firefighting", 2, 15),
    ("消防车", "辆", "firefighting", 2, 15),
    ("泡沫车", "辆", "firefighting", 1, 9),
    ("风力灭火机", "台", "firefighting", 10, 120),
    ("直升机", "架", "transport", 1, 3),
    ("转运客车", "辆", "transport", 1, 20),
    ("救护车", "辆", "medical", 1, 15),
    ("医疗队", "支", "medical", 1, 5),
    ("医生", "名", "medical", 2, 20),
    ("担架", "副", "medical", 2, 30),
    ("急救包", "个", "medicine", 10, 120),
    ("药品", "份", "medicine", 10, 200),
    ("方便面", "箱", "food", 10, 300),
    ("盒饭", "份", "food", 20, 600),
    ("大米", "袋", "food", 10, 200),
    ("矿泉水", "箱", "water", 10, 300),
    ("桶装水", "桶", "water", 10, 200),
    ("饮用水", "吨", "water", 1, 30),
    ("帐篷", "顶", "shelter", 5, 300),
    ("发电机", "台", "generator", 1, 9),
    ("发电车", "辆", "generator", 1, 5),
    ("照明灯", "个", "lighting", 2, 60),
    ("照明车", "辆", "lighting", 1, 6),
    ("柴油", "升", "fuel", 50, 2000),
    ("汽油", "桶", "fuel", 2, 40),
    ("通信保障车", "辆", "communications", 1, 4),
)
ITEMS: Mapping[str, Item] = {row[0]: Item(*row) for row in _ROWS}
