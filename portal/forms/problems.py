"""A service's refusal, shown at the field that it is about."""

from django import forms

from accounts.errors import ProblemError


def show_problem(form: forms.Form, error: ProblemError) -> None:
    """Add the refusal to the form: each field error to its field, everything else above the form."""
    unplaced = []
    for refused in error.field_errors:
        parts = refused.pointer.strip("/").split("/")
        name = next((name for name in ("_".join(parts), parts[0]) if name in form.fields), None)
        if name is None:
            unplaced.append(refused.detail)
        else:
            form.add_error(name, refused.detail)
    if unplaced or not error.field_errors:
        form.add_error(None, unplaced or error.detail)
