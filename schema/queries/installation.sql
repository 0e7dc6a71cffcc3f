-- Which installation this database is.

-- name: installation_id
SELECT installation_id FROM installation
