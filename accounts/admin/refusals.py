"""Show the domain's errors in a form."""

from collections.abc import Callable

from django.forms import BaseForm

from accounts.errors import InvalidFieldsError


def show_refusals(form: BaseForm, check: Callable[[], object]) -> None:
    """Add the domain's errors to the form: to the field that the pointer names, else above the form."""
    try:
        check()
    except InvalidFieldsError as error:
        for refused in error.field_errors:
            name = refused.pointer.strip("/").replace("/", "_")
            form.add_error(name if name in form.fields else None, refused.detail)
