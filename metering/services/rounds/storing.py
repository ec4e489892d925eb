"""What a round says to the database: it decides, stores and commits, or stores nothing.

Requests that the round cannot answer get None and go alone: an event that is known, an unknown limit, a ledger that is
being summed up.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import msgspec
import psycopg
from django.conf import settings

from accounts.database.binary import (
    Parameter,
    of_blobs,
    of_bools,
    of_decimals,
    of_instant,
    of_instants,
    of_int,
    of_ints,
    of_jsons,
    of_texts,
    of_uuids,
)
from accounts.database.line import Exchange, Step
from metering.domain.ledger import Ledger
from metering.domain.limit_policy import Claim, Decision
from metering.domain.rounds import (
    HeldCounter,
    Outcome,
    RoundLedgers,
    RoundLimits,
    RoundQuestion,
    RoundReport,
    RoundUsage,
)
from metering.services.rounds.statements import LOCK, LOOK, STORE

TRIES_MAX: Final = 3
# A deadlock; an identity that is taken; a ledger that is being summed up. A look tells which.
RETRIED: Final = (
    psycopg.errors.DeadlockDetected,
    psycopg.errors.UniqueViolation,
    psycopg.errors.DivisionByZero,
)
_LOCK: Final = LOCK.encode()
_LOOK: Final = LOOK.encode()
_STORE: Final = STORE.encode()


class _Found(msgspec.Struct):
    """What `LOCK` and `LOOK` return, each by its position from 1."""

    counters: list[tuple[int, Decimal]]
    buckets: list[tuple[int, int, int]]
    closed: frozenset[int] = frozenset()
    known: list[tuple[int, bool]] = []


_FOUND: Final = msgspec.json.Decoder(_Found)


def store_reports(reports: Sequence[RoundReport]) -> Exchange[list[Outcome | None]]:
    """Store what passes, decided in order of arrival, and commit. Raises psycopg's errors; then nothing is stored."""
    has_to_look = any(report.claim is not None and not report.claim.is_free for report in reports)
    for _ in range(TRIES_MAX - 1):
        try:
            return (yield from _Round(reports).run(has_to_look=has_to_look))
        except RETRIED:
            has_to_look = True
    return (yield from _Round(reports).run(has_to_look=True))


def check_questions(questions: Sequence[RoundQuestion]) -> Exchange[list[Outcome | None]]:
    """Return what would pass now. Locks and takes nothing."""
    ledgers, limits = RoundLedgers(), RoundLimits()
    numbers = [ledgers.number_of(question.claim.ledger) for question in questions]
    for number, question in zip(numbers, questions, strict=True):
        if number is not None:
            limits.include(number, question.claim)
    as_of = of_instant(max(question.claim.as_of for question in questions))
    [found] = yield ((b"look", _LOOK, [*_halves(ledgers.ledgers), *_asked(limits), as_of]),)
    _learn(limits, found)
    return [
        None if number is None else _outcome(limits.check(number, question.claim))
        for number, question in zip(numbers, questions, strict=True)
    ]


