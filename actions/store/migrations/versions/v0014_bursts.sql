CREATE TABLE bursts (
    rule text CONSTRAINT bursts_pkey PRIMARY KEY,
    since timestamptz NOT NULL DEFAULT now(),
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);
