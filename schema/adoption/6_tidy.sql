-- Nothing of the way stays behind. Rewritten tables have no statistics; the first queries shall have some.

DROP TABLE darkroom_adoption_notes;
DROP FUNCTION darkroom_adoption_reference, darkroom_adoption_error, darkroom_adoption_result, darkroom_adoption_rest,
    darkroom_adoption_text, darkroom_adoption_object, darkroom_adoption_json, darkroom_adoption_open, darkroom_adoption_credits,
    darkroom_adoption_charge, darkroom_adoption_time, darkroom_adoption_is_id, darkroom_adoption_name, darkroom_adoption_fields;

ANALYZE users, tasks;
