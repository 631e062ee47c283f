"""The named formulas and conditions that doctrine's YAML refers to: small functions of a situation and thresholds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any

from dispatch.domain.situation import Situation

# A place made of these alone names no place: somebody has to call back and ask.
_GENERIC_WORDS = (
    *("山区", "山里", "山上", "山下", "野外", "高速", "国道", "省道", "县道", "乡道", "公路", "道路", "马路"),
    *("路上", "路边", "路段", "路", "途中", "半路", "村口", "村里", "村子", "村", "镇上", "镇里", "镇"),
    *("县里", "城里", "小区", "楼里", "楼上", "家里", "屋里", "家", "学校", "厂里", "工地", "服务区", "隧道"),
    *("桥下", "桥边", "桥", "河边", "江边", "水库", "附近", "旁边", "外头", "外面", "里面", "前面", "后面"),
    *("边上", "这边", "那边", "这里", "那里", "这儿", "那儿", "一处", "某处", "我们", "咱们", "我", "的"),
    *("在", "口", "上", "下", "里", "边"),
)

# The thresholds that the formulas and the plan read: a doctrine has to state every one of them.
THRESHOLDS = frozenset(
    {
        "crew_per_vehicle",
        "vehicles_by_trapped",
        "people_per_further_vehicle",
        "household_people",
        "medical_people",
        "moderate_per_ambulance",
        "light_per_ambulance",
        "first_wave",
        "generator_people",
        "litres_a_person",
        "rations_a_person",
        "people_per_tent",
        "ploughs_most",
        "ploughs_unknown",
        "km_per_plough",
        "light_plough_depth_m",
        "cars_per_tow_truck",
        "dogs_least",
        "people_per_dog",
        "boats_least",
        "people_per_boat",
        "people_per_boat_hard",
        "wading_depth_m",
        "excavators_least",
        "buried_per_excavator",
        "engines_least",
        "ladder_floor",
        "chest_depth_m",
        "people_per_bus",
        "waiting_hours",
    }
)


def is_vague_place(place: str) -> bool:
    """Whether a place is unknown or generic ("", 山区公路, 村口): it holds no proper name and no road number."""
    reached = {0}  # the offsets that generic words lead to: linear, where a nested pattern would try every split
    for start in range(len(place)):
        if start in reached:
            reached |= {start + len(word) for word in _GENERIC_WORDS if place.startswith(word, start)}
    return len(place) in reached


@dataclass(frozen=True)
class Reading:
    """A situation as the formulas see it, with doctrine's thresholds beside it."""

    situation: Situation
    thresholds: Mapping[str, Any]

    def planned(self, category: str) -> int:
        """Planning number of a category of people; 0 when the report states none."""
        count = self.situation.people.get(category)
        return count.planning_number() if count else 0

    def people(self) -> int:
        """How many people the supplies and vehicles are for; 0 when unknown."""
        households: int = self.planned("households") * self.thresholds["household_people"]
        return self.planned("trapped") or households or int(self.situation.facts.get("displaced", 0))

    def lost(self) -> int:
        """How many people have to be searched for."""
        return self.planned("buried") + self.planned("missing")

    def moderate(self) -> float:
        """How many are moderately injured; injured people of unstated severity count as that."""
        return max(self.fact("moderate"), self.planned("injured") - self.fact("severe") - self.fact("light"))

    def amounts(self) -> Mapping[str, int]:
        """The numbers of people that the formulas count with, by a short name."""
        return {
            "人": self.people(),
            "寻": self.lost(),
            "埋": self.planned("buried"),
            "伤": int(self.moderate()),
        }

    def measure(self, name: str) -> float | None:
        return self.situation.measures.get(name)

    def fact(self, name: str) -> float:
        return float(self.situation.facts.get(name, 0))


def _per(amount: float, size: float) -> int:
    """How many units of ``size`` hold ``amount``; guards against 0.1 + 0.2 style rounding."""
    return ceil(round(amount / size, 6))


def vehicles(reading: Reading) -> int:
    """Rescue vehicles by people trapped."""
    people, thresholds = reading.people(), reading.thresholds
    for most, count in thresholds["vehicles_by_trapped"]:
        if people <= most:
            return int(count)
    most, count = thresholds["vehicles_by_trapped"][-1]
    return int(count) + _per(people - most, thresholds["people_per_further_vehicle"])


