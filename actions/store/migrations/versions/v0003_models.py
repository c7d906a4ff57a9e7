"""An event is settled once every model in use has spoken about its object, not by the first of them."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"

SPOKEN = """
CREATE FUNCTION all_models_spoke(object objects) RETURNS boolean STABLE LANGUAGE sql AS $function$
    -- Counted rather than looked for: a join could be planned to read all outcomes there are.
    SELECT (SELECT count(*) FROM models WHERE in_use) = (
        SELECT count(*) FROM outcomes JOIN models ON models.id = outcomes.model_id AND models.in_use
        WHERE outcomes.object_id = object.id AND outcomes.etag = object.etag
          AND (outcomes.status = 'deleted') = (object.finality > 0)
    )
$function$;
COMMENT ON FUNCTION all_models_spoke IS 'Whether each model in use has an outcome about what the object is now.';

-- After `inbox_read`, which settles what any model has spoken about: triggers run in the order of their names.
CREATE FUNCTION inbox_reopen() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
BEGIN
    IF EXISTS (
        SELECT FROM objects
        WHERE objects.bucket = NEW.bucket AND objects.key = NEW.key AND objects.version_id = NEW.version_id
          AND NOT all_models_spoke(objects)
    ) THEN
        NEW.state := 'owed';
        NEW.settled_at := NULL;
        PERFORM pg_notify('pixwhisk_inbox', '');
    END IF;
    RETURN NEW;
END $function$;
CREATE TRIGGER inbox_reopen BEFORE INSERT ON inbox FOR EACH ROW
WHEN (NEW.state = 'settled' AND NEW.kind <> 'ignored') EXECUTE FUNCTION inbox_reopen();
"""


def upgrade() -> None:
    op.get_bind().exec_driver_sql(SPOKEN)
