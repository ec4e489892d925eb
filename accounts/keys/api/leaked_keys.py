"""`POST /leaked-keys`: a secret scanner reports keys that it found in public. The body's signature authenticates it."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from accounts.api.parsers import RawJSONParser, body_bytes, decode_json
from accounts.api.request_facts import address_of, request_id_of
from accounts.api.schema import BODY_STATUSES, SCANNER_PARAMETERS, problems
from accounts.api.views import ApiView
from accounts.domain.actor import Actor, ActorKind
from accounts.domain.reach import WayIn, way_in
from accounts.errors import NotFoundError, ProblemError
from accounts.keys.domain.leaks import FALSE_POSITIVE, TRUE_POSITIVE, is_signed, parse_report
from accounts.keys.gateways.scanner_keys import is_scanner_known, scanner_key
from accounts.keys.services.leaks import report_leaked_keys

IDENTIFIER_HEADER = "Github-Public-Key-Identifier"
SIGNATURE_HEADER = "Github-Public-Key-Signature"
IDENTIFIER_CHARACTERS_MAX = 100
REPORT_BYTES_MAX = 1024 * 1024


class ScannerSignatureError(ProblemError):
    """The report is not signed by the secret scanner."""

    code = "invalid_scanner_signature"
    status = 401
    title = "The report is not signed by the secret scanner"


class ReportThrottle(SimpleRateThrottle):
    """At most so many reports a minute from one address, counted in the shared cache."""

    rate = "120/min"
    scope = "leaked-keys"

    def get_cache_key(self, request: Request, view: APIView) -> str:  # noqa: ARG002 - DRF's signature
        """Return the place of the address's count."""
        return f"{self.scope}:{address_of(request) or 'local'}"


class ReportedTokenSchema(serializers.Serializer[Any]):
    """A text that the scanner took for a key."""

    token = serializers.CharField()
    type = serializers.CharField(required=False)
    url = serializers.CharField(required=False, allow_blank=True)
    # The protocol's name; DRF takes declared fields off the class.
    source = serializers.CharField(required=False)  # type: ignore[assignment]


class LabelledTokenSchema(serializers.Serializer[Any]):
    """Whether a reported token is a key of ours."""

    token_hash = serializers.CharField(help_text="SHA-256 of the token, in hexadecimal digits.")
    token_type = serializers.CharField(allow_blank=True)
    # As above.
    label = serializers.ChoiceField(choices=[TRUE_POSITIVE, FALSE_POSITIVE])  # type: ignore[assignment]


class LeakedKeysView(ApiView):
    """Take a scanner's report."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (ReportThrottle,)
    parser_classes = (RawJSONParser,)
    body_bytes_max = REPORT_BYTES_MAX

    @extend_schema(
        operation_id="report_leaked_keys",
        tags=["API keys"],
        summary="Report leaked keys",
        auth=[],
        parameters=SCANNER_PARAMETERS,
        request=ReportedTokenSchema(many=True),
        responses={200: LabelledTokenSchema(many=True), **problems(*BODY_STATUSES, 404, 429)},
    )
    def post(self, request: Request) -> Response:
        """Check the tokens in a secret scanner's report, quarantine the keys among them, and label each token.

        For secret scanners: the protocol of GitHub's secret scanning partners. The same report again changes nothing.
        """
        if not is_scanner_known():
            raise NotFoundError("This installation takes no reports of a secret scanner.")
        identifier = request.headers.get(IDENTIFIER_HEADER, "")[:IDENTIFIER_CHARACTERS_MAX]
        signature = request.headers.get(SIGNATURE_HEADER, "")
        if not identifier or not signature:
            raise ScannerSignatureError(f"{IDENTIFIER_HEADER} and {SIGNATURE_HEADER} are needed.")
        _ = request.data  # reads the body
        body, as_of = body_bytes(request), timezone.now()
        key = scanner_key(identifier, as_of=as_of)
        if key is None or not is_signed(body, signature=signature, key=key):
            raise ScannerSignatureError("The signature is not one of the scanner's over this body.")
        tokens = parse_report(decode_json(body))
        actor = Actor(
            ActorKind.SYSTEM, "secret scanner", ip=address_of(request) or None, request_id=request_id_of(request)
        )
        with way_in(WayIn.SIGN_IN):
            labels = report_leaked_keys(tokens=tokens, scanner=identifier, actor=actor, as_of=as_of)
        return Response(labels, headers={"Cache-Control": "no-store"})
