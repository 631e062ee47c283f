"""Instructions as a server would have stored them, of reports that tests need, without a network to write them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from math import log

from dispatch.domain import Context, Count, Situation, default_doctrine, make_plans, render_instruction
from dispatch.engine import Candidate, Generation
from dispatch.model import BundleIdentity
from dispatch.store import Instruction
from dispatch.store.records import utc_now
from dispatch.workflow.intake import IntakeRequest, make_draft

FLOOD = Situation(
    location="青石桥村",
    hazards=("flood",),
    people={"trapped": Count(16, 16)},
    vulnerable=("elderly",),
    outages=("power",),
    needs=("rescue", "boat"),
    measures={"water_depth_m": 1.5},
)
FLOOD_REPORT = "青石桥村洪水,水深1.5米,16人被困屋顶,有老人,村里停电,急需冲锋舟,联系电话13812345678"


def flood_at(place: str) -> Situation:
    """What is read of 「PLACE洪水,水深1.5米,16人被困,急需冲锋舟」."""
    return replace(FLOOD, location=place, vulnerable=(), outages=())


@dataclass(frozen=True)
class Draft:
    """What to store."""

    report: str = FLOOD_REPORT
    situations: Sequence[Situation] = (FLOOD,)
    text: str = ""
    """Empty for what doctrine says."""
    incident_id: str = ""
    probability: float = 0.98
    """Of each token: where it is low, so is the confidence."""
    context: Context = field(default_factory=Context)
    created_at: datetime | None = None
    model: BundleIdentity = field(default_factory=lambda: BundleIdentity("tiny", "0" * 64))


def drafted(draft: Draft) -> Instruction:
    """The record, checked and ranked as intake does it."""
    doctrine = default_doctrine()
    text = draft.text or render_instruction(make_plans(draft.situations, draft.context, doctrine))
    score = log(draft.probability)
    candidate = Candidate(
        text, score, (score,) * len(text), tuple(draft.situations), draft.probability, situation_scores=(score,)
    )
    second = replace(candidate, text=text + ",注意安全", score=score - 0.5)
    request = IntakeRequest(draft.report, draft.context, incident_id=draft.incident_id)
    record = make_draft(request, request.digest(), Generation((candidate, second)), draft.model, None, doctrine)
    return replace(record, created_at=draft.created_at or utc_now())
