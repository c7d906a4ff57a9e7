CREATE TABLE audits (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT audits_pkey PRIMARY KEY,
    bucket text COLLATE "C" NOT NULL,
    prefix text NOT NULL DEFAULT '',
    suffix text NOT NULL DEFAULT '',
    complete boolean NOT NULL,
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT now(),
    clean boolean NOT NULL,
    versions bigint NOT NULL,
    rows bigint NOT NULL,
    findings jsonb NOT NULL DEFAULT '{}',
    unseen jsonb NOT NULL DEFAULT '{}',
    repaired bigint NOT NULL DEFAULT 0,
    subscription text
);
CREATE INDEX audits_bucket_ended_at_idx ON audits (bucket, ended_at);
COMMENT ON COLUMN audits.complete IS 'it looked at all that the bucket''s subscription tells of';

CREATE TABLE subscriptions (
    bucket text COLLATE "C" CONSTRAINT subscriptions_pkey PRIMARY KEY,
    document text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN subscriptions.since IS 'when it was first seen to be as it should be, no fault being seen since';
