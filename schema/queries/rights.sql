-- Who besides the owner gets at our tables. Hosted PostgreSQL has roles that its own HTTP face acts as (Supabase's `anon`
-- and `authenticated`), and default privileges that give them everything that is made.

-- name: outsiders
SELECT rolname::text FROM pg_roles WHERE rolname IN ('anon', 'authenticated') ORDER BY rolname

-- name: open_to_outsiders
-- Those of our tables, and their sequences, that outsiders have a right on, or whose rows no row security guards.
SELECT DISTINCT tables.relname::text AS table_name
  FROM pg_class AS tables
  LEFT JOIN pg_depend ON refobjid = tables.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  LEFT JOIN pg_class AS sequences ON sequences.oid = pg_depend.objid AND sequences.relkind = 'S'
 CROSS JOIN LATERAL (SELECT grantee FROM aclexplode(tables.relacl)
                      UNION ALL SELECT grantee FROM aclexplode(sequences.relacl)
                      UNION ALL SELECT NULL) AS granted (grantee)
 WHERE tables.relnamespace = to_regnamespace(current_schema()::text) AND tables.relkind = 'r'
   AND tables.relname = ANY (:tables::text[])
   AND EXISTS (SELECT FROM pg_roles WHERE rolname IN ('anon', 'authenticated'))
   AND (NOT tables.relrowsecurity
        OR granted.grantee = 0
        OR granted.grantee IN (SELECT oid FROM pg_roles WHERE rolname IN ('anon', 'authenticated')))
 ORDER BY 1

-- name: sequences_of
SELECT sequences.relname::text
  FROM pg_class AS sequences
  JOIN pg_depend ON pg_depend.objid = sequences.oid AND classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  JOIN pg_class AS tables ON tables.oid = refobjid
 WHERE sequences.relkind = 'S' AND tables.relname = :table_name
   AND tables.relnamespace = to_regnamespace(current_schema()::text)
