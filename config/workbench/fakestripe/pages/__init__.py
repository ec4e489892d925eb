"""The pages for customers: checkout, billing portal, hosted invoice."""

from config.workbench.fakestripe.pages.site import Pages as Pages
