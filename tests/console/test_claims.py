from dispatch.console.claims import Claim, facts_of, orders_of
from dispatch.console.texts import Words
from dispatch.domain import Context, Count, Requested, Situation, make_plans

ENGLISH = Words("en")
SITUATION = Situation(
    location="A7公路",
    hazards=("snow_road",),
    people={"trapped": Count(50, 60, approx=True), "missing": Count(1, None)},
    vulnerable=("elderly",),
    outages=("power",),
    needs=("rescue",),
    not_needed=("food",),
    requested=(Requested("除雪车", 3.0, "台"),),
    measures={"snow_depth_m": 3.0},
    facts={"cold": True, "cars": 20.0},
)


def test_each_fact_is_a_claim_under_its_path() -> None:
    ((number, claims),) = facts_of([SITUATION.to_dict()], ENGLISH)
    assert number == 1
    assert claims == [
        Claim("situations[0].kind", "kind", "request"),
        Claim("situations[0].location", "place", "A7公路"),
        Claim("situations[0].hazards[0]", "hazard", "snow on a road"),
        Claim("situations[0].vulnerable[0]", "vulnerable", "elderly"),
        Claim("situations[0].outages[0]", "outage", "power"),
        Claim("situations[0].needs[0]", "need", "rescue"),
        Claim("situations[0].not_needed[0]", "not needed", "food"),
        Claim("situations[0].people.trapped", "trapped", "50–60 about"),
        Claim("situations[0].people.missing", "missing", "1+"),
        Claim("situations[0].requested[0]", "asked for", "3台除雪车"),
        Claim("situations[0].measures.snow_depth_m", "snow depth (m)", "3"),
        Claim("situations[0].facts.cold", "severe cold", "yes"),
        Claim("situations[0].facts.cars", "stuck vehicles", "20"),
    ]


def test_each_order_is_a_claim_of_its_agency() -> None:
    (plan,) = make_plans([SITUATION], Context())
    claims = orders_of([order.to_dict() for order in plan.orders], ENGLISH)
    assert [claim.path for claim in claims] == [f"plan[{index}]" for index in range(len(plan.orders))]
    assert "派 3台除雪车 A7公路" in [claim.said for claim in claims]
