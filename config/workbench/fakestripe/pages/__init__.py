"""The pages that a customer of Stripe's customer sees: checkout, billing portal, hosted invoice."""

from config.workbench.fakestripe.pages.site import Pages as Pages
