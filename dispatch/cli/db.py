"""`dispatch db …`: the store's schema."""

import typer

from dispatch.cli.options import DatabaseOption
from dispatch.cli.output import note
from dispatch.settings import load_settings

app = typer.Typer(help="The store's schema.", no_args_is_help=True)


@app.command()
def upgrade(database_url: DatabaseOption = None) -> None:
    """Bring the store's schema to the one that this version needs; nothing is lost.

    Example: `dispatch db upgrade --database-url sqlite:///dispatch.db`
    """
    from dispatch.store import upgrade as upgrade_store

    upgrade_store(database_url or load_settings().database_url)
    note("the schema is up to date")
