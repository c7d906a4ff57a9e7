-- The note that a sweep has switched a rule off, and until when that sweep is known to live.

-- name: take
INSERT INTO bursts (rule, holder, until) VALUES (%(rule)s, %(holder)s, now() + %(lease)s)
ON CONFLICT DO NOTHING RETURNING rule;

-- name: renew
UPDATE bursts SET until = now() + %(lease)s WHERE rule = %(rule)s AND holder = %(holder)s RETURNING rule;

-- name: release
DELETE FROM bursts WHERE rule = %(rule)s AND holder = %(holder)s;

-- name: find
SELECT since, until < now() AS is_over FROM bursts WHERE rule = %(rule)s;

-- Unless its sweep has been seen meanwhile.
-- name: end
DELETE FROM bursts WHERE rule = %(rule)s AND (until < now() OR %(whoever)s);
