CREATE TABLE example_labels (
    object_id bigint NOT NULL CONSTRAINT example_labels_object_id_fkey REFERENCES objects ON DELETE CASCADE,
    label text NOT NULL,
    shows boolean NOT NULL,
    etag text NOT NULL DEFAULT '',
    given_by text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT example_labels_pkey PRIMARY KEY (object_id, label),
    CONSTRAINT example_labels_label_check CHECK (label <> '')
);
COMMENT ON COLUMN example_labels.shows IS 'false: somebody said that the picture does not show it';

-- Said of bytes that were overwritten, it is said no longer.
CREATE VIEW examples AS
SELECT objects.bucket, objects.key, nullif(objects.version_id, '') AS version_id, example_labels.label,
       example_labels.shows, example_labels.given_by, example_labels.given_at, example_labels.object_id
FROM example_labels
JOIN objects ON objects.id = example_labels.object_id AND objects.etag = example_labels.etag
WHERE objects.finality = 0;
COMMENT ON VIEW examples IS 'What people say that the pictures which are there show, or do not show.';
