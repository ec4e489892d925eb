"""`/.well-known/countinghouse-keys.json`: the public keys, old ones included."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from metering.proofs.selectors.keys import published_keys


@cache_control(max_age=300, public=True)
@require_safe
def proof_keys(request: HttpRequest) -> JsonResponse:  # noqa: ARG001 - a view's signature
    """Return every public key that ever signed a proof, the newest first."""
    return JsonResponse({"keys": published_keys()})
