ALTER TABLE inbox ADD COLUMN failing_since timestamptz;
