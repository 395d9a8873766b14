from webhooks.models.alarm import Alarm
from webhooks.models.automation import RUNNING, Automation, AutomationKind, Run, RunMail, Runner, RunState, Tally
from webhooks.models.calls import Calls
from webhooks.models.delivery import (
    FINISHED,
    OPEN,
    UNSENT,
    WAITING,
    Attempt,
    Body,
    Delivery,
    Lane,
    Outcome,
    Status,
    is_now,
)
from webhooks.models.event import Event
from webhooks.models.handshake import Handshake
from webhooks.models.health import Health
from webhooks.models.inbound import InboundWebhook, Receipt, ReceiptStatus, Verification
from webhooks.models.inbox import Answer, InboxMode, InboxRequest, Signature
from webhooks.models.issue import Cause, Issue
from webhooks.models.lapp_call import LappCall
from webhooks.models.notice import Notice, Told
from webhooks.models.replay import Replay, ReplayItem
from webhooks.models.webhook import Kind, State, Webhook
from webhooks.models.worker import Heartbeat

__all__ = [
    "FINISHED",
    "OPEN",
    "RUNNING",
    "UNSENT",
    "WAITING",
    "Alarm",
    "Answer",
    "Attempt",
    "Automation",
    "AutomationKind",
    "Body",
    "Calls",
    "Cause",
    "Delivery",
    "Event",
    "Handshake",
    "Health",
    "Heartbeat",
    "InboundWebhook",
    "InboxMode",
    "InboxRequest",
    "Issue",
    "Kind",
    "Lane",
    "LappCall",
    "Notice",
    "Outcome",
    "Receipt",
    "ReceiptStatus",
    "Replay",
    "ReplayItem",
    "Run",
    "RunMail",
    "RunState",
    "Runner",
    "Signature",
    "State",
    "Status",
    "Tally",
    "Told",
    "Verification",
    "Webhook",
    "is_now",
]
