-- What is kept about records that couldn't be imported, or were imported otherwise than they were.

-- name: kept_verdicts
-- What was found about these records before: in quarantine, or remarked on.
SELECT record_id, fingerprint, 'quarantine' AS verdict, ARRAY[reason] AS reasons
  FROM legacy_quarantine WHERE kind = :kind AND record_id = ANY (:record_ids::text[])
 UNION ALL
SELECT record_id, fingerprint, CASE WHEN conflict THEN 'conflict' ELSE 'remark' END, reasons
  FROM legacy_remarks WHERE kind = :kind AND record_id = ANY (:record_ids::text[])

-- name: put_in_quarantine
INSERT INTO legacy_quarantine (kind, record_id, reason, fields, fingerprint)
SELECT :kind, record_id, reason, fields::jsonb, decode(fingerprint, 'hex')
  FROM unnest(:record_ids::text[], :reasons::text[], :fields::text[], :fingerprints::text[])
    AS put (record_id, reason, fields, fingerprint)
ON CONFLICT (kind, record_id) DO UPDATE
   SET reason = excluded.reason, fields = excluded.fields, fingerprint = excluded.fingerprint, quarantined_at = now()
 WHERE legacy_quarantine.fingerprint <> excluded.fingerprint

-- name: release_from_quarantine
-- Joined, as often nothing is kept: then thousands of ids aren't looked at.
DELETE FROM legacy_quarantine USING unnest(:record_ids::text[]) AS put (put_id) WHERE kind = :kind AND record_id = put_id

-- name: put_remarks
INSERT INTO legacy_remarks (kind, record_id, reasons, conflict, fields, fingerprint)
SELECT :kind, record_id, string_to_array(reasons, E'\n'), conflict::boolean, fields::jsonb, decode(fingerprint, 'hex')
  FROM unnest(:record_ids::text[], :reasons::text[], :conflicts::text[], :fields::text[], :fingerprints::text[])
    AS put (record_id, reasons, conflict, fields, fingerprint)
ON CONFLICT (kind, record_id) DO UPDATE
   SET reasons = excluded.reasons, conflict = excluded.conflict, fields = excluded.fields,
       fingerprint = excluded.fingerprint, remarked_at = now()
 WHERE (legacy_remarks.reasons, legacy_remarks.conflict, legacy_remarks.fingerprint)
       IS DISTINCT FROM (excluded.reasons, excluded.conflict, excluded.fingerprint)

-- name: drop_remarks
DELETE FROM legacy_remarks USING unnest(:record_ids::text[]) AS put (put_id) WHERE kind = :kind AND record_id = put_id
