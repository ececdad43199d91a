-- What figures are reckoned from: one narrow row a case, so that a year of them need not be gathered from tickets, histories and clocks.

CREATE TABLE case_facts (
    ticket TEXT PRIMARY KEY REFERENCES tickets (id) ON DELETE CASCADE,
    opened_at BIGINT NOT NULL,
    kind TEXT NOT NULL,
    camera TEXT NOT NULL,
    zone TEXT NOT NULL,
    street TEXT,
    case_state TEXT NOT NULL,
    filed_at BIGINT,
    acknowledged_at BIGINT,
    dispatched_at BIGINT,
    handling_at BIGINT,
    handled_at BIGINT,
    closed_at BIGINT,
    cleared_at BIGINT,
    solve_due BIGINT,
    -- 1 or 0; absent while it is not solved.
    in_time BIGINT,
    -- What it is rejected for, while it is.
    rejected_for TEXT,
    -- 1 or 0: what has happened to it.
    duplicate BIGINT NOT NULL,
    confirmed BIGINT NOT NULL,
    came_back BIGINT NOT NULL,
    reworked BIGINT NOT NULL
);

INSERT INTO case_facts
SELECT id, confirmed_at, kind, camera, zone, street, case_state, filed_at, acknowledged_at,
    (SELECT MIN(COALESCE(e.decided_at, e.at)) FROM case_events AS e WHERE e.ticket = id AND e.event = 'dispatched'),
    (SELECT MIN(COALESCE(e.decided_at, e.at)) FROM case_events AS e WHERE e.ticket = id AND e.event = 'handling'),
    (SELECT MAX(COALESCE(e.decided_at, e.at)) FROM case_events AS e WHERE e.ticket = id AND e.event = 'handled'),
    (SELECT MAX(COALESCE(e.decided_at, e.at)) FROM case_events AS e WHERE e.ticket = id AND e.event = 'closed'),
    cleared_at,
    (SELECT c.solve_due FROM clocks AS c WHERE c.ticket = id),
    (SELECT c.in_time FROM clocks AS c WHERE c.ticket = id),
    CASE WHEN case_state = 'rejected' THEN COALESCE((SELECT e.reason FROM case_events AS e
        WHERE e.ticket = id AND e.to_state = 'rejected' AND e.from_state <> 'rejected' ORDER BY e.seq DESC LIMIT 1), 'other') END,
    CASE WHEN EXISTS (SELECT 1 FROM case_events AS e WHERE e.ticket = id AND e.event = 'acknowledged' AND e.reason = 'duplicate') THEN 1 ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM case_events AS e WHERE e.ticket = id AND e.event IN ('confirmed', 'review_confirmed')) THEN 1 ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM case_events AS e WHERE e.ticket = id AND e.event = 'came_back') THEN 1 ELSE 0 END,
    CASE WHEN EXISTS (SELECT 1 FROM case_events AS e WHERE e.ticket = id AND e.event = 'checked_still_there') THEN 1 ELSE 0 END
FROM tickets;

CREATE INDEX case_facts_by_time ON case_facts (opened_at);
