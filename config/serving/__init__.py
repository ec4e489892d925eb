"""The web server: granian reads and writes, two pools of threads do the work (decision 0019).

`python -m config.serving` starts it. A request reaches a thread when its last byte has arrived, and its response leaves
the thread before the first byte is sent: a client that is slow either way holds a connection and nothing else.
"""