class _Round:
    """One try."""

    def __init__(self, reports: Sequence[RoundReport]) -> None:
        self._reports = reports
        self._ledgers = RoundLedgers()
        self._limits = RoundLimits()
        self._usage = RoundUsage()
        self._stored: list[tuple[int, RoundReport]] = []
        # By the position of a stored report: what its answer says the levels of.
        self._watched: dict[int, tuple[int, Claim]] = {}
        # The first report of each identity, with the number of its ledger: another of the round goes alone.
        self._firsts: dict[tuple[int, bytes], int] = {}
        for position, report in enumerate(reports):
            number = self._ledgers.number_of(report.ledger)
            if number is None or self._firsts.setdefault((number, report.event.key), position) != position:
                continue
            if report.claim is not None:
                self._limits.include(number, report.claim)

    def run(self, *, has_to_look: bool) -> Exchange[list[Outcome | None]]:
        """Return the outcome of each report."""
        found = (yield from self._look()) if has_to_look else _Found([], [])
        known = dict(found.known)
        outcomes: list[Outcome | None] = [None] * len(self._reports)
        for order, ((number, _), position) in enumerate(self._firsts.items(), start=1):
            if number not in found.closed:
                report = self._reports[position]
                outcomes[position] = self._outcome_of(number, report, is_same=known.get(order))
                if outcomes[position] is not None and report.watched is not None and report.watched.counters:
                    self._watched[position] = number, report.watched
        watched = yield from self._store(is_begun=has_to_look)
        if watched is not None:
            for position, (number, claim) in self._watched.items():
                outcomes[position] = Outcome(used=watched.used_of(number, claim))
        return outcomes

    def _outcome_of(self, number: int, report: RoundReport, *, is_same: bool | None) -> Outcome | None:
        """Return the outcome of one report. `is_same` says of a known event whether it has the same content."""
        if is_same is not None:
            return _outcome(self._limits.allow_again(number, report.claim)) if is_same and report.claim else None
        decision = None
        if report.claim is not None:
            decision = self._limits.decide(number, report.claim)
            if decision is None or not decision.is_allowed:
                return _outcome(decision)
        self._stored.append((number, report))
        self._usage.add(number, report)
        return Outcome(decision)

    def _look(self) -> Exchange[_Found]:
        ledgers, events = self._ledgers.ledgers, [self._reports[position].event for position in self._firsts.values()]
        lock = [
            of_ints([ledger.lock_key for ledger in ledgers]),
            *_halves(ledgers),
            of_ints([number for number, _ in self._firsts]),
            of_blobs([event.key for event in events]),
            of_blobs([event.content_hash for event in events]),
            *_asked(self._limits),
            of_instant(max(report.received_at for report in self._reports)),
        ]
        _, found = yield b"BEGIN", (b"lock", _LOCK, lock)
        return _learn(self._limits, found)

    def _store(self, *, is_begun: bool) -> Exchange[RoundLimits | None]:
        """Store and commit in one trip. Without a look before, the statements are the transaction.

        Returns the levels of what is watched, read after storing.
        """
        steps: tuple[Step, ...] = ((b"store", _STORE, self._parameters()),) if self._stored else ()
        watched = RoundLimits()
        for number, claim in self._watched.values():
            watched.include(number, claim)
        if self._watched:
            as_of = of_instant(max(report.received_at for report in self._reports))
            steps = *steps, (b"look", _LOOK, [*_halves(self._ledgers.ledgers), *_asked(watched), as_of])
        if is_begun:
            values = yield *steps, b"COMMIT"
        elif steps:
            values = yield steps
        if not self._watched:
            return None
        _learn(watched, values[len(steps) - 1])
        return watched

    def _parameters(self) -> list[Parameter]:
        numbers = {number: new for new, number in enumerate(dict.fromkeys(number for number, _ in self._stored), 1)}
        ledgers = [self._ledgers.ledgers[number - 1] for number in numbers]
        parts, poured = list(self._usage.parts), list(self._limits.poured)
        sums, buckets = self._usage.parts.values(), self._limits.poured.values()
        events = [report.event for _, report in self._stored]
        return [
            of_ints([ledger.lock_key for ledger in ledgers]),
            *_halves(ledgers),
            of_texts([ledger.time_zone for ledger in ledgers]),
            of_ints([numbers[part.ledger] for part in parts]),
            of_ints([part.meter_id for part in parts]),
            of_instants([part.quarter for part in parts]),
            of_uuids([part.api_key_id for part in parts]),
            of_jsons([part.dimensions for part in parts]),
            of_decimals([quantity for quantity, _ in sums]),
            of_ints([events for _, events in sums]),
            of_int(settings.LEDGER_SLOTS),
            *_counters(self._usage.counters, numbers),
            of_decimals(list(self._usage.counters.values())),
            of_ints([numbers[scope.ledger] for scope in poured]),
            of_uuids([scope.scope_id for scope in poured]),
            of_ints([bucket.micro_tokens for bucket in buckets]),
            of_ints([bucket.updated_at_microseconds for bucket in buckets]),
            of_ints([numbers[number] for number, _ in self._stored]),
            of_instants([event.occurred_at for event in events]),
            of_blobs([event.key for event in events]),
            of_blobs([event.content_hash for event in events]),
            of_texts([event.id for event in events]),
            of_texts([event.type for event in events]),
            of_decimals([event.quantity for event in events]),
            of_texts([event.subject for event in events]),
            of_uuids([report.api_key_id for _, report in self._stored]),
            of_jsons([event.properties_json for event in events]),
            of_instants([report.received_at for _, report in self._stored]),
            of_texts([counter.key.subject for counter in self._usage.counters]),
        ]


def _halves(ledgers: Sequence[Ledger]) -> list[Parameter]:
    return [of_uuids([ledger.tenant_id for ledger in ledgers]), of_bools([ledger.is_live for ledger in ledgers])]


def _asked(limits: RoundLimits) -> list[Parameter]:
    return [
        *_counters(limits.used, {}),
        of_ints([scope.ledger for scope in limits.buckets]),
        of_uuids([scope.scope_id for scope in limits.buckets]),
    ]


def _counters(counters: Iterable[HeldCounter], numbers: dict[int, int]) -> list[Parameter]:
    """Return the parameters that name counters, with the numbers that their ledgers have in the statement."""
    held = list(counters)
    keys = [counter.key for counter in held]
    return [
        of_ints([numbers.get(counter.ledger, counter.ledger) for counter in held]),
        of_uuids([key.scope_id for key in keys]),
        of_ints([key.meter_id for key in keys]),
        of_instants([key.period_start for key in keys]),
        of_instants([key.period_end for key in keys]),
    ]


def _learn(limits: RoundLimits, text: bytes | None) -> _Found:
    assert text is not None, "the statement returns one row"
    found = _FOUND.decode(text)
    limits.learn(found.counters, found.buckets)
    return found


def _outcome(decision: Decision | None) -> Outcome | None:
    return None if decision is None else Outcome(decision)
