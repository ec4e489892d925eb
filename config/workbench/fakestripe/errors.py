"""Errors in the shape and the words of Stripe's."""

from typing import Any

Json = dict[str, Any]


class StripeError(Exception):
    """One refused request: its status and the `error` object of its body."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: Json = {"type": kind, "message": message}
        self.error |= {
            name: value for name, value in {"code": code, "param": param, **more}.items() if value is not None
        }

    @property
    def body(self) -> Json:
        return {"error": self.error}


class CardDeclinedError(StripeError):
    """A declined card: 402, with the reason in `code` and `decline_code`."""

    def __init__(self, message: str, *, code: str, decline_code: str | None = None, **more: Any) -> None:
        param = {"incorrect_cvc": "cvc", "expired_card": "exp_month", "incorrect_number": "number"}.get(code)
        super().__init__(
            message, status=402, kind="card_error", code=code, decline_code=decline_code, param=param, **more
        )


def missing(name: str) -> StripeError:
    return StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)


def invalid(message: str, param: str, code: str | None = None) -> StripeError:
    return StripeError(message, code=code, param=param)


def no_such(kind: str, id_: str, param: str = "id", status: int = 404) -> StripeError:
    return StripeError(f"No such {kind}: '{id_}'", status=status, code="resource_missing", param=param)
