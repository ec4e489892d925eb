"""The web server: granian reads and writes, two pools of threads do the work (decision 0019).

`python -m config.serving` starts it. A request reaches a thread when it is here to its last byte, and its answer leaves
the thread before the first byte goes out: a client that is slow either way holds a connection and nothing else.
"""
