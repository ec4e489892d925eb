"""Log lines: JSON in production, readable elsewhere. Each has the request id.

A query string is never logged, since people put keys into it. Text with the shape of a secret is masked in each
finished line, wherever it came from: a path, an id, the text of an exception. In a readable line a value with a blank
is in quotes, and a control character is escaped, so that a caller's text adds neither a field nor a line.
"""

import re
from collections.abc import Callable, MutableMapping
from typing import Any, Final

import structlog

from accounts.domain.masking import mask_secrets

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


_OF_SEVERAL_LINES: Final = frozenset({"exception", "stack"})
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def escape_controls(_logger: object, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Return the line with its control characters escaped. structlog quotes a value with a blank."""
    for name, value in line.items():
        if isinstance(value, str) and name not in _OF_SEVERAL_LINES:
            line[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], value)
    return line


def logging_settings(*, is_json: bool, level: str) -> dict[str, Any]:
    """Return Django's LOGGING. structlog and the standard library write the same lines."""
    structlog.configure(
        processors=[*SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    render: Callable[..., Any] = (
        structlog.processors.JSONRenderer() if is_json else structlog.dev.ConsoleRenderer(colors=False)
    )

    def render_without_secrets(logger: Any, name: str, event: Any) -> str:
        line = mask_secrets(str(render(logger, name, event)))
        return line.encode("ascii", "backslashreplace").decode() if is_json else line

    renderers: list[Any] = [render_without_secrets] if is_json else [escape_controls, render_without_secrets]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "structured": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": SHARED,
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    *renderers,
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "django.request": {"level": "ERROR"},
            # Otherwise each call logs two lines; a failure is raised as an error of ours.
            "stripe": {"level": "WARNING"},
        },
    }
