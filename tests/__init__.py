"""The tests: a package of its own, because a library (Paddle's) installs another one of this name."""
