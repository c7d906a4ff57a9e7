-- MinIO's events leave a size of 0 out. After `inbox_read`: triggers run in the order of their names.
CREATE FUNCTION inbox_skip_folders() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
BEGIN
    IF coalesce(inbox_record(NEW.event_data) -> 0 -> 's3' -> 'object' ->> 'size', '0') = '0' THEN
        NEW.kind := 'ignored';
        NEW.state := 'settled';
        NEW.settled_at := now();
    END IF;
    RETURN NEW;
END $function$;

CREATE TRIGGER inbox_skip_folders BEFORE INSERT ON inbox FOR EACH ROW
WHEN (new.state = 'pending' AND new.kind = 'created' AND right(new.key, 1) = '/')
EXECUTE FUNCTION inbox_skip_folders();
