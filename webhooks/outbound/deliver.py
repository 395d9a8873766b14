"""Conducts the delivery: claim → compose → send → settle, many requests in flight, no transaction open meanwhile.

One transaction per round settles what was answered, stores the bodies that were rendered, and claims more: for each
webhook whose turn it is a fair share, as far as its receiver can take it. What was claimed is then composed outside of
it, and sent once the next round has stored its body. Where only a few were claimed they are composed and stored in the
same transaction: they leave sooner, and hold nobody up.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from functools import cache

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from leads import statement
from webhooks import conf, lapp, queue
from webhooks.dialects import DIALECTS
from webhooks.models import Lane, State, Webhook
from webhooks.models.encrypted import encrypt
from webhooks.outbound import claim, compose, health, settle
from webhooks.outbound.address import parse_proxy
from webhooks.outbound.core import Core
from webhooks.outbound.lapp import Lapps
from webhooks.outbound.parcel import Claimed, Parcel, Refused, Result
from webhooks.outbound.send import AddressPolicy, Door
from webhooks.outbound.senders import PILE, Senders
from webhooks.outbound.shares import Share, clip, share_out
from webhooks.outbound.turns import Turn, importing, look, look_at, tried
from webhooks.outbound.under_way import UnderWay
from webhooks.outbound.vigil import PATIENCE, Vigil
from webhooks.outbound.windows import Windows
from webhooks.wire.exchange import Failure, FailureKind, Request
from webhooks.wire.policy import is_strained

# Claim again when fewer than this wait for a sender.
LOW_WATER = conf.CLAIM_BATCH
# Results are written together: a pile, or what came within so many seconds.
SETTLE_WITHIN = 0.04
TICK = 0.01
# As long as a drain takes from one delivery to the next.
RATE_TICK = 0.04
RECLAIM_EVERY = 5.0
# After a cut, sockets take a moment to notice.
CUT_GRACE = 1.0
# Pause and Disable reach what is in memory within so many seconds.
LOOK_EVERY = 0.5
# Deliveries that are sent before anybody would have to wait for the next look.
FEW = 20
# Webhooks that are asked about before all others.
FIRST = 20


@cache
def door() -> Door:
    """One for the process: its connections are kept from task to task."""
    policy = AddressPolicy.parse(
        conf.allowlist(),
        require_https=conf.require_https(),
        own_hosts=conf.own_hosts(),
        own_addresses=conf.own_addresses(),
        site_url=conf.site_url(),
    )
    return Door(policy, proxy=parse_proxy(conf.egress_proxy()))


@cache
def lapps() -> Lapps:
    """One for the process, for the same reason."""
    return Lapps()


def way_of(request: Request) -> Door | Lapps:
    """The one by which it leaves."""
    return lapps() if request.method == lapp.METHOD else door()


def begin(request: Request, deadline: float) -> UnderWay:
    return way_of(request).begin(request, deadline=deadline)


def warm_up() -> None:
    """Do once, and for nothing, what the first delivery of a process would wait for: the database reads its catalogs
    anew for each connection; what decrypts and signs is made when it is needed. DatabaseError."""
    for dialect in DIALECTS.values():
        secret = encrypt(dialect.new_secret())
        nobodys = Webhook(dialect=dialect.name, url="https://receiver.invalid/", secret=secret)
        compose.build(nobodys, b"{}", "", timezone.now())
    look()
    look_at([])
    with transaction.atomic():
        claim.claim([Share(webhook_id=0, lane=Lane.LIVE, number=1)])
    nobody = Claimed(0, 0, 0, -1, "", 0, "", "", Lane.LIVE, 0)
    compose.compose([nobody])


@cache
def windows() -> Windows:
    """What this process has learned of the receivers, kept from task to task."""
    return Windows()


def run(
    *,
    stop: Callable[[], float | None],
    claim_for: float = 20.0,
    linger: float = 0.4,
    patience: float = PATIENCE,
    watch: queue.Watch | None = None,
) -> int:
    """Send what is due; returns how many tries were settled.

    Ends when nothing was due for `linger` seconds, or claims no more after `claim_for` seconds and ends what it began.
    stop() is None, or the instant (time.monotonic()) at which tries that are still open are cut; from its first answer
    on nothing is claimed, and what was not sent yet is given back. watch: shared with the runs beside this one; while
    another one waits for what comes, this one does not. Who does, and has sent something, stays `patience` seconds.
    """
    return Conductor(stop, claim_for, linger, patience, watch).run()


class Conductor:
    def __init__(
        self,
        stop: Callable[[], float | None],
        claim_for: float,
        linger: float,
        patience: float,
        watch: queue.Watch | None,
    ) -> None:
        self.stop = stop
        self.vigil = Vigil(watch, linger, patience)
        self.started = time.monotonic()
        self.claim_until = self.started + claim_for
        # Asked here, by one thread: a cache lets several callers in at once and would make several of each.
        self.ways = door(), lapps()
        self.windows = windows()
        # An earlier task may have ended before it could say so.
        self.windows.rested()
        self.senders = Senders(begin, self.windows, ends_by=self.claim_until + conf.LONGEST_TIMEOUT)
        # The time to claim is over, but tries of slow receivers are out: those that answer are still served.
        self.closing = False
        self.overrun = False
        # Nobody has a turn but webhooks that wait for their time.
        self.limited = False
        # Deliveries that ask for their webhook whether its receiver is back.
        self.probes: set[int] = set()
        # Some of those who have a turn got no share, or were not asked about.
        self.crowded = False
        # The latest look was at everybody, and found nothing for us.
        self.at_rest = False
        # Webhooks whose receivers the database knows to be fine.
        self.fine: set[int] = set()
        # In the last round, whatever became of it.
        self.has_claimed = False
        # Everything claimed and not settled, by id, and until when (time.monotonic()) its lease holds.
        self.held: dict[int, Claimed] = {}
        self.core = Core()
        self.lease_ends = 0.0
        self.composed: list[Parcel] = []
        self.refused: list[Refused] = []
        self.unsettled: list[Result] = []
        self.settled = 0
        self.last_reclaim = 0.0
        self.last_renewal = self.started
        self.last_look = self.started

    def run(self) -> int:
        try:
            while self.stop() is None:
                self.round()
                if not self._more():
                    break
                if not self.held:
                    self.vigil.rest(RATE_TICK if self.limited else TICK)
        finally:
            try:
                self.end()
            finally:
                self.core.leave()
        return self.settled

    def _more(self) -> bool:
        if time.monotonic() < self.claim_until:
            return self.vigil.stays(busy=bool(self.held) or self.has_claimed)
        if not self.closing:
            self.closing = True
            self._unload()
            self.vigil.hand_over()
        # Were this process to do nothing but wait for them, and others as well, nobody would be there for the rest.
        return not self.overrun and self.senders.slow()

    def round(self) -> None:
        self._collect()
        self.has_claimed = False
        claims = self._write(*self._shares())
        now = time.monotonic()
        if not claims and now - self.last_reclaim > RECLAIM_EVERY:
            # Not before what was claimed has left: somebody's event may be among it.
            self.last_reclaim = now
            claim.reclaim()
        if self.held and now - self.last_renewal > conf.renewal():
            self._renew()
            claims = [claimed for claimed in claims if claimed.id in self.held]
        if self.senders.waiting and now - self.last_look > LOOK_EVERY:
            self._withdraw()
        if len(claims) > FEW:
            self.core.take()
            statement.forget_plans()
        if claims:
            with self.senders.still():
                self.composed, self.refused = compose.compose(claims)

    def _shares(self) -> tuple[list[Share], set[int]]:
        """What to claim now, and which of its webhooks are limited. A look costs less than a claim, which takes
        SQLite's write lock."""
        if 0 < len(self.composed) < LOW_WATER:
            # What is written leaves first; a pile of it is sent while the next one is written.
            return [], set()
        if self.senders.ready >= LOW_WATER or self.senders.bytes >= compose.ROOM:
            return [], set()
        if not self.vigil.may_look(anyway=bool(self.unsettled)):
            return [], set()
        begun = time.monotonic()
        turns, all_were_asked = self._look()
        anothers = self._anothers(turns)
        for turn in turns:
            (self.fine.add if turn.fine else self.fine.discard)(turn.webhook_id)
        tried_elsewhere = self._tried_elsewhere(turns)
        due, turns = turns, [turn for turn in turns if turn not in anothers and turn.webhook_id not in tried_elsewhere]
        limited = {turn.webhook_id for turn in turns if turn.limited}
        self.limited = bool(limited) and len(limited) == len({turn.webhook_id for turn in turns})
        if limited:
            # They are waiting for their time, not for anybody's events: the task stays.
            self.vigil.prolong()
        shares = share_out(turns, self._room, conf.CLAIM_BATCH)
        self.crowded = len(shares) < len(turns) or not all_were_asked
        self.at_rest = not shares and all_were_asked
        # Others need not help with receivers that have failed, or have not answered yet: one try at a time is enough,
        # and whoever waits for its end has nothing better to do than to look for what comes.
        for_anybody = any(turn.fine or turn.stopped for turn in due) or not all_were_asked
        self.vigil.looked(begun, for_us=bool(shares), for_anybody=for_anybody, anothers=bool(anothers))
        return shares, limited

    def _look(self) -> tuple[list[Turn], bool]:
        """Whose turn it is, and whether everybody was asked about. After a rest, those known to be fine are asked about
        first: where many receivers are dead, what comes for the others would wait for a look at all of them."""
        if self.at_rest and 0 < len(self.fine) <= FIRST and (turns := look_at(self.fine)):
            return turns, False
        return look(beside=self._unanswered()), True

    def _unanswered(self) -> list[int]:
        """Webhooks whose receivers have not answered yet, or not lately, and have a try out: a look that asks for each
        of many what it might be sent next takes long, and what comes for others waits for the next one."""
        held = self.senders.webhooks - self.fine
        return [webhook_id for webhook_id in held if self.windows.of(webhook_id).size == 1]

    def _anothers(self, turns: Sequence[Turn]) -> list[Turn]:
        """Those that another run sees to. What an import tells is sent by one run while the import is at work: further
        ones would take from each other, and from the import, the cores that all of them need."""
        bulk = [turn for turn in turns if turn.lane == Lane.BULK]
        return bulk if bulk and importing() and not self.vigil.takes_bulk() else []

    def _tried_elsewhere(self, turns: Sequence[Turn]) -> Collection[int]:
        """Webhooks that have to wait for somebody else's try: a receiver that has failed, or has not answered yet, gets
        one at a time from all processes together."""
        unsure = {turn.webhook_id for turn in turns if not (turn.fine or turn.limited or turn.stopped)}
        return tried(unsure - {claimed.webhook_id for claimed in self.held.values()}) if unsure else ()

    def _room(self, turn: Turn) -> int:
        if turn.stopped:
            return conf.CLAIM_BATCH
        window = self.windows.of(turn.webhook_id, turn.fine)
        if self.closing and window.doubtful:
            return 0
        # What is counted by the second has to leave at once.
        most = window.size if turn.limited else window.ahead
        return most - self.senders.held_for(turn.webhook_id)

    def _collect(self) -> None:
        """Gather results until there is a batch, none is expected soon, or the oldest has waited long enough. Where
        nothing waits for a sender, somebody's event may: then it is a shorter while."""
        if not self.senders.in_hand:
            return
        if not self.senders.expected and not (self.composed or self.refused):
            # Slow receivers alone: an event that comes meanwhile does not wait for them.
            self.vigil.rest(TICK)
        until = time.monotonic() + (SETTLE_WITHIN if self.senders.ready else TICK)
        while True:
            waits = self.senders.expected and not (self.composed or self.refused)
            results, unsent = self.senders.collect(within=TICK if waits else 0)
            suspects = self.senders.adjust()
            self.unsettled += results
            # A try that does not fit into the task's time any more.
            self.overrun = self.overrun or (self.closing and bool(unsent))
            unsent += self._recall(_strained(results) | suspects)
            self._give_back([parcel.claimed for parcel in unsent])
            if len(self.unsettled) >= PILE or not self.senders.expected or time.monotonic() >= until:
                return
            if self.composed or self.refused or self.stop() is not None:
                return

    def _write(self, shares: Sequence[Share], limited: Collection[int]) -> list[Claimed]:
        """The round's one transaction. Afterwards stored bodies are on their way. Returns what is to be composed."""
        results, parcels, refused = self.unsettled, self.composed, self.refused
        if not (results or parcels or refused or shares):
            return []
        leased = time.monotonic()
        if not self.held:
            # What is claimed now has its lease from now on, and its webhook is looked at.
            self.last_renewal = self.last_look = leased
        with transaction.atomic():
            learned = settle.settle(results, self.fine, self.probes)
            settle.refuse(refused)
            compose.store(parcels)
            shares = [share for share in shares if share.webhook_id not in learned.stopped]
            reserved = health.reserve({share.webhook_id for share in shares} & set(limited))
            claims = self._ours_alone(claim.claim(clip(shares, reserved)))
            if reserved:
                self.probes |= health.spend(claims, reserved)
            at_once = bool(claims) and len(claims) <= FEW and not parcels
            if at_once:
                # So few are written before another transaction has begun.
                parcels, declined = compose.compose(claims)
                settle.refuse(declined)
                compose.store(parcels)
                refused = refused + declined
        self.has_claimed = bool(claims)
        self.held |= {claimed.id: claimed for claimed in claims}
        for result in results:
            self.held.pop(result.parcel.claimed.id, None)
            if not _interrupted(result):
                self.probes.discard(result.parcel.claimed.id)
        for one in refused:
            self.held.pop(one.claimed.id, None)
        self._unasked([one.claimed for one in refused] + [one.parcel.claimed for one in results if _interrupted(one)])
        self.unsettled, self.composed, self.refused = [], [], []
        self.settled += len(results)
        self.fine = self.fine - learned.stopped | learned.fine
        # What is submitted now was claimed in an earlier round, unless it was composed at once.
        if at_once:
            self.lease_ends = leased + conf.lease()
        self.senders.submit((one for one in parcels if one.claimed.webhook_id not in learned.stopped), self.lease_ends)
        stopped = [parcel for parcel in parcels if parcel.claimed.webhook_id in learned.stopped]
        self._give_back([parcel.claimed for parcel in stopped + self._recall(learned.stopped)])
        self.windows.rested(_strained(results))
        if claims:
            self.lease_ends = leased + conf.lease()
            if len(claims) <= FEW and not self.crowded and _took_all(claims, shares):
                self.vigil.keep()
        return [] if at_once else claims

    def _ours_alone(self, claims: list[Claimed]) -> list[Claimed]:
        """Those of which nothing is in hand here. A process that stood still for longer than a lease may meet what was
        taken from it: what it began then has to end first."""
        again = [claimed for claimed in claims if claimed.id in self.held]
        if again:
            claim.release(again)
        return [claimed for claimed in claims if claimed.id not in self.held] if again else claims

    def _renew(self) -> None:
        """Lengthen what is held; what somebody else took meanwhile is not sent."""
        self.last_renewal = leased = time.monotonic()
        ours = claim.renew(self.held.values())
        self.lease_ends = leased + conf.lease()
        self.senders.renewed(ours, self.lease_ends)
        lost = self.held.keys() - ours - self.senders.ids
        self.probes -= lost
        for pk in lost:
            del self.held[pk]

    def _withdraw(self) -> None:
        """Give back what waits for a webhook that was paused, disabled, deleted or closed: it waits there. Not what
        asks a closed one whether it is back."""
        self.last_look = time.monotonic()
        webhooks = {claimed.webhook_id for claimed in self.held.values() if claimed.webhook_id}
        asked = {claimed.webhook_id for pk, claimed in self.held.items() if pk in self.probes}
        closed = Q(health__closed_until__gt=Now()) & ~Q(pk__in=asked)
        open_ones = Webhook.objects.filter(pk__in=webhooks, state=State.ENABLED).exclude(closed)
        self._give_back(
            [parcel.claimed for parcel in self._recall(webhooks - set(open_ones.values_list("pk", flat=True)))]
        )

    def _recall(self, webhooks: Collection[int]) -> list[Parcel]:
        """What waits for these."""
        return self.senders.recall(lambda parcel: parcel.claimed.webhook_id in webhooks) if webhooks else []

    def _give_back(self, claims: list[Claimed]) -> None:
        if claims:
            claim.release(claims)
            self._unasked(claims)
            for claimed in claims:
                self.held.pop(claimed.id, None)

    def _unasked(self, claims: Sequence[Claimed]) -> None:
        """Of these nothing was learned."""
        probes = [claimed for claimed in claims if claimed.id in self.probes]
        if probes:
            health.ask_again({claimed.webhook_id for claimed in probes if claimed.webhook_id})
            self.probes.difference_update(claimed.id for claimed in probes)

    def _unload(self) -> None:
        """Give back what was not sent; somebody else may take it."""
        self.senders.recall()
        self.composed, self.refused = [], []
        # All that is held and not on its way, whatever step it had reached when the round ended.
        leaving = self.senders.ids | {result.parcel.claimed.id for result in self.unsettled}
        unsent = [claimed for pk, claimed in self.held.items() if pk not in leaving]
        self._give_back(unsent)
        if unsent and self.stop() is None:
            queue.nudge()

    def end(self) -> None:
        """Give back what was not sent, wait for what was, and settle it; cut it when told to stop."""
        try:
            self._unload()
        finally:
            self.senders.dismiss()
            self.vigil.end()
        cut_at: float | None = None
        while self.senders.in_hand:
            stop_at = self.stop()
            if stop_at is not None and time.monotonic() >= stop_at and cut_at is None:
                cut_at = time.monotonic()
                for way in self.ways:
                    way.cut()
            results, late = self.senders.collect(within=0.05)
            self.unsettled += results
            self._give_back([parcel.claimed for parcel in late])
            if not results and cut_at is not None and time.monotonic() > cut_at + CUT_GRACE:
                break
            if self.unsettled and cut_at is None:
                self._write([], ())
        self._write([], ())


def _strained(results: Sequence[Result]) -> set[int]:
    """The webhooks whose receivers are not to be sent more before it is known what that means."""
    return {result.parcel.claimed.webhook_id or 0 for result in results if is_strained(result.exchange)}


def _took_all(claims: Sequence[Claimed], shares: Sequence[Share]) -> bool:
    """Is nothing left of what is due for these shares' webhooks?"""
    taken = Counter((claimed.webhook_id, claimed.lane) for claimed in claims)
    return all(taken[share.webhook_id, share.lane] < share.number for share in shares)


def _interrupted(result: Result) -> bool:
    return isinstance(result.exchange, Failure) and result.exchange.kind is FailureKind.INTERRUPTED
