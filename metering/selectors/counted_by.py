"""Which meters count a stored event, by the same SQL as ingest and rebuild."""

from accounts.sql import fetch_all
from metering.domain.ledger import Ledger
from metering.selectors.catalog import counting_rules
from metering.selectors.events import StoredEvent
from metering.selectors.formula_sql import with_formulas
from metering.selectors.statements import IS_COUNTED, METERS, has_value_of, meters_parameter, passes_filters


def meters_counting(*, ledger: Ledger, event: StoredEvent) -> list[int]:
    """Return the ids of the meters that count an event, or counted it until it was voided, in one query."""
    rules = [rule for rule in counting_rules() if rule.event_type == event.type]
    if not rules:
        return []
    # A condition for each kind: one kind measures numbers, another texts.
    kinds = dict.fromkeys(rule.aggregation for rule in rules)
    has_value = " OR ".join(f"(m.aggregation = '{kind.code}' AND {has_value_of([kind])})" for kind in kinds)
    statement = (
        f"WITH {METERS} SELECT DISTINCT m.meter_id FROM event AS e JOIN meters AS m ON {IS_COUNTED}"
        " WHERE e.tenant_id = %(tenant_id)s AND e.is_live = %(is_live)s AND e.occurred_at = %(occurred_at)s"
        f" AND e.key = %(key)s AND {passes_filters('m.filters')} AND ({has_value}) ORDER BY 1"
    )
    parameters = {
        "tenant_id": ledger.tenant_id,
        "is_live": ledger.is_live,
        "occurred_at": event.occurred_at,
        "key": event.key,
        "meters": meters_parameter(rules),
    }
    return [meter_id for (meter_id,) in fetch_all(with_formulas(statement, rules), parameters)]
