"""The closed sets of labels that situations are made of, the same in JSON, proto and database."""

KINDS = ("request", "offer", "resolved", "other")

HAZARDS = (
    "snow_road",
    "avalanche",
    "flood",
    "earthquake",
    "landslide",
    "typhoon",
    "building_fire",
    "wildfire",
    "hazmat",
    "traffic_accident",
    "collapse",
    "mountain_rescue",
)

PEOPLE = ("trapped", "injured", "buried", "missing", "households")

VULNERABLE = ("elderly", "child", "infant", "pregnant", "patient", "disabled")

OUTAGES = ("power", "water", "gas", "communications", "road")

NEEDS = (
    "rescue",
    "evacuation",
    "medical",
    "medicine",
    "food",
    "water",
    "shelter",
    "warmth",
    "boat",
    "life_jacket",
    "sandbag",
    "drainage",
    "snow_clearing",
    "debris_clearing",
    "heavy_equipment",
    "firefighting",
    "generator",
    "lighting",
    "fuel",
    "communications",
    "transport",
    "search",
)

MEASURES = ("snow_depth_m", "water_depth_m", "floor", "magnitude", "wind_level", "area_ha", "leak_tonnes")

# Facts that are true or absent.
FLAG_FACTS = (
    "cold",  # severe cold on scene, hypothermia threatens
    "night",
    "current",  # fast water
    "in_water",  # people stand or float in water
    "smoke",
    "gas",
    "toxic",
    "burning",
    "unconscious",
    "critical_site",  # hospital, life support, pumping station, water works, base station
    "reinforce",  # what is on scene is not enough: 不够, 压制不住, 再来
    "low_battery",
    "caller_elsewhere",  # a relative or a volunteer calls: the phone's place is not the incident's
    "mine",
    "flammable",
    "reactive",  # reacts with water
    "trees",  # fallen trees block the way
    "villages",  # villages are downwind of a wildfire
    "unreachable",  # no road leads there
    "indoor",
    "winter",
)

# Facts that carry a number.
NUMBER_FACTS = (
    "cars",  # stuck vehicles
    "km",  # length of road that is blocked
    "pinned",
    "hours",  # how long people have been waiting
    "severe",
    "moderate",
    "light",
    "displaced",
    "vehicles",  # vehicles in a collision
    "altitude_m",
    "kilowatts",
    "battery_percent",
    "age",
)

FACTS = FLAG_FACTS + NUMBER_FACTS

UNITS = tuple("辆台艘只件套顶床张份升条箱支部名架个袋桶吨人副")
