"""How hypothesis makes situations: tests ask for them by type."""

from hypothesis import strategies as st

from dispatch.domain import Count, Requested, Situation, default_doctrine, labels

# What people ask for: resources, other words for them, and words that doctrine does not know.
_ITEMS = (
    *default_doctrine().resources,
    "橡皮艇",
    "登高车",
    "热气球",
    "水、面包",
    "A2型泵,软管",
    "至尊帐篷",
    "关气断电",
)

_counts = st.builds(
    lambda low, extra, approx, conflicting: Count(low, None if extra is None else low + extra, approx, conflicting),
    st.integers(0, 10**6),
    st.none() | st.integers(0, 10**6),
    st.booleans(),
    st.booleans(),
)
_numbers = st.integers(0, 10**6).map(float) | st.integers(1, 999).map(lambda tenths: tenths / 10)
_place = st.text(alphabet="甲乙丙丁山河路村镇县AK0123456789+", min_size=1, max_size=20)


def _labels(known: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
    return st.lists(st.sampled_from(known), unique=True, max_size=4).map(tuple)


_situations = st.builds(
    Situation,
    kind=st.sampled_from(labels.KINDS),
    location=st.just("") | _place,
    hazards=_labels(labels.HAZARDS),
    people=st.dictionaries(st.sampled_from(labels.PEOPLE), _counts),
    vulnerable=_labels(labels.VULNERABLE),
    outages=_labels(labels.OUTAGES),
    needs=_labels(labels.NEEDS),
    not_needed=_labels(labels.NEEDS),
    requested=st.lists(
        st.builds(
            Requested,
            st.sampled_from(_ITEMS),
            st.integers(1, 9999).map(float),
            st.sampled_from(labels.UNITS),
        ),
        max_size=2,
    ).map(tuple),
    measures=st.dictionaries(st.sampled_from(labels.MEASURES), _numbers),
    facts=st.dictionaries(st.sampled_from(labels.NUMBER_FACTS), _numbers).flatmap(
        lambda numbers: st.lists(st.sampled_from(labels.FLAG_FACTS), unique=True, max_size=6).map(
            lambda flags: {**numbers, **dict.fromkeys(flags, True)}
        )
    ),
)

st.register_type_strategy(Count, _counts)
st.register_type_strategy(Situation, _situations)
