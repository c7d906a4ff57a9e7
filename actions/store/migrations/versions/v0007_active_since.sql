-- Of those active so far nobody noted when they began: they owe an outcome about everything, as they always did.
ALTER TABLE models ADD COLUMN active_since timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN models.active_since IS 'what other models answered before is not missing';
