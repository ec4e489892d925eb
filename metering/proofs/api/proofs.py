"""`/proofs`: the signed root of a day, and the place of an event in its day's tree."""

from datetime import date
from typing import Any, ClassVar, Final

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.schema import TENANT_PARAMETER, problems
from accounts.api.views import ApiView
from accounts.domain.scopes import Scope
from metering.api.events import source_of
from metering.api.events_schema import EVENT_ID, EVENT_SOURCE
from metering.api.ledger_access import readable_ledger
from metering.api.parameters import refuse
from metering.proofs.selectors.proofs import LeafProof, proof_of_day, proof_of_event
from metering.proofs.selectors.roots import body_of

DAY: Final = OpenApiParameter("day", str, OpenApiParameter.PATH, description="A day of UTC, such as 2026-11-21.")


class SignedDaySchema(serializers.Serializer[Any]):
    """The signed root of what was received on one day of UTC. The page on proofs says which text is signed."""

    tenant = serializers.UUIDField()
    ledger = serializers.ChoiceField(choices=["live", "test"])
    day = serializers.DateField()
    leaves = serializers.IntegerField(help_text="The number of events and voids in the tree.")
    late = serializers.IntegerField(help_text="Of these, the number received the day before.")
    oldest = serializers.CharField(allow_null=True, help_text="The earliest time of an event in the tree.")
    root = serializers.CharField()  # type: ignore[assignment]  # DRF takes fields out of the class
    previous = serializers.CharField(help_text="The digest of the day before, or zeros.")
    key = serializers.CharField()
    signed = serializers.CharField()
    signature = serializers.CharField()


class LeafProofSchema(serializers.Serializer[Any]):
    """A leaf, its place in a day's tree, and the siblings on its way to the root, the lowest first."""

    leaf = serializers.CharField()
    content = serializers.CharField(help_text="The canonical text, of which the leaf is the hash.")
    day = SignedDaySchema()
    index = serializers.IntegerField()
    path = serializers.ListField(child=serializers.CharField())


class EventProofSchema(LeafProofSchema):
    """The proof of an event, and of its void if that is in a tree too."""

    void = LeafProofSchema(allow_null=True)


class DayProofView(ApiView):
    """`GET /proofs/{day}`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="retrieve_signed_day",
        summary="Retrieve the signed root of a day",
        parameters=[DAY, TENANT_PARAMETER],
        responses={200: SignedDaySchema, **problems(404, 422)},
        tags=["Proofs"],
    )
    def get(self, request: Request, day: str) -> Response:
        """Return the signed root of what was received on a day of UTC, from 15 minutes after its end."""
        try:
            asked = date.fromisoformat(day)
        except ValueError:
            refuse("day", "invalid_date", "A day such as 2026-11-21.")
        return Response(body_of(proof_of_day(readable_ledger(request), asked)))


class EventProofView(ApiView):
    """`GET /proofs/events/{id}`."""

    scopes: ClassVar[dict[str, Scope]] = {"GET": Scope.USAGE_READ}

    @extend_schema(
        operation_id="retrieve_event_proof",
        summary="Retrieve the proof of an event",
        parameters=[EVENT_ID, EVENT_SOURCE, TENANT_PARAMETER],
        responses={200: EventProofSchema, **problems(404, 410, 422)},
        tags=["Proofs"],
    )
    def get(self, request: Request, event_id: str) -> Response:
        """Return the event's leaf, its place in the tree of the day on which it was received, and the signed root."""
        event, void = proof_of_event(readable_ledger(request), event_id=event_id, source=source_of(request))
        return Response(_leaf_body(event) | {"void": None if void is None else _leaf_body(void)})


def _leaf_body(proof: LeafProof) -> dict[str, object]:
    return {
        "leaf": proof.leaf.hex(),
        "content": proof.content,
        "day": body_of(proof.inclusion.row),
        "index": proof.inclusion.index,
        "path": [sibling.hex() for sibling in proof.inclusion.path],
    }
