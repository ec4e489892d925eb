"""Who is billed: asked before anything paid begins."""

from django import forms

from portal.forms.settings import countries


class ParticularsForm(forms.Form):
    """The name, the address and the tax id that an invoice needs, as the tenant's settings keep them."""

    legal_name = forms.CharField(
        required=False, max_length=200, label="Registered name", help_text="If it differs from the organisation's name."
    )
    tax_id = forms.CharField(
        required=False, max_length=50, label="VAT number", help_text="If you buy for a business; else leave it empty."
    )
    country = forms.ChoiceField(choices=countries)
    address_line1 = forms.CharField(max_length=200, label="Street and number")
    address_line2 = forms.CharField(required=False, max_length=200, label="Building, floor")
    postal_code = forms.CharField(required=False, max_length=20)
    city = forms.CharField(max_length=100)
    region = forms.CharField(required=False, max_length=100, label="State or region")
