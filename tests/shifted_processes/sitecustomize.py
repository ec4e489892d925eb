"""Shifts the clock of a Python process that a shifted test run starts; Python imports it by its name."""

import os
import time

import time_machine

if offset := os.environ.get("COUNTINGHOUSE_CLOCK_OFFSET_SECONDS"):
    time_machine.travel(time.time() + float(offset)).start()
