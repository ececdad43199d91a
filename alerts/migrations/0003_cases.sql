-- The life of each case, what the platform said of it, and what came in that nobody understands.

-- Where the case stands (a word), and all that the state machine knows of it (JSON); the other columns are taken out of it.
ALTER TABLE tickets ADD COLUMN case_state TEXT NOT NULL DEFAULT 'filed';
ALTER TABLE tickets ADD COLUMN case_data TEXT NOT NULL DEFAULT '{"stage":{"at":"filed"},"filed_at":0}';
ALTER TABLE tickets ADD COLUMN filed_at BIGINT;
ALTER TABLE tickets ADD COLUMN acknowledged_at BIGINT;
-- When it was closed or rejected.
ALTER TABLE tickets ADD COLUMN ended_at BIGINT;
-- How often the ticket was sent again for want of an answer, and when it is due next.
ALTER TABLE tickets ADD COLUMN resends BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tickets ADD COLUMN resend_at BIGINT;

-- Tickets from before: filed when they opened, and taken as answered once the broker had them.
UPDATE tickets SET filed_at = confirmed_at, acknowledged_at = delivered_at;
UPDATE tickets SET case_state = 'gone_by_itself',
    case_data = '{"stage":{"at":"gone_by_itself","before":{"at":"filed"}},"filed_at":0,"gone_at":' || cleared_at || '}'
    WHERE cleared_at IS NOT NULL;

CREATE INDEX tickets_by_case ON tickets (case_state, confirmed_at, id);
CREATE INDEX tickets_to_be_answered ON tickets (delivered_at) WHERE acknowledged_at IS NULL;
CREATE INDEX tickets_sent_again ON tickets (id) WHERE acknowledged_at IS NULL AND resends > 0;

CREATE TABLE case_events (
    ticket TEXT NOT NULL REFERENCES tickets (id),
    -- From 1 within its ticket.
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    -- When the platform decided it.
    decided_at BIGINT,
    from_state TEXT NOT NULL,
    to_state TEXT NOT NULL,
    event TEXT NOT NULL,
    -- 'rules', 'clock', 'platform', 'platform:NAME', 'person:NAME'
    made_by TEXT NOT NULL,
    reason TEXT,
    note TEXT,
    PRIMARY KEY (ticket, seq)
);

CREATE TABLE verdicts (
    -- Together they tell a repeat.
    source TEXT NOT NULL,
    id TEXT NOT NULL,
    ticket TEXT NOT NULL REFERENCES tickets (id),
    event TEXT NOT NULL,
    received_at BIGINT NOT NULL,
    -- 'applied', 'late', or why it was refused
    outcome TEXT NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (source, id)
);

CREATE INDEX verdicts_by_ticket ON verdicts (ticket, received_at);

CREATE TABLE problems (
    seq BIGINT PRIMARY KEY,
    received_at BIGINT NOT NULL,
    topic TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    payload BYTEA NOT NULL,
    -- When the broker took the message that tells it.
    told_at BIGINT
);

CREATE INDEX problems_untold ON problems (seq) WHERE told_at IS NULL;
