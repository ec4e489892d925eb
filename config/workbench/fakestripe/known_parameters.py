"""The parameters that a call takes, down to the innermost, as Stripe's library knows them.

The library's parameter classes are generated from Stripe's own description of its API, so
that a name which the fake would silently ignore is refused here as Stripe refuses it.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import stripe.params

from config.workbench.fakestripe.errors import Json, StripeError

# Parameters for the library, not for Stripe.
OPTIONS = frozenset(stripe.RequestOptions.__annotations__)
CLASS_NAME = re.compile(r"\b[A-Z]\w*Params\w*")


def refuse_unknown(dotted: str, parameters: Json) -> None:
    """Raise if the named class lacks one of the parameters."""
    unknown = sorted(_unknown([_class_named(dotted)], parameters, ""))
    if unknown:
        message = f"Received unknown parameter{'s' if len(unknown) > 1 else ''}: {', '.join(unknown)}"
        raise StripeError(message, code="parameter_unknown", param=unknown[0])


def _unknown(kinds: Sequence[type], given: Any, path: str) -> Iterator[str]:
    if isinstance(given, list):
        for place, element in enumerate(given):
            yield from _unknown(kinds, element, f"{path}[{place}]")
    elif isinstance(given, dict) and kinds:  # without a class the keys are the caller's own: metadata
        for name, value in given.items():
            inner = f"{path}[{name}]" if path else name
            owners = [kind for kind in kinds if name in kind.__annotations__ and (path or name not in OPTIONS)]
            if not owners:
                yield inner
            yield from _unknown([found for kind in owners for found in _classes_of(kind, name)], value, inner)


@cache
def _classes_of(kind: type, name: str) -> tuple[type, ...]:
    """Return the classes in a parameter's annotation; they are in the same module."""
    module = sys.modules[kind.__module__]
    named = CLASS_NAME.findall(str(kind.__annotations__[name]))
    return tuple(getattr(module, word) for word in dict.fromkeys(named) if hasattr(module, word))


@cache
def _class_named(dotted: str) -> type:
    found: Any = stripe.params
    for part in dotted.split("."):
        found = getattr(found, part)
    assert isinstance(found, type)
    return found
