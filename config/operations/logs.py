"""Log lines: JSON in production, readable elsewhere; each carries the request id.

A query string is never logged, since people put keys into it; and whatever has the shape of a secret is masked in each
finished line, wherever it came from: a path, an id, the text of an exception.
"""

from collections.abc import Callable
from typing import Any

import structlog

from accounts.domain.masking import mask_secrets

SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def logging_settings(*, is_json: bool, level: str) -> dict[str, Any]:
    """Django's LOGGING; structlog and the standard library end in the same lines."""
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
                    render_without_secrets,
                ],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "structured"}},
        "root": {"handlers": ["console"], "level": level},
        "loggers": {
            "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
            "django.request": {"level": "ERROR"},
            # Two lines for each call otherwise; what fails comes up as an error of ours.
            "stripe": {"level": "WARNING"},
        },
    }
