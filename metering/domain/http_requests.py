"""The names of the event type and the meter that every deployment has: requests to an API.

The first migrations create them.
"""

from typing import Final

EVENT_TYPE: Final = "http_request"
# The meter that counts them, and the default of every query of usage.
API_REQUESTS: Final = "api_requests"
# Properties of the event.
HTTP_METHOD: Final = "http_method"
RESOURCE_PATH: Final = "resource_path"
STATUS: Final = "status"
RESPONSE_LENGTH: Final = "response_length"
