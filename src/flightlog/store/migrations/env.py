"""Alembic's entry: it runs the migrations on the connection that we hand in, inside its open transaction."""

from alembic import context

from flightlog.store.contract import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
