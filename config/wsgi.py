"""The WSGI application."""

import os

from django.core.wsgi import get_wsgi_application

from config.operations.checks import refuse_contradictions
from config.startup import prepare

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
prepare(needs_database=True)
application = get_wsgi_application()
refuse_contradictions()
