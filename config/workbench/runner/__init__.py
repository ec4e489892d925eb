"""What stands behind `make run`, `make stop` and `make reset`.

One supervising process that imports no Django: it starts the embedded PostgreSQL, has
`manage.py prepare` bring the schema and the demo data up to date, then keeps a web server
and a queue worker running until it is told to stop.
"""
