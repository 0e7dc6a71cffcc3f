-- What the next steps need for a while, and 6_tidy.sql takes away again: notes on rows, and functions that read what the
-- system before this one wrote.

-- Rows that can't be kept (quarantined) or that are kept otherwise than they were, why, and how they were.
CREATE TABLE darkroom_adoption_notes (
    kind        text NOT NULL CHECK (kind IN ('user', 'task')),
    record_id   text NOT NULL,
    quarantined boolean NOT NULL,
    reasons     text[] NOT NULL,
    fields      jsonb NOT NULL,
    PRIMARY KEY (kind, record_id, quarantined)
);

-- A row as it was: the text of each column, or of those named.
CREATE FUNCTION darkroom_adoption_fields(was jsonb, names text[] DEFAULT NULL) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, value), '{}')
      FROM jsonb_each_text(was)
     WHERE names IS NULL OR key = ANY (names)
$$;

-- What can name a row in the quarantine, which is indexed by it.
CREATE FUNCTION darkroom_adoption_name(id text, place tid) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN length(id) BETWEEN 1 AND 100 THEN id
                ELSE concat(left(id, 100), ' (row ', place::text, ' of the old table)') END
$$;

-- As schema.identifiers.is_id.
CREATE FUNCTION darkroom_adoption_is_id(id text) RETURNS boolean
    LANGUAGE sql STABLE AS $$
    SELECT coalesce(length(id) <= 64 AND id ~ '^[A-Za-z0-9_-]+$', false)
$$;

-- A time that every client can show; null for infinity and years with five digits.
CREATE FUNCTION darkroom_adoption_time(moment timestamptz) RETURNS timestamptz
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN moment >= '0002-01-01 00:00:00+00' AND moment < '9999-01-01 00:00:00+00' THEN moment END
$$;

-- A number of credits, up to what an account may hold (schema/credits.py); 0 for what isn't one.
CREATE FUNCTION darkroom_adoption_credits(number numeric) RETURNS bigint
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN number BETWEEN 0 AND 1000000000000000 THEN floor(number)::bigint ELSE 0 END
$$;

-- What a task was charged; 0 for what nobody can have been.
CREATE FUNCTION darkroom_adoption_charge(number numeric) RETURNS integer
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN number BETWEEN 0 AND 2147483647 THEN floor(number)::integer ELSE 0 END
$$;

-- JSON strings that hold JSON, opened, however deep; text that holds none stays text. JSON's null is null.
CREATE FUNCTION darkroom_adoption_open(value jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    WHILE jsonb_typeof(value) = 'string' LOOP
        value := (value #>> '{}')::jsonb;
    END LOOP;
    RETURN value;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    RETURN value;
END
$$;

-- What is nested too deeply to be answered with (service.legacy.records.salvage.DEEPEST) is as good as a list.
CREATE FUNCTION darkroom_adoption_json(value jsonb) RETURNS jsonb
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN opened @? '$.**{200}' THEN '[]' ELSE nullif(nullif(opened, 'null'), '""') END
      FROM (SELECT CASE WHEN jsonb_typeof(value) = 'string' THEN darkroom_adoption_open(value) ELSE value END
           ) AS one (opened)
$$;

-- An object, or an empty one.
CREATE FUNCTION darkroom_adoption_object(value jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    value := darkroom_adoption_json(value);
    RETURN CASE WHEN jsonb_typeof(value) = 'object' THEN value ELSE '{}' END;
END
$$;

-- A member's text if it is a string, and not an empty one.
CREATE FUNCTION darkroom_adoption_text(object jsonb, name text) RETURNS text
    LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN jsonb_typeof(object -> name) = 'string' THEN nullif(object ->> name, '') END
$$;

-- What else an object holds: members of other names, and those of these names that aren't text.
CREATE FUNCTION darkroom_adoption_rest(object jsonb, names text[]) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY names LOOP
        IF jsonb_typeof(object -> name) IN ('string', 'null') THEN
            object := object - name;
        END IF;
    END LOOP;
    RETURN object;
END
$$;

-- schema.models.tasks.StoredResult. What it has no place for goes into the metadata.
CREATE FUNCTION darkroom_adoption_result(result jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    metadata jsonb;
BEGIN
    result := darkroom_adoption_json(result);
    IF result IS NULL OR jsonb_typeof(result) <> 'object' THEN
        RETURN NULL;
    END IF;
    metadata := coalesce(darkroom_adoption_json(result -> 'metadata'), '{}');
    IF jsonb_typeof(metadata) <> 'object' THEN
        metadata := jsonb_build_object('metadata', metadata);
    END IF;
    RETURN jsonb_build_object(
        'output_file_id', NULL,
        'thumbnail_file_id', NULL,
        'comparison_file_id', NULL,
        'metadata',
        darkroom_adoption_rest(result - 'metadata', '{output_image,thumbnail,comparison_image}') || metadata,
        'legacy', jsonb_build_object(
            'output_image', darkroom_adoption_text(result, 'output_image'),
            'thumbnail', darkroom_adoption_text(result, 'thumbnail'),
            'comparison_image', darkroom_adoption_text(result, 'comparison_image')));
END
$$;

-- schema.models.tasks.TaskFailure. What it has no place for goes into the details; text and numbers are messages.
CREATE FUNCTION darkroom_adoption_error(error jsonb) RETURNS jsonb
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    details jsonb;
BEGIN
    error := darkroom_adoption_json(error);
    IF error IS NULL OR jsonb_typeof(error) = 'array' THEN
        RETURN NULL;
    ELSIF jsonb_typeof(error) <> 'object' THEN
        RETURN jsonb_build_object('code', 'PROCESSING_FAILED', 'message', error #>> '{}', 'details', NULL);
    END IF;
    details := coalesce(nullif(error -> 'details', 'null'), '{}');
    IF jsonb_typeof(details) <> 'object' THEN
        details := jsonb_build_object('details', details);
    END IF;
    RETURN jsonb_build_object(
        'code', coalesce(darkroom_adoption_text(error, 'code'), 'PROCESSING_FAILED'),
        'message', coalesce(darkroom_adoption_text(error, 'message'), 'The edit failed.'),
        'details', nullif(darkroom_adoption_rest(error - 'details', '{code,message}') || details, '{}'));
END
$$;

-- The first that is a file's id: the column, then config's members, as schema.models.edits.REFERENCE_FIELDS has them.
CREATE FUNCTION darkroom_adoption_reference(reference text, mode text, config jsonb) RETURNS text
    LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text;
BEGIN
    IF darkroom_adoption_is_id(reference) THEN
        RETURN reference;
    END IF;
    FOREACH name IN ARRAY CASE mode
        WHEN 'HEAD_SWAP' THEN '{reference_image,target_face_image,cloth_image}'
        WHEN 'BACKGROUND_CHANGE' THEN '{reference_image,background_image,bg_image}'
        ELSE '{reference_image,pose_reference,pose_image}'
    END::text[] LOOP
        IF darkroom_adoption_is_id(config ->> name) THEN
            RETURN config ->> name;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
