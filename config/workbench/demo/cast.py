"""The cast of the demo: usage plans, tenants, their people and keys, and how each uses its API.

Everything here is made up. The addresses end in `.example`, a domain that cannot be registered.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from accounts.domain.api_key import KeyKind
from accounts.domain.roles import Role

HISTORY_DAYS: Final = 182


@dataclass(frozen=True, slots=True)
class DemoQuota:
    """A quota of a plan: a meter's limit in a period."""

    meter: str
    period: str
    limit: Decimal
    is_hard: bool


@dataclass(frozen=True, slots=True)
class DemoPlan:
    """A usage plan; its throttle is in requests a second."""

    code: str
    name: str
    rate: int
    burst: int
    quotas: tuple[DemoQuota, ...]
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path that is called, its share of the calls, and the size of its response."""

    method: str
    path: str
    weight: int
    bytes_typical: int


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A tenant's traffic over time. `by_hour` are 24 weights of the local day, highest 100."""

    by_hour: tuple[int, ...]
    weekend_percent: int


@dataclass(frozen=True, slots=True)
class DemoKey:
    """A key of a tenant; `share` is its percentage of the traffic."""

    name: str
    share: int
    kind: KeyKind = KeyKind.LIVE
    scopes: tuple[str, ...] = ("events:write", "usage:read")
    revoked_days_ago: int | None = None
    expires_in_days: int | None = None
    throttle_rate: int | None = None
    leaked_days_ago: int | None = None
    environment: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A tenant with its traffic.

    `hourly_tenths` are tenths of a request in its busiest hour when it was new, `growth_percent` over the six months.
    With `is_from_first` it joined on the first day of that month.
    """

    slug: str
    name: str
    time_zone: str
    currency: str
    country: str
    city: str
    plan: str
    people: tuple[tuple[str, Role], ...]
    keys: tuple[DemoKey, ...]
    rhythm: Rhythm
    endpoints: tuple[Endpoint, ...]
    hourly_tenths: int
    growth_percent: int
    spike_days: tuple[int, ...] = ()
    joined_days_ago: int = HISTORY_DAYS
    is_from_first: bool = False
    first_of_month_requests: int = 0
    suspended_days_ago: int | None = None


OFFICE: Final = Rhythm(
    (6, 4, 3, 3, 4, 8, 18, 42, 72, 92, 100, 96, 74, 82, 95, 97, 88, 66, 44, 30, 22, 16, 12, 8), weekend_percent=24
)
EVENING: Final = Rhythm(
    (26, 15, 9, 6, 5, 7, 14, 26, 38, 46, 52, 58, 62, 60, 58, 60, 66, 76, 88, 98, 100, 90, 66, 42), weekend_percent=138
)
MACHINES: Final = Rhythm(
    (70, 66, 64, 62, 66, 74, 84, 92, 96, 98, 100, 98, 96, 97, 98, 99, 98, 96, 92, 88, 84, 80, 76, 72),
    weekend_percent=88,
)

MAPS: Final = (
    Endpoint("GET", "/v1/tiles/{z}/{x}/{y}", 46, 24_000),
    Endpoint("GET", "/v1/geocode", 26, 1_900),
    Endpoint("GET", "/v1/routes", 16, 9_500),
    Endpoint("POST", "/v1/matrix", 7, 14_000),
    Endpoint("GET", "/v1/places/{id}", 5, 3_200),
)
PAYMENTS: Final = (
    Endpoint("POST", "/v1/payments", 38, 1_200),
    Endpoint("GET", "/v1/payments/{id}", 34, 1_500),
    Endpoint("POST", "/v1/refunds", 4, 900),
    Endpoint("GET", "/v1/balance", 16, 500),
    Endpoint("POST", "/v1/tokens", 8, 640),
)
LOGISTICS: Final = (
    Endpoint("GET", "/v1/shipments/{id}", 40, 2_600),
    Endpoint("POST", "/v1/shipments", 16, 1_800),
    Endpoint("GET", "/v1/tracking/{code}", 34, 1_100),
    Endpoint("GET", "/v1/rates", 10, 5_200),
)
CATALOGUE: Final = (
    Endpoint("GET", "/v1/products", 44, 18_000),
    Endpoint("GET", "/v1/products/{id}", 38, 4_100),
    Endpoint("GET", "/v1/search", 14, 12_500),
    Endpoint("PUT", "/v1/products/{id}", 4, 700),
)
SENSORS: Final = (
    Endpoint("POST", "/v1/readings", 62, 220),
    Endpoint("GET", "/v1/readings", 22, 31_000),
    Endpoint("GET", "/v1/devices/{id}", 12, 2_400),
    Endpoint("DELETE", "/v1/devices/{id}", 4, 0),
)

PLANS: Final = (
    DemoPlan(
        "free", "Free", rate=5, burst=20, is_default=True,
        quotas=(DemoQuota("api_requests", "month", Decimal(500), is_hard=True),),
    ),
    DemoPlan(
        "growth", "Growth", rate=50, burst=200,
        quotas=(
            DemoQuota("api_requests", "month", Decimal(1_000), is_hard=True),
            DemoQuota("api_requests", "day", Decimal(100), is_hard=False),
            DemoQuota("api_bytes", "billing", Decimal(40_000_000), is_hard=False),
        ),
    ),
    DemoPlan(
        "scale", "Scale", rate=500, burst=2_000,
        quotas=(
            DemoQuota("api_requests", "month", Decimal(4_000), is_hard=False),
            DemoQuota("api_bytes", "month", Decimal(50_000_000), is_hard=False),
        ),
    ),
)  # fmt: skip

_SMALL_TEAM_KEYS: Final = (DemoKey("Production", 100), DemoKey("Trial runs", 0, KeyKind.TEST))
_TEAM_KEYS: Final = (
    DemoKey("Production", 78),
    DemoKey("Batch jobs", 22),
    DemoKey("Staging", 0, KeyKind.TEST),
)

MAIN_TENANT: Final = "northwind-maps"
CHANGED_TAX_TENANT: Final = "quiet-harbour-studio"  # a consumer in the EU who pays in dollars
TENANTS: Final = (
    DemoTenant(
        MAIN_TENANT, "Northwind Maps", "Europe/Berlin", "EUR", "DE", "Berlin", "scale",
        people=(
            ("dana.olsen", Role.OWNER), ("jonas.weber", Role.ADMIN), ("mei.tanaka", Role.DEVELOPER),
            ("ravi.iyer", Role.DEVELOPER),
            ("felix.brandt", Role.BILLING), ("clara.fontaine", Role.VIEWER),
        ),
        keys=(
            DemoKey(
                "Production", 62,
                scopes=("events:write", "usage:read", "billing:read", "keys:manage", "webhooks:manage"),
                environment="production", tags=("frankfurt", "gateway"),
            ),
            DemoKey("Mobile app", 24, throttle_rate=100, environment="production", tags=("mobile",)),
            DemoKey("Partner: Harbor", 14, expires_in_days=9),
            DemoKey("Old server", 0, revoked_days_ago=47),
            DemoKey("Dashboards", 0, scopes=("usage:read",)),
            DemoKey("Website", 0, leaked_days_ago=2),
            DemoKey("Staging", 4, KeyKind.TEST, environment="staging"),
        ),
        rhythm=OFFICE, endpoints=MAPS, hourly_tenths=61, growth_percent=85, spike_days=(12, 58, 131),
    ),
    DemoTenant(
        "harbor-analytics", "Harbor Analytics", "America/New_York", "USD", "US", "Boston", "scale",
        people=(("sam.whitfield", Role.OWNER), ("dana.olsen", Role.DEVELOPER), ("leo.grant", Role.VIEWER)),
        keys=_TEAM_KEYS, rhythm=OFFICE, endpoints=CATALOGUE, hourly_tenths=35, growth_percent=60, spike_days=(33, 90),
    ),
    DemoTenant(
        "lumen-weather", "Lumen Weather", "Australia/Sydney", "AUD", "AU", "Sydney", "scale",
        people=(("isla.morgan", Role.OWNER), ("noah.tran", Role.ADMIN)),
        keys=_TEAM_KEYS, rhythm=MACHINES, endpoints=SENSORS, hourly_tenths=14, growth_percent=30, spike_days=(5, 74),
    ),
    DemoTenant(
        "kestrel-logistics", "Kestrel Logistics", "Europe/London", "GBP", "GB", "Leeds", "growth",
        people=(("harriet.cole", Role.OWNER), ("tom.barnes", Role.DEVELOPER), ("ana.sousa", Role.VIEWER)),
        keys=_TEAM_KEYS, rhythm=OFFICE, endpoints=LOGISTICS, hourly_tenths=21, growth_percent=45, spike_days=(20,),
    ),
    DemoTenant(
        "sakura-payments", "Sakura Payments", "Asia/Tokyo", "JPY", "JP", "Osaka", "growth",
        people=(("yuki.mori", Role.OWNER), ("ken.sato", Role.ADMIN)),
        keys=_TEAM_KEYS, rhythm=EVENING, endpoints=PAYMENTS, hourly_tenths=12, growth_percent=70,
    ),
    DemoTenant(
        "fjord-robotics", "Fjord Robotics", "Europe/Oslo", "NOK", "NO", "Bergen", "growth",
        people=(("ingrid.dahl", Role.OWNER), ("lars.moen", Role.DEVELOPER)),
        keys=_TEAM_KEYS, rhythm=MACHINES, endpoints=SENSORS, hourly_tenths=7, growth_percent=20,
        spike_days=(9, 41, 100),
    ),
    DemoTenant(
        "bluebird-travel", "Bluebird Travel", "America/Sao_Paulo", "BRL", "BR", "Recife", "growth",
        people=(("bruno.costa", Role.OWNER), ("luiza.reis", Role.VIEWER)),
        keys=_TEAM_KEYS, rhythm=EVENING, endpoints=CATALOGUE, hourly_tenths=12, growth_percent=110, joined_days_ago=150,
    ),
    DemoTenant(
        "atlas-freight", "Atlas Freight", "Asia/Kolkata", "INR", "IN", "Pune", "growth",
        people=(("priya.nair", Role.OWNER), ("arjun.mehta", Role.DEVELOPER)),
        keys=_TEAM_KEYS, rhythm=OFFICE, endpoints=LOGISTICS, hourly_tenths=25, growth_percent=90, joined_days_ago=120,
    ),
    DemoTenant(
        "pixel-bakery", "Pixel Bakery", "America/Los_Angeles", "USD", "US", "Portland", "free",
        people=(("maya.lopez", Role.OWNER), ("eli.stone", Role.DEVELOPER)),
        keys=_SMALL_TEAM_KEYS, rhythm=EVENING, endpoints=CATALOGUE, hourly_tenths=4, growth_percent=60,
        first_of_month_requests=530, joined_days_ago=95,
    ),
    DemoTenant(
        "cedar-atelier", "Cedar Atelier", "Europe/Paris", "EUR", "FR", "Lyon", "free",
        people=(("camille.roux", Role.OWNER),),
        keys=_SMALL_TEAM_KEYS, rhythm=OFFICE, endpoints=CATALOGUE, hourly_tenths=7, growth_percent=15,
    ),
    DemoTenant(
        CHANGED_TAX_TENANT, "Quiet Harbour Studio", "Europe/Lisbon", "USD", "PT", "Porto", "growth",
        people=(("rita.alves", Role.OWNER),),
        keys=_SMALL_TEAM_KEYS, rhythm=EVENING, endpoints=PAYMENTS, hourly_tenths=12, growth_percent=0,
        joined_days_ago=64, is_from_first=True,
    ),
    DemoTenant(
        "oldgate-devices", "Oldgate Devices", "Europe/Dublin", "EUR", "IE", "Cork", "growth",
        people=(("sean.byrne", Role.OWNER), ("aoife.kelly", Role.DEVELOPER)),
        keys=_TEAM_KEYS, rhythm=MACHINES, endpoints=SENSORS, hourly_tenths=7, growth_percent=10, suspended_days_ago=18,
    ),
)  # fmt: skip

STAFF: Final = (
    ("staff", "Robin Ashe", None),
    ("support", "Kim Doyle", "Support"),
    ("billing", "Ola Brandt", "Billing"),
    ("observer", "Pat Quinn", "Read-only"),
)


def joined_at_of(planned: DemoTenant, as_of: datetime) -> datetime:
    """Return when a tenant joined, to the hour."""
    joined_at = (as_of - timedelta(days=planned.joined_days_ago)).replace(minute=0, second=0, microsecond=0)
    return joined_at.replace(day=1, hour=12) if planned.is_from_first else joined_at


def email_of(person: str, tenant: DemoTenant) -> str:
    """Return a person's address at the tenant's own domain, or at the main tenant's for its people elsewhere."""
    main = next(other for other in TENANTS if other.slug == MAIN_TENANT)
    home = main if person in dict(main.people) else tenant
    return f"{person}@{home.slug}.example"


def name_of(person: str) -> str:
    """Return the name for a login: `dana.olsen` is Dana Olsen."""
    return person.replace(".", " ").title()
