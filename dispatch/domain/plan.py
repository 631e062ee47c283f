"""Orders and plans: what doctrine makes of a situation, as data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dispatch.domain import fields
from dispatch.domain.situation import JsonObject

AGENCIES = ("消防", "公安交警", "医疗120", "电力", "交通", "水利", "通信", "应急")

# Actions in the order in which the instruction's text names them. Beside these there are 出动 and 已派, data for
# agencies and reviewers only: totals of crew and vehicles, and what was issued already.
SPOKEN_ACTIONS = (
    *("继续", "派", "增派", "备勤", "随行", "携带", "通知", "调运"),
    *("协调", "申请", "任务", "注意", "核实", "联系", "回拨"),
)

PRIORITIES = ("特急", "紧急", "一般")  # most urgent first

UNKNOWN_PLACE = "待核实地点"


@dataclass(frozen=True)
class Order:
    """One order to one agency; ``count`` is None where doctrine gives no number."""

    agency: str
    action: str
    item: str
    count: int | None = None
    unit: str = ""
    place: str = ""

    def at(self, place: str) -> "Order":
        """The same order for a place."""
        if place == self.place:
            return self
        return Order(self.agency, self.action, self.item, self.count, self.unit, place)

    def to_dict(self) -> JsonObject:
        return {
            "agency": self.agency,
            "action": self.action,
            "item": self.item,
            "count": self.count,
            "unit": self.unit,
            "place": self.place,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Order":
        """Inverse of :meth:`to_dict`. Raises ValueError naming the field that is wrong."""
        texts = ("agency", "action", "item", "unit", "place")
        fields.read_object("order", data, (*texts, "count"))
        fields.require("order", data, (*texts, "count"))
        count = None if data["count"] is None else fields.read_whole_number("order.count", data["count"])
        return cls(count=count, **{name: fields.read_text(f"order.{name}", data[name]) for name in texts})


@dataclass(frozen=True)
class Plan:
    """Doctrine applied to one situation."""

    orders: tuple[Order, ...]
    priority: str  # 特急, 紧急 or 一般

    def spoken(self) -> tuple[Order, ...]:
        """The orders that the instruction's text says."""
        return tuple(order for order in self.orders if order.action in SPOKEN_ACTIONS)

    def ending_in(self, orders: Sequence[Order]) -> "Plan":
        """The same plan whose text ends in further orders, which go where its first one goes."""
        if not orders:
            return self
        spoken = self.spoken()
        silent = tuple(order for order in self.orders if order not in spoken)
        place = next((order.place for order in spoken), "")
        return replace(self, orders=(*spoken, *(order.at(place) for order in orders), *silent))
