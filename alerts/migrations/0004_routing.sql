-- Who answers for a ticket: JSON, frozen when the ticket opened; absent for older tickets and for kinds that nobody knows.

ALTER TABLE tickets ADD COLUMN route TEXT;

-- The clocks of a case, from the moment that its ticket opens.
CREATE TABLE clocks (
    ticket TEXT PRIMARY KEY REFERENCES tickets (id) ON DELETE CASCADE,
    -- Counted up with each change.
    revision BIGINT NOT NULL,
    -- JSON; the columns below are of it.
    state TEXT NOT NULL,
    -- The worst light of those that run; absent where none does.
    light TEXT,
    -- When a light may change though nothing happens.
    wakes_at BIGINT,
    solve_due BIGINT,
    solved_at BIGINT,
    -- 1 or 0; absent while it is not solved.
    in_time BIGINT
);

CREATE INDEX clocks_by_wake ON clocks (wakes_at) WHERE wakes_at IS NOT NULL;
CREATE INDEX clocks_by_light ON clocks (light) WHERE light IS NOT NULL;
