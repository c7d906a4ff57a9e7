-- Where nobody has said which models are active, all that classify are. Not volatile: it sees what was there before the
-- statement, so that of several that come at once none is the first.
CREATE FUNCTION models_enter() RETURNS trigger STABLE LANGUAGE plpgsql
SET search_path = pg_catalog, public, pg_temp AS $function$
BEGIN
    NEW.active := NEW.active AND NOT EXISTS (SELECT FROM models WHERE active);
    RETURN NEW;
END $function$;
CREATE TRIGGER models_enter BEFORE INSERT ON models FOR EACH ROW EXECUTE FUNCTION models_enter();
