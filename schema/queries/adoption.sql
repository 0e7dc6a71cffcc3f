-- What `darkroom migrate --adopt` asks the catalogs about tables that Darkroom did not make.

-- name: tables_in_the_way
-- What stands under the names of our first two tables.
SELECT pg_class.oid AS table_id,
       relname AS name,
       relkind::text AS kind,
       nspname = current_schema() AS here,
       pg_has_role(relowner, 'USAGE') AS owned,
       relpersistence = 'u' AS unlogged,
       relrowsecurity AS row_security,
       relforcerowsecurity
       AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) AS row_security_forced,
       reloftype <> 0 AS typed,
       relispartition OR EXISTS (SELECT FROM pg_inherits WHERE pg_class.oid IN (inhrelid, inhparent)) AS inherits,
       (SELECT min(rulename) FROM pg_rewrite WHERE ev_class = pg_class.oid) AS rule
  FROM unnest(ARRAY['users', 'tasks']) WITH ORDINALITY AS ours (name, place)
  JOIN pg_class ON pg_class.oid = to_regclass(ours.name)
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 ORDER BY place

-- name: may_create_here
SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)

-- name: columns_of_tables
SELECT attrelid AS table_id,
       attnum AS number,
       attname AS name,
       format_type(atttypid, NULL) AS type,
       attcollation IN (0, (SELECT oid FROM pg_collation WHERE collname = 'default')) AND atttypmod = -1 AS plain,
       attnotnull AS not_null,
       atthasdef OR attidentity <> '' AS has_default,
       attidentity <> '' AS identity,
       attgenerated::text AS generated
  FROM pg_attribute
 WHERE attrelid = ANY (:tables::oid[]) AND attnum > 0 AND NOT attisdropped
 ORDER BY attrelid, attnum

-- name: constraints_of_tables
SELECT conrelid AS table_id, conname AS name, contype::text AS kind, coalesce(conkey, '{}') AS columns,
       confrelid AS refers_to, pg_get_constraintdef(oid) AS definition
  FROM pg_constraint
 WHERE conrelid = ANY (:tables::oid[]) AND contype IN ('p', 'u', 'x', 'c', 'f')
 ORDER BY conname

-- name: indexes_of_tables
-- Those that belong to no constraint. Columns: all it is made of, those in expressions and in WHERE included.
SELECT indrelid AS table_id,
       relname AS name,
       indexprs IS NOT NULL OR indpred IS NOT NULL AS computed,
       ARRAY(SELECT DISTINCT refobjsubid::smallint
               FROM pg_depend
              WHERE classid = 'pg_class'::regclass AND objid = indexrelid
                AND refclassid = 'pg_class'::regclass AND refobjid = indrelid AND refobjsubid > 0) AS columns,
       pg_get_indexdef(indexrelid) AS definition
  FROM pg_index
  JOIN pg_class ON pg_class.oid = indexrelid
 WHERE indrelid = ANY (:tables::oid[])
   AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u', 'x'))
 ORDER BY relname

-- name: triggers_of_tables
SELECT tgrelid AS table_id,
       tgname AS name,
       tgfoid::regprocedure::text AS function,
       NOT EXISTS (SELECT FROM pg_trigger AS other WHERE other.tgfoid = pg_trigger.tgfoid AND other.tgrelid <> ALL (:tables::oid[]))
       AND NOT EXISTS (SELECT FROM pg_depend
                        WHERE (refclassid = 'pg_proc'::regclass AND refobjid = tgfoid AND classid <> 'pg_trigger'::regclass)
                           OR (classid = 'pg_proc'::regclass AND objid = tgfoid AND deptype = 'e'))
       AND pg_has_role(proowner, 'USAGE')
       AND pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AS only_here
  FROM pg_trigger
  JOIN pg_proc ON pg_proc.oid = tgfoid
 WHERE tgrelid = ANY (:tables::oid[]) AND NOT tgisinternal
 ORDER BY tgname

-- name: references_to_tables
-- Foreign keys, those of partitions' parts left to their parents.
SELECT pg_constraint.oid AS constraint_id,
       conname AS name,
       conrelid AS table_id,
       conrelid::regclass::text AS table_name,
       pg_has_role(relowner, 'USAGE') AS owned,
       conkey AS columns,
       confrelid AS refers_to,
       confkey AS referred,
       pg_get_constraintdef(pg_constraint.oid) AS definition
  FROM pg_constraint
  JOIN pg_class ON pg_class.oid = conrelid
 WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY (:tables::oid[])
 ORDER BY conrelid::regclass::text, conname

