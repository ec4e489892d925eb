"""`python -m config.workbench.fakestripe`: the fake in its own process."""

from config.workbench.fakestripe.fake_provider import run_fake
from config.workbench.fakestripe.server import FakeStripe

if __name__ == "__main__":
    run_fake(FakeStripe, module="config.workbench.fakestripe", provider="Stripe", port=12111)
