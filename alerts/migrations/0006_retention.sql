-- Legal holds, and the orders in which things expire.

-- A ticket may be held several times, once at a time. The lines outlive their ticket: who held it, when and why.
CREATE TABLE holds (
    ticket TEXT NOT NULL,
    held_at BIGINT NOT NULL,
    held_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    released_at BIGINT,
    released_by TEXT,
    release_reason TEXT,
    PRIMARY KEY (ticket, held_at)
);

CREATE UNIQUE INDEX holds_in_force ON holds (ticket) WHERE released_at IS NULL;

CREATE INDEX outbox_by_sending ON outbox (sent_at) WHERE sent_at IS NOT NULL;
CREATE INDEX tickets_by_end ON tickets (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX tickets_unfiled ON tickets (confirmed_at) WHERE filed_at IS NULL;