def ploughs(reading: Reading) -> int:
    depth, km, thresholds = reading.measure("snow_depth_m"), reading.fact("km"), reading.thresholds
    if depth is None and not km:
        return int(thresholds["ploughs_unknown"])
    wanted = max(_per(depth or 0, 1), _per(km, thresholds["km_per_plough"]), 1)
    return int(min(wanted, thresholds["ploughs_most"]))


def tow_trucks(reading: Reading) -> int:
    return max(1, _per(reading.fact("cars"), reading.thresholds["cars_per_tow_truck"]))


def dogs(reading: Reading) -> int:
    return int(max(reading.thresholds["dogs_least"], _per(reading.lost(), reading.thresholds["people_per_dog"])))


def boats(reading: Reading) -> int:
    hard = bool(reading.fact("current")) or bool(reading.situation.vulnerable)
    size = reading.thresholds["people_per_boat_hard" if hard else "people_per_boat"]
    return int(max(reading.thresholds["boats_least"], _per(reading.people(), size)))


def excavators(reading: Reading) -> int:
    thresholds = reading.thresholds
    return int(max(thresholds["excavators_least"], _per(reading.planned("buried"), thresholds["buried_per_excavator"])))


def engines(reading: Reading) -> int:
    return max(int(reading.thresholds["engines_least"]), vehicles(reading))


def ambulances(reading: Reading) -> int:
    """By severity."""
    thresholds = reading.thresholds
    moderate = _per(reading.moderate(), thresholds["moderate_per_ambulance"])
    return int(reading.fact("severe") + moderate + _per(reading.fact("light"), thresholds["light_per_ambulance"]))


def people(reading: Reading) -> int:
    return reading.people()


def litres(reading: Reading) -> int:
    return reading.people() * int(reading.thresholds["litres_a_person"])


def rations(reading: Reading) -> int:
    return reading.people() * int(reading.thresholds["rations_a_person"])


def tents(reading: Reading) -> int:
    return _per(reading.people(), reading.thresholds["people_per_tent"])


def buses(reading: Reading) -> int:
    return max(1, _per(reading.people(), reading.thresholds["people_per_bus"]))


FORMULAS: Mapping[str, Callable[[Reading], int]] = {
    formula.__name__: formula
    for formula in (
        vehicles,
        ploughs,
        tow_trucks,
        dogs,
        boats,
        excavators,
        engines,
        ambulances,
        people,
        litres,
        rations,
        tents,
        buses,
    )
}


def shallow_snow(reading: Reading) -> bool:
    depth = reading.measure("snow_depth_m")
    return depth is not None and depth <= float(reading.thresholds["light_plough_depth_m"])


def wading(reading: Reading) -> bool:
    """Still water that high-clearance vehicles can drive through."""
    depth = reading.measure("water_depth_m")
    return depth is not None and depth < float(reading.thresholds["wading_depth_m"]) and not reading.fact("current")


def people_stranded(reading: Reading) -> bool:
    return bool(reading.people() or reading.fact("in_water") or {"rescue", "evacuation"} & set(reading.situation.needs))


def high_floor(reading: Reading) -> bool:
    return (reading.measure("floor") or 0) >= int(reading.thresholds["ladder_floor"])


def many_people(reading: Reading) -> bool:
    return reading.people() >= int(reading.thresholds["medical_people"])


def supply_is_vital(reading: Reading) -> bool:
    """A site that must not lose power, very many people, or an output in kilowatts that was asked for."""
    crowd = reading.people() >= reading.thresholds["generator_people"]
    return bool(reading.fact("critical_site") or reading.fact("kilowatts") or crowd)


def uncertain_people(reading: Reading) -> bool:
    return any(count.uncertain for count in reading.situation.people.values())


def vague_place(reading: Reading) -> bool:
    return is_vague_place(reading.situation.location)


CONDITIONS: Mapping[str, Callable[[Reading], bool]] = {
    condition.__name__: condition
    for condition in (
        shallow_snow,
        wading,
        people_stranded,
        high_floor,
        many_people,
        supply_is_vital,
        uncertain_people,
        vague_place,
    )
}


def priority(reading: Reading) -> str:
    """特急, 紧急 or 一般, from what threatens life soonest."""
    situation, thresholds = reading.situation, reading.thresholds
    deep_water = (reading.measure("water_depth_m") or 0) >= thresholds["chest_depth_m"]
    deadly = any(reading.fact(name) for name in ("gas", "current", "unconscious", "cold", "in_water"))
    if deadly or deep_water or "buried" in situation.people or "building_fire" in situation.hazards:
        return "特急"
    if set(situation.people) or situation.vulnerable or reading.fact("hours") > thresholds["waiting_hours"]:
        return "紧急"
    return "一般"
