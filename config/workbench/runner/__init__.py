"""The programs of `make run`, `make stop` and `make reset`.

One supervising process that imports no Django: it starts the embedded PostgreSQL, runs
`manage.py prepare_demo` to update the schema and the demo data, then keeps a web server and
a queue worker running until it is stopped.
"""
