-- What is asked of a database before it is migrated.

-- Whatever is in the schema where ours would be made, but for what extensions brought.
-- name: foreign_relations
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p', 'v', 'm', 'f')
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid AND deptype = 'e')
ORDER BY relname;
