"""ClickHouse, embedded or a server: schema, migrations, named queries, inserts."""

from store.database import Database
from store.tenant import TenantStore

__all__ = ["Database", "TenantStore"]
