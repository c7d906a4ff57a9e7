-- What is kept of audits, and of the subscription that they see.

-- name: record_audit
INSERT INTO audits (
    bucket, prefix, suffix, complete, began_at, clean, versions, rows, findings, unseen, repaired, subscription
) VALUES (
    %(bucket)s, %(prefix)s, %(suffix)s, %(complete)s, %(began)s, %(clean)s, %(versions)s, %(rows)s, %(findings)s,
    %(unseen)s, %(repaired)s, %(subscription)s
);

-- What is older nobody asks about.
-- name: prune_audits
DELETE FROM audits WHERE bucket = %(bucket)s AND ended_at < now() - %(age)s;

-- name: note_subscription
INSERT INTO subscriptions (bucket, document) VALUES (%(bucket)s, %(document)s)
ON CONFLICT (bucket) DO UPDATE SET
    since = CASE WHEN subscriptions.document = excluded.document THEN subscriptions.since ELSE now() END,
    document = excluded.document, seen_at = now();

-- name: forget_subscription
DELETE FROM subscriptions WHERE bucket = %(bucket)s;

-- The last audit that looked at everything, and when the last of these was clean.
-- name: read_standing
SELECT last.ended_at, last.clean, last.versions, last.rows, last.findings, last.unseen,
       (SELECT max(ended_at) FROM audits WHERE bucket = %(bucket)s AND complete AND clean) AS clean_at,
       (SELECT since FROM subscriptions WHERE bucket = %(bucket)s) AS subscribed_since,
       now() AS now
FROM (VALUES (1)) AS one (n)
LEFT JOIN LATERAL (
    SELECT * FROM audits WHERE bucket = %(bucket)s AND complete ORDER BY ended_at DESC LIMIT 1
) AS last ON true;
