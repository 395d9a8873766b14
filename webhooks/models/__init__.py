from webhooks.models.delivery import FINISHED, OPEN, UNSENT, WAITING, Attempt, Body, Delivery, Lane, Outcome, Status
from webhooks.models.event import Event
from webhooks.models.inbox import Answer, InboxMode, InboxRequest, Signature
from webhooks.models.replay import Replay, ReplayItem
from webhooks.models.webhook import State, Webhook
from webhooks.models.worker import Heartbeat

__all__ = [
    "FINISHED",
    "OPEN",
    "UNSENT",
    "WAITING",
    "Answer",
    "Attempt",
    "Body",
    "Delivery",
    "Event",
    "Heartbeat",
    "InboxMode",
    "InboxRequest",
    "Lane",
    "Outcome",
    "Replay",
    "ReplayItem",
    "Signature",
    "State",
    "Status",
    "Webhook",
]
