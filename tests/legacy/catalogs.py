"""What a database is made of, and what is in it, for comparisons."""

from typing import Any, Final

from service.database import Connection

PARTS: Final = {
    "columns": """
        SELECT attrelid::regclass::text, attname, format_type(atttypid, atttypmod), attnotnull, attgenerated::text,
               attidentity::text, attcollation::regcollation::text, pg_get_expr(adbin, adrelid)
          FROM pg_attribute
          JOIN pg_class ON pg_class.oid = attrelid AND relkind = 'r' AND relnamespace = 'public'::regnamespace
          LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
         WHERE attnum > 0 AND NOT attisdropped""",
    "constraints": """
        SELECT conrelid::regclass::text, conname, contype::text, pg_get_constraintdef(oid), convalidated, condeferrable
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": """
        SELECT indrelid::regclass::text, indexrelid::regclass::text, pg_get_indexdef(indexrelid), indisvalid,
               indisprimary
          FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = 'public'::regnamespace""",
    "triggers": """
        SELECT tgrelid::regclass::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace""",
    "relations": """
        SELECT relname, relkind::text, relpersistence::text, relrowsecurity, relreplident::text
          FROM pg_class WHERE relnamespace = 'public'::regnamespace""",
}

Shape = dict[str, list[tuple[Any, ...]]]


async def shape(connection: Connection) -> Shape:
    """Everything that a schema is made of but the order of its columns."""
    return {
        part: sorted((tuple(row) for row in await connection.fetch(query)), key=str) for part, query in PARTS.items()
    }


async def contents(connection: Connection) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    tables = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    return {
        table: sorted(row[0] for row in await connection.fetch(f'SELECT t::text FROM "{table}" AS t'))  # noqa: S608
        for table in tables
    }
