"""The demo's calls of a language model: tokens that a meter counts by a formula, which had a second version."""

import random
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from accounts.domain.actor import Actor
from accounts.models import Tenant
from config.workbench.demo.receipt import receipt_times
from metering.domain.event_input import parse_event
from metering.domain.events import IngestRules, ParsedEvent
from metering.domain.meter_terms import MeterTerms
from metering.models import EventType, Meter
from metering.selectors.catalog import formulas_by_event_type, known_event_types
from metering.selectors.ledgers import half_of
from metering.services.event_types import create_event_type
from metering.services.ingest import ingest_events
from metering.services.meter_versions import create_version
from metering.services.meters import create_meter, terms_of

COMPLETION: Final = "completion"
AI_TOKENS: Final = MeterTerms(
    "ai_tokens",
    "AI tokens",
    "tokens",
    COMPLETION,
    "sum",
    formula="input_tokens + 4 * output_tokens",
    dimensions=("model",),
)
# From the second version on a tenth of cached input is charged.
WITH_CACHE: Final = "input_tokens - 0.9 * (has(cached_tokens) ? cached_tokens : 0) + 4 * output_tokens"
CHANGED_BEFORE: Final = timedelta(days=30)
DAYS: Final = 60
EVENTS_A_DAY: Final = 4
MODELS: Final = ("small", "large")


def ensure_ai_tokens(*, actor: Actor, began_at: datetime, as_of: datetime) -> None:
    """Create the event type and its meter, whose second version began a month ago, unless they are there."""
    if EventType.objects.filter(code=COMPLETION).exists() or Meter.objects.filter(code=AI_TOKENS.code).exists():
        return
    create_event_type(
        code=COMPLETION, name="AI completion", description="A call of a model.", actor=actor, as_of=began_at
    )
    meter = create_meter(terms=AI_TOKENS, actor=actor, as_of=began_at)
    changed_at = as_of - CHANGED_BEFORE
    create_version(meter=meter, terms=replace(terms_of(meter), formula=WITH_CACHE), actor=actor, as_of=changed_at)


def add_completions(*, tenant: Tenant, seed: str, as_of: datetime) -> int:
    """Store the completions of the last days that are missing, and return how many."""
    added = 0
    receipt_of = receipt_times(tenant, as_of=as_of)
    for days_ago in range(DAYS, 0, -1):
        begin = (as_of - timedelta(days=days_ago)).replace(hour=0, minute=0, second=0, microsecond=0)
        received_at = receipt_of(begin + timedelta(days=1))
        rules = IngestRules(begin, received_at, known_event_types(), formulas=formulas_by_event_type())
        items = [_completion(begin, number, seed) for number in range(EVENTS_A_DAY)]
        parsed = [parse_event(item, n, received_at, rules) for n, item in enumerate(items)]
        events = [one for one in parsed if isinstance(one, ParsedEvent)]
        assert len(events) == len(items), f"the demo created an event that is refused: {parsed}"
        ledger = half_of(tenant, is_live=True)
        added += len(ingest_events(ledger=ledger, events=events, api_key_id=None, as_of=received_at).accepted)
    return added


def _completion(begin: datetime, number: int, seed: str) -> dict[str, object]:
    id_ = f"completion-{begin:%Y%m%d}-{number}"
    chosen = random.Random(f"{seed} {id_}")  # noqa: S311 - demo data
    input_tokens = chosen.randrange(200, 8000)
    return {
        "id": id_,
        "type": COMPLETION,
        "timestamp": (begin + timedelta(hours=6 * number, minutes=chosen.randrange(300))).isoformat(),
        "subject": f"project-{chosen.randrange(3)}",
        "properties": {
            "model": chosen.choice(MODELS),
            "input_tokens": input_tokens,
            "output_tokens": chosen.randrange(20, 1500),
            "cached_tokens": chosen.randrange(input_tokens),
        },
    }
