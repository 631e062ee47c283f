"""Everything that the console says, in each language: one table."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, get_args

from dispatch.domain.label_names import FIELD_NAMES
from dispatch.engine import BatcherClosed, DeadlineUnreachable, Overloaded
from dispatch.store import EtagMismatch, LeaseHeld, NotFound, SecondReview, StateConflict
from dispatch.workflow.review import NotAllowed, ReasonRequired

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
"""The first is the default."""

_TAGS: Mapping[Language, Literal["zh-CN", "en-US"]] = {"zh": "zh-CN", "en": "en-US"}

TEXTS: Mapping[str, tuple[str, str]] = {
    "language": ("中文", "English"),
    "nav": ("页面", "Pages"),
    "nav.queue": ("队列", "Queue"),
    "nav.supervisor": ("值班主管", "Supervisor"),
    "nav.audit": ("审计", "Audit trail"),
    "help": ("帮助", "Help"),
    "help.title": ("键盘", "Keyboard"),
    "help.keys_off": ("关闭单键快捷键", "Turn single keys off"),
    "close": ("关闭", "Close"),
    "sign_out": ("退出", "Sign out"),
    "yes": ("是", "yes"),
    "alarm.overdue": ("{} 条特急超时无人领取", "{} flash reports are overdue and with nobody"),
    "key.j": ("下一项", "next item"),
    "key.k": ("上一项", "previous item"),
    "key.Enter": ("打开,领取", "open, claim"),
    "key./": ("搜索", "search"),
    "key.e": ("修改", "edit"),
    "key.a": ("批准", "approve"),
    "key.r": ("驳回", "reject"),
    "key.u": ("退回复审", "return for second review"),
    "key.l": ("放回队列", "give back"),
    "key.w": ("撤回已发出的指令", "recall what was released"),
    "key.m": ("合并到首个可能的同一事件", "merge with the likeliest report of the same incident"),
    "key.h": ("注意力热图", "attention heatmap"),
    "key.b": ("从热图回到审核", "from the heatmap back to the review"),
    "key.1": ("采用候选 1(2–9 同)", "take candidate 1 (likewise 2 to 9)"),
    "key.Ctrl+Enter": ("发出修改稿;确认", "release the edit; confirm"),
    "key.Esc": ("离开输入框;放弃修改", "leave the field; drop the edit"),
    "key.q": ("队列", "queue"),
    "key.s": ("值班主管", "supervisor"),
    "key.t": ("审计", "audit trail"),
    "key.?": ("本帮助", "this help"),
    "sign_in.title": ("登录审核台", "Sign in to the console"),
    "sign_in.token": ("令牌", "Token"),
    "sign_in.enter": ("登录", "Sign in"),
    "sign_in.help": (
        "用 dispatch token create 发给你的令牌登录。",
        "Sign in with the token that dispatch token create has made for you.",
    ),
    "sign_in.unknown": ("令牌无效、已过期或已撤销。", "The token is unknown, expired or revoked."),
    "sign_in.no_scope": ("此令牌无权使用审核台。", "This token is not for the console."),
    "error.store": ("数据库暂时不可用,请稍后再试。", "The store cannot be reached now; try again shortly."),
    "error.busy": ("服务繁忙,请稍后再试。", "The service is busy now; try again shortly."),
    "error.forbidden": ("你的令牌无权查看此页。", "Your token does not let you see this page."),
    "error.not_found": ("没有这条指令。", "There is no such instruction."),
    "error.held": ("已被 {} 领取。", "It is claimed by {}."),
    "error.changed": ("它已被改动,现已重新读取,请再看一遍。", "It has changed and was read again: look at it anew."),
    "error.state": ("现在不能这样做:{}", "That cannot be done now: {}"),
    "error.second_review": (
        "它已退回复审,须由你以外的人领取。",
        "It is back for a second review, for somebody other than you to claim.",
    ),
    "error.scope": ("你的令牌缺少权限 {}。", "Your token lacks the scope {}."),
    "error.reason": ("必须写明理由。", "A reason must be given."),
    "error.value": ("不能接受:{}", "Not accepted: {}"),
    "queue.title": ("待审队列", "Queue"),
    "queue.empty": ("没有符合条件的指令。", "Nothing here matches."),
    "queue.count": ("显示 {}{} 条", "{}{} shown"),
    "queue.back": ("上一页", "Previous page"),
    "queue.forth": ("下一页", "Next page"),
    "queue.overdue": ("超时 {}", "overdue {}"),
    "queue.held": ("{} 处理中", "with {}"),
    "queue.confidence": ("把握 {}", "confidence {}"),
    "queue.errors": ("{} 处错误", "{} errors"),
    "queue.warnings": ("{} 处警告", "{} warnings"),
    "filter.any": ("全部", "any"),
    "filter.state": ("状态", "State"),
    "filter.open": ("未决", "undecided"),
    "filter.pending": ("待领取", "waiting"),
    "filter.claimed": ("处理中", "claimed"),
    "filter.decided": ("已决定", "decided"),
    "filter.withdrawn": ("已撤回或取代", "recalled or superseded"),
    "filter.priority": ("优先级", "Priority"),
    "filter.hazard": ("灾种", "Hazard"),
    "filter.order": ("同级排序", "Equally urgent by"),
    "filter.by_age": ("等待最久在前", "age, oldest first"),
    "filter.by_confidence": ("把握最低在前", "confidence, lowest first"),
    "filter.text": ("搜索报文和指令", "Search reports and drafts"),
    "filter.mine": ("只看我领取的", "mine alone"),
    "priority.特急": ("特急", "特急 flash"),
    "priority.紧急": ("紧急", "紧急 urgent"),
    "priority.一般": ("一般", "一般 routine"),
    "state.pending": ("待领取", "waiting"),
    "state.claimed": ("处理中", "claimed"),
    "state.approved": ("已批准", "approved"),
    "state.revised": ("已修改发出", "revised"),
    "state.rejected": ("已驳回", "rejected"),
    "state.recalled": ("已撤回", "recalled"),
    "state.superseded": ("已被取代", "superseded"),
    "state.erased": ("个人数据已删除", "erased"),
    "action.approved": ("批准", "approved"),
    "action.revised": ("修改后发出", "revised"),
    "action.rejected": ("驳回", "rejected"),
    "action.returned": ("退回复审", "returned for second review"),
    "action.recalled": ("撤回", "recalled"),
    "action.superseded": ("取代", "superseded"),
    "action.escalated": ("超时,原报文已转出", "overdue: the report went out as it came"),
    "order.released": ("已发出", "released"),
    "order.issued": ("已下达", "issued"),
    "order.acknowledged": ("已签收", "acknowledged"),
    "order.on_scene": ("已到场", "on scene"),
    "order.cancelled": ("已取消", "cancelled"),
    "order.recalled": ("已撤回", "recalled"),
    "review.title": ("审核指令", "Review"),
    "review.report": ("报文", "Report"),
    "review.erased": ("个人数据已删除。", "Its personal data were erased."),
    "review.context": ("来电位置:{}", "The caller's place: {}"),
    "review.aligning": ("正在查找出处…", "Looking for the evidence …"),
    "review.no_evidence": (
        "没有模型读过此报文,无出处可查。",
        "No model that is here has read this report: no evidence.",
    ),
    "review.hover": (
        "指向一项情报或命令,其出处即被标出;虚线项未找到出处。",
        "Point at a fact or an order to see where it comes from; for dotted ones nothing was found.",
    ),
    "review.other_model": (
        "写此草稿的模型已不在,出处由模型 {} 查得,草稿不加底色。",
        "The model that wrote this draft is not here: model {} has found the evidence, and the draft is not shaded.",
    ),
    "review.situation": ("情报", "Situation"),
    "review.plan": ("预案命令", "Plan"),
    "review.draft": ("指令草稿", "Draft instruction"),
    "review.released": ("已发出的文本(与草稿的差异)", "As released, against the draft"),
    "review.confidence": ("把握 {}(模型 {})", "Confidence {} (model {})"),
    "review.low": ("偏低,请逐项核对。", "This is low: check each part."),
    "review.shading": ("底色越深,模型对该字越没有把握。", "The darker a character, the less sure the model was of it."),
    "review.probability": ("概率 {}", "probability {}"),
    "review.checks": ("检查", "Checks"),
    "review.no_checks": ("未发现问题。", "Nothing was found."),
    "review.candidates": ("候选", "Candidates"),
    "review.score": ("得分 {}", "score {}"),
    "review.use": ("采用", "Use"),
    "review.history": ("审核记录", "Decisions"),
    "review.reason": ("理由:{}", "Reason: {}"),
    "review.incident": ("同一事件的其他指令({})", "The incident's other instructions ({})"),
    "review.first": ("此事件没有其他指令。", "It has no others."),
    "review.origin": ("来源", "Origin"),
    "review.stored": ("{} 入库,{}", "Stored {}, {}"),
    "review.model": ("模型 {},摘要 {}", "Model {}, digest {}"),
    "merge.title": ("可能属于同一事件的报文", "Reports that may be of the same incident"),
    "merge.alone": ("尚无事件的报文", "a report of no incident yet"),
    "merge.why": ("{},相隔 {},相似度 {}", "{}, {} apart, likeness {}"),
    "merge.contact": ("同一电话", "same telephone"),
    "merge.place": ("同一地点", "same place"),
    "merge.text": ("文字相近", "similar words"),
    "merge.do": ("合并", "Merge"),
    "merge.sure": (
        "合并后此草稿作废,按该事件已有的指令重拟。确定合并?",
        "The draft is then made anew with what the incident has already, and this one superseded. Merge?",
    ),
    "situation.number": ("情况 {}", "Situation {}"),
    "situation.kind": ("类别", "kind"),
    "situation.location": ("位置", "place"),
    "situation.hazards": ("灾种", "hazard"),
    "situation.vulnerable": ("弱势人员", "vulnerable"),
    "situation.outages": ("中断", "outage"),
    "situation.needs": ("需要", "need"),
    "situation.not_needed": ("不需要", "not needed"),
    "situation.requested": ("点名要求", "asked for"),
    "plan.anyone": ("未定单位", "no agency"),
    "count.approx": ("约", "about"),
    "count.conflicting": ("说法不一", "conflicting"),
    "edit.text": ("修改稿", "Revised text"),
    "edit.difference": ("与草稿的差异", "Difference from the draft"),
    "edit.same": ("(无改动)", " (no change)"),
    "steps": ("审核步骤", "Steps"),
    "steps.mine": ("由你处理", "yours"),
    "steps.left": (",剩余 {}", " for {}"),
    "steps.expired": ("你的领取已到期,他人可领取", "your claim has expired: others may take it"),
    "steps.held": ("{} 正在处理", "with {}"),
    "step.claim": ("领取", "Claim"),
    "step.approve": ("批准", "Approve"),
    "step.edit": ("修改", "Edit"),
    "step.save": ("发出修改稿", "Release the edit"),
    "step.leave": ("放弃修改", "Drop the edit"),
    "step.reject": ("驳回", "Reject"),
    "step.return": ("退回复审", "Return"),
    "step.release": ("放回", "Give back"),
    "step.recall": ("撤回", "Recall"),
    "reason.label": ("理由", "Reason"),
    "reason.confirm": ("确认", "Confirm"),
    "reason.cancel": ("取消", "Cancel"),
    "reason.approved": ("批准存疑的草稿:请写明理由", "Approve over doubts: say why"),
    "reason.revised": ("修改稿仍有错误:请写明理由", "The edit still has errors: say why"),
    "reason.rejected": ("驳回:请写明理由", "Reject: say why"),
    "reason.returned": ("退回复审:请写明理由", "Return for second review: say why"),
    "reason.recalled": ("撤回已发出的指令:请写明理由", "Recall what was released: say why"),
    "done.approved": ("已批准并发出。", "Approved and released."),
    "done.revised": ("修改稿已发出。", "The edit was released."),
    "done.rejected": ("已驳回。", "Rejected."),
    "done.returned": ("已退回复审。", "Returned for second review."),
    "done.recalled": ("已撤回。", "Recalled."),
    "done.merged": ("已合并,这是重拟的草稿。", "Merged; this is the new draft."),
    "done.released": ("已放回队列。", "Given back."),
    "severity.error": ("错误", "error"),
    "severity.warning": ("警告", "warning"),
    "severity.info": ("提示", "note"),
    "attention.title": ("注意力热图", "Attention heatmap"),
    "attention.kind": ("种类", "Kind"),
    "attention.encoder": ("编码器", "encoder"),
    "attention.decoder": ("解码器", "decoder"),
    "attention.cross": ("交叉", "cross"),
    "attention.layer": ("层", "Layer"),
    "attention.head": ("头", "Head"),
    "attention.mean": ("全部平均", "mean of all"),
    "attention.picture": (
        "热图:每行一个记号,每列是它所看的记号;下表列出最强的联系",
        "Heatmap: a row for each token, a column for each that it looks at; the table below names the strongest",
    ),
    "attention.strongest": ("每个记号最看重什么", "What each token looks at most"),
    "attention.token": ("记号", "token"),
    "attention.looks_at": ("看向", "looks at"),
    "attention.weight": ("权重", "weight"),
    "attention.none": ("没有模型读过此报文。", "No model that is here has read this report."),
    "attention.other_model": (
        "写此草稿的模型已不在:以下是模型 {} 读写同一文本时的注意力。",
        "The model that wrote this draft is not here: this is what model {} looks at in the same texts.",
    ),
    "attention.back": ("回到审核", "Back to the review"),
    "audit.title": ("审计记录", "Audit trail"),
    "audit.of_item": ("此指令的审计记录", "Audit trail of this instruction"),
    "audit.at": ("时间", "time"),
    "audit.actor": ("谁", "who"),
    "audit.action": ("做了什么", "what"),
    "audit.subject": ("对象", "about"),
    "audit.details": ("详情", "details"),
    "supervisor.title": ("值班主管", "Supervisor"),
    "supervisor.backlog": ("积压", "Backlog"),
    "supervisor.waiting": ("待领取", "waiting"),
    "supervisor.claimed": ("处理中", "claimed"),
    "supervisor.overdue": ("超时", "overdue"),
    "supervisor.oldest": ("最久等待", "oldest"),
    "supervisor.times": ("审核用时(入库至决定)", "Time to review, from stored to decided"),
    "supervisor.priority": ("优先级", "priority"),
    "supervisor.decisions": ("决定数", "decisions"),
    "supervisor.median": ("中位", "median"),
    "supervisor.p90": ("九成之内", "nine of ten within"),
    "supervisor.by_reviewer": ("各审核员的改动率", "Override rate by reviewer"),
    "supervisor.by_hazard": ("各灾种的改动率", "Override rate by hazard"),
    "supervisor.reviewer": ("审核员", "reviewer"),
    "supervisor.hazard": ("灾种", "hazard"),
    "supervisor.revised": ("修改", "revised"),
    "supervisor.rejected": ("驳回", "rejected"),
    "supervisor.overrides": ("改动率", "override rate"),
    "supervisor.quality": ("模型质量(按日)", "Model quality by day"),
    "supervisor.day": ("日期", "day"),
    "supervisor.model": ("模型", "model"),
    "supervisor.unchanged": ("原样批准", "approved as drafted"),
    "supervisor.confidence": ("平均把握", "mean confidence"),
    "supervisor.drift": ("报文变化(按日)", "Drift of the reports by day"),
    "supervisor.reports": ("报文数", "reports"),
    "supervisor.length": ("长度中位(字)", "median length"),
    "supervisor.unknown": ("有不识字符的", "with unknown characters"),
    "supervisor.drifted": ("偏离常态", "unlike the days before"),
    "supervisor.window": (
        "统计取最近 {} 个决定和 {} 份报文。",
        "From the last {} decisions and {} reports.",
    ),
    "supervisor.nothing": ("还没有数据。", "Nothing yet."),
    "supervisor.one_approves_all": (
        "几乎从不改动的审核员可能没有细看。",
        "Who almost never changes a draft may not be looking closely.",
    ),
    "age.s": ("{} 秒", "{} s"),
    "age.min": ("{} 分", "{} min"),
    "age.h": ("{} 小时", "{} h"),
    "age.d": ("{} 天", "{} d"),
}

ENGLISH_LABELS: Mapping[str, str] = {
    "snow_road": "snow on a road",
    "hazmat": "hazardous material",
    "snow_depth_m": "snow depth (m)",
    "water_depth_m": "water depth (m)",
    "area_ha": "area (ha)",
    "leak_tonnes": "leak (t)",
    "cold": "severe cold",
    "current": "fast water",
    "in_water": "people in water",
    "reinforce": "reinforcement asked for",
    "low_battery": "phone nearly empty",
    "reactive": "reacts with water",
    "trees": "fallen trees",
    "villages": "villages downwind",
    "unreachable": "unreachable by road",
    "indoor": "indoors",
    "cars": "stuck vehicles",
    "km": "blocked road (km)",
    "hours": "hours waited",
    "severe": "severely hurt",
    "moderate": "moderately hurt",
    "light": "lightly hurt",
    "altitude_m": "altitude (m)",
    "kilowatts": "power (kW)",
    "battery_percent": "battery (%)",
}
"""The labels of situations that English readers are told in other words than the label's own."""

