"""ClickHouse behind one small face: schema, migrations, named queries, inserts; embedded or a server."""

from store.database import Database
from store.tenant import TenantStore

__all__ = ["Database", "TenantStore"]