-- name: dependents_of_columns
-- What forbids PostgreSQL to change the type of these columns: views and rules, policies, functions with their own body in
-- SQL, publications' filters, generated columns; and triggers, where those stay.
SELECT DISTINCT
       CASE WHEN pg_depend.classid = 'pg_rewrite'::regclass
            THEN (SELECT CASE relkind WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view ' ELSE 'a rule on ' END
                         || ev_class::regclass::text
                    FROM pg_rewrite JOIN pg_class ON pg_class.oid = ev_class
                   WHERE pg_rewrite.oid = pg_depend.objid)
            WHEN pg_depend.classid = 'pg_attrdef'::regclass
            THEN 'generated ' || pg_describe_object('pg_class'::regclass, adrelid, adnum)
            ELSE pg_describe_object(pg_depend.classid, pg_depend.objid, 0) END AS dependent
  FROM unnest(:table_ids::oid[], :numbers::smallint[]) AS changed (table_id, number)
  JOIN pg_depend ON refclassid = 'pg_class'::regclass AND refobjid = table_id AND refobjsubid = number
  LEFT JOIN pg_attrdef ON pg_depend.classid = 'pg_attrdef'::regclass AND pg_attrdef.oid = pg_depend.objid
 WHERE pg_depend.classid IN ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_proc'::regclass,
                             'pg_publication_rel'::regclass)
    OR (pg_depend.classid = 'pg_trigger'::regclass AND table_id <> ALL (:without_triggers::oid[]))
    OR (pg_depend.classid = 'pg_attrdef'::regclass
        AND NOT EXISTS (SELECT FROM unnest(:table_ids::oid[], :numbers::smallint[]) AS also (table_id, number)
                         WHERE also.table_id = adrelid AND also.number = adnum))
 ORDER BY 1

-- name: users_of_row_types
-- Columns elsewhere that hold whole rows of these tables.
SELECT pg_describe_object('pg_class'::regclass, attrelid, attnum) AS dependent
  FROM pg_attribute
  JOIN pg_type ON pg_type.oid = atttypid OR pg_type.typarray = atttypid
 WHERE pg_type.typrelid = ANY (:tables::oid[]) AND attnum > 0 AND NOT attisdropped
 ORDER BY 1

-- name: names_taken
-- Of the names that the migrations give to tables, indexes and functions: those that are somebody else's.
SELECT CASE relkind WHEN 'i' THEN 'an index ' WHEN 'I' THEN 'an index ' WHEN 'v' THEN 'a view '
                    WHEN 'S' THEN 'a sequence ' WHEN 'c' THEN 'a type ' ELSE 'a table ' END
       || relname AS taken
  FROM pg_class
  JOIN pg_namespace ON pg_namespace.oid = relnamespace
 WHERE nspname = current_schema() AND relname = ANY (:names::text[]) AND pg_class.oid <> ALL (:tables::oid[])
   AND NOT EXISTS (SELECT FROM pg_index WHERE indexrelid = pg_class.oid AND indrelid = ANY (:tables::oid[]))
 UNION
SELECT 'a type ' || typname
  FROM pg_type
  JOIN pg_namespace ON pg_namespace.oid = typnamespace
 WHERE nspname = current_schema() AND typname = ANY (:names::text[]) AND typrelid = 0 AND typelem = 0
 UNION
SELECT 'a function ' || proname
  FROM pg_proc
  JOIN pg_namespace ON pg_namespace.oid = pronamespace
 WHERE nspname = current_schema() AND proname = ANY (:names::text[])
 ORDER BY 1

-- name: numbers_of_adoption
SELECT (SELECT count(*) FROM users WHERE NOT is_placeholder) AS users,
       (SELECT count(*) FROM users WHERE is_placeholder) AS placeholders,
       (SELECT count(*) FROM tasks) AS tasks,
       (SELECT count(*) FROM tasks WHERE elsewhere) AS elsewhere,
       (SELECT count(*) FROM tasks WHERE user_id IS NULL) AS nobodys,
       (SELECT coalesce(sum(current_credits), 0)::bigint FROM users) AS credits

-- name: reasons_of_adoption
SELECT kind, reason, count(*) AS records
  FROM legacy_quarantine
 GROUP BY kind, reason
 ORDER BY kind DESC, records DESC, reason

-- name: remarks_of_adoption
SELECT kind, reason, count(*) AS records
  FROM legacy_remarks CROSS JOIN LATERAL unnest(reasons) AS reason
 GROUP BY kind, reason
 ORDER BY kind DESC, records DESC, reason
