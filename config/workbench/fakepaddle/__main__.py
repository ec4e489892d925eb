"""`python -m config.workbench.fakepaddle`: the fake in its own process."""

from config.workbench.fakepaddle.server import FakePaddle
from config.workbench.fakestripe.fake_provider import run_fake

if __name__ == "__main__":
    run_fake(FakePaddle, module="config.workbench.fakepaddle", provider="Paddle", port=12112)
