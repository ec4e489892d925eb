"""The questions on the pricing page, which staff write and answer."""

from django import forms
from django.contrib import admin

from accounts.admin.base import StaffModelAdmin
from billing.models import PricingQuestion


class PricingQuestionForm(forms.ModelForm):  # type: ignore[type-arg]  # Django's own is not generic at run time
    """A question and its answer. The page escapes both, so they cannot bring markup."""

    class Meta:
        model = PricingQuestion
        fields = ("question", "answer", "position", "is_shown")


@admin.register(PricingQuestion)
class PricingQuestionAdmin(StaffModelAdmin):
    """Questions with their replies below the plans."""

    form = PricingQuestionForm
    list_display = ("question", "position", "is_shown")
    list_filter = ("is_shown",)
    search_fields = ("question", "answer")
    fields = ("question", "answer", "position", "is_shown")
