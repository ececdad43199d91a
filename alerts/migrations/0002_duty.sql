-- The responsibility list: every version of every item; nothing is ever changed or removed.

CREATE TABLE duty_items (
    id TEXT NOT NULL,
    version BIGINT NOT NULL,
    -- The first day that it is in force, as 2026-11-24.
    effective_from TEXT NOT NULL,
    imported_at BIGINT NOT NULL,
    -- The file that it came from.
    source TEXT NOT NULL,
    -- JSON.
    item TEXT NOT NULL,
    PRIMARY KEY (id, version)
);