CHECKS: Mapping[str, str] = {
    "NOT_A_REQUEST": "不是求助",
    "MISSING_LOCATION": "缺位置",
    "UNGROUNDED_PLACE": "地点无出处",
    "UNGROUNDED_NUMBER": "数字无出处",
    "MISSING_NEED": "需求未满足",
    "DECLINED_ITEM": "派了对方不要的",
    "DOCTRINE_MISMATCH": "与预案不符",
    "CONFLICTING_COUNTS": "人数说法不一",
    "UNREAD_NUMBER": "数字未被读取",
    "UNREAD_HAZARD": "灾情未被读取",
    "LOCATION_CONFLICT": "位置矛盾",
    "AMBIGUOUS_PLACE": "地点不明确",
    "LOW_CONFIDENCE": "把握偏低",
    "TRUNCATED_INPUT": "报文过长被截断",
    "UNKNOWN_CHARACTERS": "有不识字符",
    "POSSIBLE_DUPLICATE": "可能重复",
    "NO_MODEL": "未经模型",
    "UNREAD_ISSUED": "已发指令未能读取",
    "UNREAD_ORDER": "未能读作命令",
    "ISSUED_WITHDRAWN": "所扣除的已发指令已撤回",
}
"""What Chinese readers are told of a check beside its message, which is in English."""


