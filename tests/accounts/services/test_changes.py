"""Settings that stay the same leave no trace."""

from accounts.models import Tenant
from accounts.services.changes import differing, update_changed


def test_only_changed_settings_are_found_and_written(acme: Tenant) -> None:
    changed = differing(acme, {"name": "Acme Ltd", "slug": acme.slug})
    assert (changed.before, changed.after, bool(changed)) == ({"name": "Acme"}, {"name": "Acme Ltd"}, True)
    update_changed(acme, changed)
    assert (acme.name, Tenant.objects.get(pk=acme.pk).name) == ("Acme Ltd", "Acme Ltd")


def test_equal_settings_are_no_change(acme: Tenant) -> None:
    changed = differing(acme, {"name": "Acme"})
    assert not changed
    update_changed(acme, changed)
    assert acme.name == "Acme"
