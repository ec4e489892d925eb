"""Only the outermost layer opens a way in past one tenant. A service that opened one would undo row security."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APPS = ("accounts", "billing", "config", "metering", "portal")
OPENS = re.compile(r"\b(?:way_in|reaching|reach_from_now_on|let_process_reach)\(")
# A client of an outside service keeps a copy of its responses beside its tenant, not in its place.
BESIDE = re.compile(r"\balso_by\(")
OUTERMOST = re.compile(
    r"(?:.*/)?api/[^/]+|(?:.*/)?management/commands/[^/]+|config/middleware|config/staff/viewing|config/operations/health|config/serving/renewal|portal/access|portal/embedding|portal/views/(?:account|mail_stop|pay_link|security)|manage"
)


def places_of(calls: re.Pattern[str]) -> set[str]:
    files = [*ROOT.glob("*.py"), *(path for app in APPS for path in (ROOT / app).rglob("*.py"))]
    named = {str(path.relative_to(ROOT).with_suffix("")): path.read_text() for path in files}
    return {name for name, text in named.items() if name != "accounts/domain/reach" and calls.search(text)}


def test_only_the_outermost_layer_opens_a_way_in() -> None:
    places = places_of(OPENS)
    assert {place for place in places if not OUTERMOST.fullmatch(place)} == set()
    assert {"config/middleware", "manage", "portal/access", "metering/api/reporting"} <= places


def test_only_a_gateway_opens_one_beside_its_tenant() -> None:
    assert places_of(BESIDE) == {"billing/collection/gateways/stripe/mirror"}