class Words:
    """The texts of one language."""

    def __init__(self, language: str) -> None:
        self.language: Language = LANGUAGES[1] if language == LANGUAGES[1] else LANGUAGES[0]
        self.tag = _TAGS[self.language]
        self._at = LANGUAGES.index(self.language)

    def __call__(self, key: str, *values: object) -> str:
        """The text of a key, with values in its braces."""
        return TEXTS[key][self._at].format(*values)

    def label(self, field: str, label: str) -> str:
        """What people call a label in a field of a situation (hazards, needs, ...); shown as it is if not known."""
        if self.language == "zh":
            return FIELD_NAMES[field].get(label, label)
        return ENGLISH_LABELS.get(label, label.replace("_", " "))

    def check(self, code: str, message: str) -> str:
        """What a check has found."""
        return f"{CHECKS[code]}: {message}" if self.language == "zh" and code in CHECKS else message

    def age(self, seconds: float) -> str:
        """How long ago, in one unit."""
        for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
            if seconds >= 2 * length:
                return self(f"age.{unit}", int(seconds // length))
        return self("age.s", max(0, int(seconds)))

    def countdown(self, seconds: float) -> str:
        """Minutes and seconds that are left."""
        return f"{int(seconds) // 60}:{int(seconds) % 60:02}"

    def moment(self, moment: datetime) -> str:
        """A time of this machine's zone."""
        return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"

    def of_error(self, error: Exception) -> str:
        """What to tell of an error that a visitor can do something about; "" for any other."""
        if isinstance(error, NotFound):
            return self("error.not_found")
        if isinstance(error, LeaseHeld):
            return self("error.held", error.holder)
        if isinstance(error, EtagMismatch):
            return self("error.changed")
        if isinstance(error, NotAllowed):
            return self("error.scope", error.scope)
        if isinstance(error, ReasonRequired):
            return self("error.reason")
        if isinstance(error, SecondReview):
            return self("error.second_review")
        if isinstance(error, StateConflict):
            if error.holder:
                return self("error.held", error.holder)
            return self("error.state", self(f"state.{error.state}") if f"state.{error.state}" in TEXTS else error.state)
        if isinstance(error, Overloaded | DeadlineUnreachable | BatcherClosed):
            return self("error.busy")
        return self("error.value", error) if isinstance(error, ValueError) else ""
